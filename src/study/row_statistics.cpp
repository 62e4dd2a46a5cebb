#include "study/row_statistics.hpp"

#include <algorithm>
#include <cmath>

#include "core/exact_sum.hpp"
#include "scan/block_scan.hpp"
#include "scan/label_scan.hpp"

namespace p2p::study {
namespace {

constexpr double kSmallestPosterior = 1e-38;
constexpr std::size_t kTerms = 2 * kStatistics;  // of each statistic: sum, sum of squares

std::array<double, kStatistics> statistics(const double* p, std::int64_t classes) {
  double largest = 0;
  double entropy = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    largest = std::max(largest, p[c]);
    if (p[c] > kSmallestPosterior) entropy -= p[c] * std::log(p[c]);
  }
  return {largest, entropy / std::log(static_cast<double>(classes))};
}

// The sums of one thread; a block is added up in float64, blocks exactly.
class Worker {
 public:
  Worker(const EvidenceRows& rows, std::int64_t classes, const correction::Affine& affine,
         const Eigen::MatrixXd& coefficients, const std::vector<std::int32_t>& stratum_of_class,
         std::size_t strata)
      : classes_(classes),
        coefficients_(&coefficients),
        stratum_of_class_(&stratum_of_class),
        steps_(classes, rows.kind, rows.kind_stated, affine),
        reader_(rows.labels, {classes, rows.ignore_index, {}}, {}),
        rows_(strata),
        block_(kTerms * strata),
        sums_(block_.size()) {}

  void take(const Chunk& chunk) {
    reader_.read(chunk.global_row, chunk.count);
    const std::int32_t* labels = reader_.labels();
    steps_.run(chunk, [&](std::int64_t first, std::int64_t count, const double* p) {
      for (std::int64_t i = 0; i < count; ++i, p += classes_) {
        const std::int32_t label = labels == nullptr ? 0 : labels[first + i];
        if (label < 0) continue;
        add(labels == nullptr ? 0 : (*stratum_of_class_)[static_cast<std::size_t>(label)], p);
      }
    });
    if (!chunk.last_of_block) return;
    sums_.add(block_);
    std::ranges::fill(block_, 0.0);
  }

  void merge(const Worker& other) {
    sums_.merge(other.sums_);
    for (std::size_t s = 0; s < rows_.size(); ++s) rows_[s] += other.rows_[s];
  }

  [[nodiscard]] StatisticMoments finish() const {
    StatisticMoments result{.rows = rows_, .mean = {}, .variance = {}};
    for (std::size_t k = 0; k < kStatistics; ++k) {
      for (std::size_t s = 0; s < rows_.size(); ++s) {
        const auto n = static_cast<double>(rows_[s]);
        const double sum = sums_.value(kTerms * s + 2 * k);
        const double squares = sums_.value(kTerms * s + 2 * k + 1);
        result.mean[k].push_back(n > 0 ? sum / n : 0);
        result.variance[k].push_back(n > 1 ? std::max(0.0, squares - sum * sum / n) / (n - 1) : 0);
      }
    }
    return result;
  }

 private:
  void add(std::int32_t stratum, const double* p) {
    ++rows_[static_cast<std::size_t>(stratum)];
    const std::array<double, kStatistics> psi = statistics(p, classes_);
    double* sum = block_.data() + kTerms * static_cast<std::size_t>(stratum);
    for (std::size_t k = 0; k < kStatistics; ++k) {
      double g = psi[k];
      if (coefficients_->size() > 0) {
        for (std::int64_t c = 0; c < classes_; ++c) {
          g -= (*coefficients_)(static_cast<Eigen::Index>(k), c) * p[c];
        }
      }
      sum[2 * k] += g;
      sum[2 * k + 1] += g * g;
    }
  }

  std::int64_t classes_;
  const Eigen::MatrixXd* coefficients_;
  const std::vector<std::int32_t>* stratum_of_class_;
  correction::PosteriorSteps steps_;
  LabelReader reader_;
  std::vector<std::int64_t> rows_;
  std::vector<double> block_;
  ExactSums sums_;
};

}  // namespace

StatisticMoments statistic_moments(const EvidenceRows& rows, std::int64_t classes,
                                   const correction::Affine& affine,
                                   const Eigen::MatrixXd& coefficients,
                                   const std::vector<std::int32_t>& stratum_of_class,
                                   const Evidence& evidence) {
  ScoreSet& scores = *rows.scores;
  std::size_t strata = 1;
  if (rows.labels != nullptr) {
    demand_same_rows(scores, *rows.labels);
    strata = static_cast<std::size_t>(std::ranges::max(stratum_of_class)) + 1;
  }
  const ScanOptions scan{evidence.threads, evidence.rows_done};
  std::vector<Worker> workers(
      static_cast<std::size_t>(scan_workers(scores, scan)),
      Worker(rows, classes, affine, coefficients, stratum_of_class, strata));
  scan_blocks(scores, plan_blocks(scores), scan, [&](int worker, const Chunk& chunk) {
    workers[static_cast<std::size_t>(worker)].take(chunk);
  });
  for (std::size_t i = 1; i < workers.size(); ++i) workers[0].merge(workers[i]);
  return workers[0].finish();
}

}  // namespace p2p::study
