#include "correction/confusion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <vector>

#include "correction/mean_posterior.hpp"
#include "p2p/error.hpp"
#include "scan/block_scan.hpp"
#include "scan/label_scan.hpp"

namespace p2p::correction {
namespace {

// Up to this size every worker has a matrix of its own: few classes are hit by all at once.
constexpr std::int64_t kPrivateBytes = 4 << 20;
constexpr int kSumBits = 62;
constexpr int kMantissaBits = 52;

// Sums of posteriors by label and prediction, in integers that threads may add in any order.
class JointSums {
 public:
  JointSums(std::int64_t classes, std::int64_t rows, int workers)
      : classes_(classes),
        unit_log2_(std::min(kMantissaBits, kSumBits - static_cast<int>(std::bit_width(
                                                          static_cast<std::uint64_t>(rows))))),
        unit_(std::ldexp(1.0, unit_log2_)) {
    const std::int64_t cells = classes * classes;
    const bool is_private =
        cells * static_cast<std::int64_t>(sizeof(std::int64_t)) <= kPrivateBytes;
    sums_.assign(is_private ? static_cast<std::size_t>(workers) : 1,
                 std::vector<std::int64_t>(static_cast<std::size_t>(cells)));
  }

  void add(int worker, std::int32_t label, std::int64_t prediction, double posterior) {
    const auto units = static_cast<std::int64_t>(posterior * unit_ + 0.5);
    if (units == 0) return;
    std::vector<std::int64_t>& sums = sums_[static_cast<std::size_t>(worker) % sums_.size()];
    std::atomic_ref(sums[static_cast<std::size_t>(label * classes_ + prediction)])
        .fetch_add(units, std::memory_order_relaxed);
  }

  // Every sum divided by `rows`.
  [[nodiscard]] Eigen::MatrixXd mean(std::int64_t rows) const {
    Eigen::MatrixXd result(classes_, classes_);
    double* out = result.data();
    for (std::size_t i = 0; i < sums_[0].size(); ++i) {
      std::int64_t total = 0;
      for (const std::vector<std::int64_t>& sums : sums_) total += sums[i];
      out[i] = std::ldexp(static_cast<double>(total), -unit_log2_) / static_cast<double>(rows);
    }
    return result;
  }

 private:
  std::int64_t classes_;
  int unit_log2_;
  double unit_;
  std::vector<std::vector<std::int64_t>> sums_;  // [copies][C, C], label by prediction
};

std::int64_t predicted(const double* p, std::int64_t classes) {
  return std::max_element(p, p + classes) - p;
}

// Share of rows predicted as each class.
Eigen::VectorXd predicted_share(const EvidenceRows& rows, std::int64_t classes,
                                const Affine& affine, const Evidence& evidence) {
  ScoreSet& scores = *rows.scores;
  const ScanOptions scan{evidence.threads, evidence.rows_done};
  struct Worker {
    PosteriorSteps steps;
    std::vector<std::int64_t> counts;
  };
  std::vector<Worker> workers(static_cast<std::size_t>(scan_workers(scores, scan)),
                              Worker{PosteriorSteps(classes, rows.kind, rows.kind_stated, affine),
                                     std::vector<std::int64_t>(static_cast<std::size_t>(classes))});
  scan_blocks(scores, plan_blocks(scores), scan, [&](int worker, const Chunk& chunk) {
    Worker& mine = workers[static_cast<std::size_t>(worker)];
    mine.steps.run(chunk, [&](std::int64_t, std::int64_t count, const double* p) {
      for (std::int64_t i = 0; i < count; ++i, p += classes) {
        ++mine.counts[static_cast<std::size_t>(predicted(p, classes))];
      }
    });
  });
  Eigen::VectorXd share(classes);
  for (std::int64_t c = 0; c < classes; ++c) {
    std::int64_t total = 0;
    for (const Worker& worker : workers) total += worker.counts[static_cast<std::size_t>(c)];
    share[c] = static_cast<double>(total) / static_cast<double>(scores.rows());
  }
  return share;
}

}  // namespace

ConfusionMatrix confusion_matrix(const EvidenceRows& rows, std::int64_t classes,
                                 const Affine& affine, Confusion confusion,
                                 const Evidence& evidence) {
  ScoreSet& scores = *rows.scores;
  demand_same_rows(scores, *rows.labels);
  const ScanOptions scan{evidence.threads, evidence.rows_done};
  const int threads = scan_workers(scores, scan);
  struct Worker {
    PosteriorSteps steps;
    LabelReader reader;
    std::vector<std::int64_t> rows;
  };
  const LabelRules rules{classes, rows.ignore_index, {}};
  std::vector<Worker> workers(static_cast<std::size_t>(threads),
                              Worker{PosteriorSteps(classes, rows.kind, rows.kind_stated, affine),
                                     LabelReader(rows.labels, rules, {}),
                                     std::vector<std::int64_t>(static_cast<std::size_t>(classes))});
  JointSums sums(classes, scores.rows(), threads);
  scan_blocks(scores, plan_blocks(scores), scan, [&](int worker, const Chunk& chunk) {
    Worker& mine = workers[static_cast<std::size_t>(worker)];
    mine.reader.read(chunk.global_row, chunk.count);
    mine.steps.run(chunk, [&](std::int64_t first, std::int64_t count, const double* p) {
      for (std::int64_t i = 0; i < count; ++i, p += classes) {
        const std::int32_t label = mine.reader.labels()[first + i];
        if (label < 0) continue;
        ++mine.rows[static_cast<std::size_t>(label)];
        if (confusion == Confusion::kHard) {
          sums.add(worker, label, predicted(p, classes), 1);
        } else {
          for (std::int64_t c = 0; c < classes; ++c) sums.add(worker, label, c, p[c]);
        }
      }
    });
  });
  ConfusionMatrix result;
  result.share = Eigen::VectorXd::Zero(classes);
  for (const Worker& worker : workers) {
    for (std::int64_t c = 0; c < classes; ++c) {
      const std::int64_t count = worker.rows[static_cast<std::size_t>(c)];
      result.rows += count;
      result.share[c] += static_cast<double>(count);
    }
  }
  if (result.rows == 0) {
    throw_bad_data(fmt::format("'{}' holds no label of a row to use; at least one is needed",
                               rows.labels->name()));
  }
  result.share /= static_cast<double>(result.rows);
  result.joint = sums.mean(result.rows);
  return result;
}

Eigen::VectorXd mean_prediction(const EvidenceRows& rows, std::int64_t classes,
                                const Affine& affine, Confusion confusion,
                                const Evidence& evidence) {
  MeanPosterior mean(rows, classes, affine.temperature, {}, evidence);
  if (confusion == Confusion::kHard) return predicted_share(rows, classes, affine, evidence);
  const std::vector<double> mu = mean(affine.offset);
  return Eigen::Map<const Eigen::VectorXd>(mu.data(), classes);
}

}  // namespace p2p::correction
