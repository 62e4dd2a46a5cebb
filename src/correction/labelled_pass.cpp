#include "correction/labelled_pass.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/element.hpp"
#include "core/exact_sum.hpp"
#include "correction/not_found.hpp"
#include "kernels/kernels.hpp"
#include "kernels/weighted_sums.hpp"
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
        block_(terms(pass) * size() + 1),
        sums_(block_.size()) {}

  void take(const Chunk& chunk) {
    reader_.read(chunk.global_row, chunk.count);
    steps_.run_labelled(chunk, reader_.labels(),
                        [&](const PosteriorStep& step) { add(chunk, step); });
    if (!chunk.last_of_block) return;
    sums_.add(block_);
    std::ranges::fill(block_, 0.0);
  }

  void merge(const Worker& other) {
    sums_.merge(other.sums_);
    for (std::size_t c = 0; c < size(); ++c) rows_[c] += other.rows_[c];
  }

  [[nodiscard]] LabelledSums finish() const {
    const std::vector<double> all = sums_.values();
    const auto part = [&](std::size_t i) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(i * size());
      return std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(size()));
    };
    LabelledSums result;
    result.rows = rows_;
    result.loss = part(0);
    if (pass_->gradient) {
      result.residual = part(1);
      result.slope = part(2);
      result.weighted_loss = all.back();
    }
    if (pass_->curvature) {
      result.curvature = part(3);
      result.curvature_score = part(4);
      result.curvature_square = part(5);
    }
    return result;
  }

 private:
  static std::size_t terms(const LabelledPass& pass) {
    return pass.curvature ? 6 : pass.gradient ? 3 : 1;
  }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(classes_); }
  [[nodiscard]] double* sums(std::size_t term) { return block_.data() + term * size(); }

  void add(const Chunk& chunk, const PosteriorStep& step) {
    for (std::int64_t i = 0; i < step.count; ++i) {
      const std::int32_t y = label(step, i);
      const double p = step.posteriors[i * classes_ + y];
      ++rows_[static_cast<std::size_t>(y)];
      block_[static_cast<std::size_t>(y)] -= std::log(std::max(p, kSmallestPosterior));
    }
    if (pass_->gradient) add_gradient(chunk, step);
  }

  void add_gradient(const Chunk& chunk, const PosteriorStep& step) {
    const DType dtype = chunk.block->source->dtype();
    weigh(step, dtype);
    kernels::ScoreTerms terms{.scores = step.scores,
                              .dtype = dtype,
                              .probabilities = kind_ == ScoreKind::kProbs,
                              .factor = 1 / affine_->temperature,
                              .limit = kLargestCurved};
    if (pass_->curvature) {
      curved_.resize(static_cast<std::size_t>(step.count) * size());
      std::transform(step.posteriors, step.posteriors + curved_.size(), curved_.begin(),
                     [](double p) { return p * (1 - p); });
      kernels::add_weighted_rows(curved_.data(), terms, step.count, classes_, weights_.data(),
                                 {sums(3), sums(4), sums(5)});
    }
    for (std::int64_t i = 0; i < step.count; ++i)
      step.posteriors[i * classes_ + label(step, i)] -= 1;
    terms.limit = kLargestScore / affine_->temperature;
    if (!kernels::add_weighted_rows(step.posteriors, terms, step.count, classes_, weights_.data(),
                                    {sums(1), sums(2)})) {
      refuse_large(chunk, step, dtype);
    }
  }

  // Weights of the rows, 0 where the own class is masked, and their losses.
  void weigh(const PosteriorStep& step, DType dtype) {
    weights_.assign(static_cast<std::size_t>(step.count), 0.0);
    for (std::int64_t i = 0; i < step.count; ++i) {
      const double weight = reader_.weights()[step.rows[i]];
      if (weight == 0 || exponent(step, dtype, i, label(step, i)) == -HUGE_VAL) continue;
      weights_[static_cast<std::size_t>(i)] = weight;
      block_.back() += weight * loss(step, dtype, i);
    }
  }

  [[nodiscard]] std::int32_t label(const PosteriorStep& step, std::int64_t i) const {
    return reader_.labels()[step.rows[i]];
  }

  // -log p of the label, also where p is too small for a double.
  [[nodiscard]] double loss(const PosteriorStep& step, DType dtype, std::int64_t i) const {
    const double* p = step.posteriors + i * classes_;
    const std::int32_t y = label(step, i);
    if (p[y] > kSmallestPosterior) return -std::log(p[y]);
    const std::int64_t best = std::max_element(p, p + classes_) - p;
    const double loss =
        exponent(step, dtype, i, best) - exponent(step, dtype, i, y) - std::log(p[best]);
    return std::min(loss, kLargestLoss);
  }

  [[nodiscard]] double score(const PosteriorStep& step, DType dtype, std::int64_t i,
                             std::int64_t c) const {
    const double score = load_element(step.scores, dtype, i * classes_ + c);
    return kind_ == ScoreKind::kProbs ? std::log(score) : score;
  }

  [[nodiscard]] double exponent(const PosteriorStep& step, DType dtype, std::int64_t i,
                                std::int64_t c) const {
    const double z = score(step, dtype, i, c);
    if (z == -HUGE_VAL) return z;
    const auto at = static_cast<std::size_t>(c);
    return (affine_->scale.empty() ? 1 : affine_->scale[at]) * z / affine_->temperature +
           (affine_->offset.empty() ? 0 : affine_->offset[at]);
  }

  void refuse_large(const Chunk& chunk, const PosteriorStep& step, DType dtype) const {
    for (std::int64_t i = 0; i < step.count; ++i) {
      for (std::int64_t c = 0; c < classes_; ++c) {
        const double z = score(step, dtype, i, c);
        if (z == -HUGE_VAL || std::abs(z) <= kLargestScore) continue;
        throw NotFound(fmt::format(
            "'{}', row {} (counted from 0), class {}: a score of {:.6g} cannot be "
            "fitted; expected at "
            "most {:.6g} in magnitude",
            chunk.block->source->name(), chunk.first + step.rows[i], c, z, kLargestScore));
      }
    }
  }

  ScoreKind kind_;
  std::int64_t classes_;
  const Affine* affine_;
  const LabelledPass* pass_;
  PosteriorSteps steps_;
  LabelReader reader_;
  std::vector<std::int64_t> rows_;
  // Loss; residual, slope; curvatures: [C] each; weighted loss.
  std::vector<double> block_;
  ExactSums sums_;
  std::vector<double> weights_, curved_;  // of a step
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
