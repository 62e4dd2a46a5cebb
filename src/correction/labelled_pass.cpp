#include "correction/labelled_pass.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/exact_sum.hpp"
#include "correction/not_found.hpp"
#include "kernels/kernels.hpp"
#include "p2p/error.hpp"
#include "scan/block_scan.hpp"
#include "scan/label_scan.hpp"

namespace p2p::correction {
namespace {

constexpr double kSmallestPosterior = 1e-38;
constexpr double kLargestScore = 1e9;
constexpr double kLargestLoss = 1e9;
constexpr double kLargestCurved = 1e6;

// The sums of one thread; a block is added up in float64, blocks exactly.
class Worker {
 public:
  Worker(const EvidenceRows& rows, std::int64_t classes, const Affine& affine,
         const LabelledPass& pass)
      : kind_(rows.kind),
        classes_(classes),
        affine_(&affine),
        pass_(&pass),
        steps_(classes, rows.kind, rows.kind_stated, affine),
        reader_(rows.labels, {classes, rows.ignore_index, {}}, pass.class_weights),
        rows_(size()),
        hits_(size()),
        block_(terms(pass) * size() + 1),
        sums_(block_.size()) {}

  void take(const Chunk& chunk) {
    reader_.read(chunk.global_row, chunk.count);
    steps_.run(chunk, [&](std::int64_t first, std::int64_t count, const double* p) {
      if (pass_->gradient) widen(chunk, first, count);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int32_t label = reader_.labels()[first + i];
        if (label < 0) continue;
        const double* posterior = p + i * classes_;
        add(label, posterior);
        if (pass_->gradient) {
          add_gradient(chunk, first + i, label, posterior, scores_.data() + i * classes_);
        }
      }
    });
    if (!chunk.last_of_block) return;
    sums_.add(block_);
    std::ranges::fill(block_, 0.0);
  }

  void merge(const Worker& other) {
    sums_.merge(other.sums_);
    for (std::size_t c = 0; c < size(); ++c) {
      rows_[c] += other.rows_[c];
      hits_[c] += other.hits_[c];
    }
  }

  [[nodiscard]] LabelledSums finish() const {
    const std::vector<double> all = sums_.values();
    const auto part = [&](std::size_t i) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(i * size());
      return std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(size()));
    };
    LabelledSums result;
    result.rows = rows_;
    result.hits = hits_;
    result.loss = part(0);
    result.loss_squared = part(1);
    if (pass_->gradient) {
      result.posterior = part(2);
      result.residual = part(3);
      result.slope = part(4);
      result.weighted_loss = all.back();
    }
    if (pass_->curvature) {
      result.curvature = part(5);
      result.curvature_score = part(6);
      result.curvature_square = part(7);
    }
    return result;
  }

 private:
  static std::size_t terms(const LabelledPass& pass) {
    return pass.curvature ? 8 : pass.gradient ? 5 : 2;
  }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(classes_); }

  void add(std::int32_t label, const double* p) {
    const auto y = static_cast<std::size_t>(label);
    ++rows_[y];
    if (std::max_element(p, p + classes_) - p == label) ++hits_[y];
    const double loss = -std::log(std::max(p[y], kSmallestPosterior));
    block_[y] += loss;
    block_[size() + y] += loss * loss;
  }

  // Row `row` of the chunk, its posteriors and its scores as logarithms.
  void add_gradient(const Chunk& chunk, std::int64_t row, std::int32_t label, const double* p,
                    const double* z) {
    const double weight =
        pass_->class_weights.empty() ? 1 : pass_->class_weights[static_cast<std::size_t>(label)];
    if (weight == 0) return;
    const bool masked = exponent(z, label) == -HUGE_VAL;
    double* posterior = block_.data() + 2 * size();
    double* residual = posterior + size();
    double* slope = residual + size();
    for (std::int64_t c = 0; c < classes_; ++c) {
      if (z[c] == -HUGE_VAL) continue;
      if (std::abs(z[c]) > kLargestScore) {
        throw NotFound(
            fmt::format("'{}', row {} (counted from 0), class {}: a score of {:.6g} cannot be "
                        "fitted; expected at "
                        "most {:.6g} in magnitude",
                        chunk.block->source->name(), chunk.first + row, c, z[c], kLargestScore));
      }
      posterior[c] += weight * p[c];
      if (masked) continue;
      const double difference = weight * (c == label ? p[c] - 1 : p[c]);
      residual[c] += difference;
      slope[c] += difference * z[c] / affine_->temperature;
      if (pass_->curvature) add_curvature(c, weight * p[c] * (1 - p[c]), z[c]);
    }
    if (!masked) block_.back() += weight * loss(p, z, label);
  }

  void add_curvature(std::int64_t c, double curvature, double z) {
    const double s = std::clamp(z / affine_->temperature, -kLargestCurved, kLargestCurved);
    double* sum = block_.data() + 5 * size() + c;
    sum[0] += curvature;
    sum[size()] += curvature * s;
    sum[2 * size()] += curvature * s * s;
  }

  // -log p_label, also where p_label is too small for a double.
  [[nodiscard]] double loss(const double* p, const double* z, std::int32_t label) const {
    if (p[label] > kSmallestPosterior) return -std::log(p[label]);
    const std::int64_t best = std::max_element(p, p + classes_) - p;
    const double loss = exponent(z, best) - exponent(z, label) - std::log(p[best]);
    return std::min(loss, kLargestLoss);
  }

  [[nodiscard]] double exponent(const double* z, std::int64_t c) const {
    if (z[c] == -HUGE_VAL) return z[c];
    const auto at = static_cast<std::size_t>(c);
    return (affine_->scale.empty() ? 1 : affine_->scale[at]) * z[c] / affine_->temperature +
           (affine_->offset.empty() ? 0 : affine_->offset[at]);
  }

  // The scores of rows [first, first + count) in float64, as logarithms.
  void widen(const Chunk& chunk, std::int64_t first, std::int64_t count) {
    const DType dtype = chunk.block->source->dtype();
    scores_.resize(static_cast<std::size_t>(count * classes_));
    kernels::convert(static_cast<const std::byte*>(chunk.data) +
                         first * classes_ * static_cast<std::int64_t>(item_size(dtype)),
                     dtype, count * classes_, scores_.data(), DType::kF64);
    if (kind_ != ScoreKind::kProbs) return;
    for (double& z : scores_) z = std::log(z);
  }

  ScoreKind kind_;
  std::int64_t classes_;
  const Affine* affine_;
  const LabelledPass* pass_;
  PosteriorSteps steps_;
  LabelReader reader_;
  std::vector<std::int64_t> rows_, hits_;
  // Loss, loss squared; posterior, residual, slope; curvatures: [C] each; weighted loss.
  std::vector<double> block_;
  ExactSums sums_;
  std::vector<double> scores_;
};

}  // namespace

LabelledSums labelled_pass(const EvidenceRows& rows, std::int64_t classes, const Affine& affine,
                           const LabelledPass& pass, const Evidence& evidence) {
  ScoreSet& scores = *rows.scores;
  if (!scores.rewindable()) {
    throw_bad_data(
        fmt::format("'{}' can be read only once, but the method reads it again and again; give a "
                    "file",
                    scores.sources().front()->name()));
  }
  demand_same_rows(scores, *rows.labels);
  const ScanOptions scan{evidence.threads, evidence.rows_done};
  std::vector<Worker> workers(static_cast<std::size_t>(scan_workers(scores, scan)),
                              Worker(rows, classes, affine, pass));
  scan_blocks(scores, plan_blocks(scores), scan, [&](int worker, const Chunk& chunk) {
    workers[static_cast<std::size_t>(worker)].take(chunk);
  });
  for (std::size_t i = 1; i < workers.size(); ++i) workers[0].merge(workers[i]);
  LabelledSums sums = workers[0].finish();
  if (std::ranges::all_of(sums.rows, [](std::int64_t n) { return n == 0; })) {
    throw_bad_data(fmt::format("'{}' holds no label of a row to use; at least one is needed",
                               rows.labels->name()));
  }
  return sums;
}

}  // namespace p2p::correction
