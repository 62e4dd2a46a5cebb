#include "p2p/sweep.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "core/exact_sum.hpp"
#include "correction/method.hpp"
#include "metrics/posterior_scan.hpp"
#include "metrics/tally.hpp"
#include "p2p/error.hpp"
#include "study/judged_rows.hpp"
#include "study/table_values.hpp"

namespace p2p {
namespace {

using namespace study;

// Posteriors are reweighted by exp(delta), so the offsets of one point may not lie further apart.
constexpr double kLargestSpan = 500;

const std::string kNoIdentity =
    "strength 0 is the identity, but this method fits a temperature or scales, which are applied "
    "whole at every other strength; the curve does not go through it, and it was left out "
    "(--method "
    "none shows it)";

void validate(const ClassPrior& prior, const SweepOptions& options) {
  if (options.strengths.empty() || options.gammas.empty()) {
    throw_usage("a sweep needs at least one strength and one target");
  }
  for (const double strength : options.strengths) {
    if (std::isfinite(strength) && strength >= 0) continue;
    throw_usage(fmt::format("strength {} is not finite and at least 0", strength));
  }
  for (const double gamma : options.gammas) {
    if (!(gamma >= 0 && gamma <= 1)) {
      throw_usage(
          fmt::format("target pi^{} lies outside of uniform (0) to the training prior (1)", gamma));
    }
    if (gamma > 0 && prior.empirical.empty()) {
      throw_usage(
          "targets towards the training prior need the training counts, but the prior holds none; "
          "estimate it with --counts, or sweep the strength alone with --targets 1");
    }
  }
}

// t proportional to pi^gamma; empty for uniform.
std::vector<double> target(const ClassPrior& prior, double gamma) {
  if (gamma == 0) return {};
  std::vector<double> t = prior.empirical;
  for (double& value : t) value = std::pow(value, gamma);
  return t;
}

// A point with exp(delta - largest delta).
struct Weighing {
  std::size_t point = 0;
  double largest = 0;
  std::vector<double> delta, weights;
};

Weighing weighing(std::size_t point, const LogOffset& offset, double strength) {
  Weighing result;
  result.point = point;
  result.delta = offset.delta;
  double smallest = 0;
  result.largest = -std::numeric_limits<double>::infinity();
  for (double& d : result.delta) {
    d = strength == 0 ? 0 : strength * d;
    result.largest = std::max(result.largest, d);
    if (std::isfinite(d)) smallest = std::min(smallest, d);
  }
  if (result.largest - smallest > kLargestSpan) {
    throw_usage(fmt::format(
        "strength {} lets offsets lie {:.3g} apart, more than {} cannot be swept; use smaller "
        "strengths",
        strength, result.largest - smallest, kLargestSpan));
  }
  for (const double d : result.delta) result.weights.push_back(std::exp(d - result.largest));
  return result;
}

// Sums of one thread over all points that share their scale and temperature.
class Worker {
 public:
  Worker(std::span<const Weighing> points, std::int64_t classes)
      : points_(points),
        classes_(classes),
        hits_(points.size() * static_cast<std::size_t>(classes)),
        block_(points.size() * kSums),
        sums_(points.size() * kSums),
        weighted_(static_cast<std::size_t>(classes)) {}

  void add(const metrics::PosteriorChunk& chunk) {
    for (std::int64_t i = 0; i < chunk.count; ++i) {
      for (std::size_t k = 0; k < points_.size(); ++k) add(chunk, i, k);
    }
    if (!chunk.last_of_block) return;
    sums_.add(block_);
    std::ranges::fill(block_, 0.0);
  }

  void merge(const Worker& other) {
    for (std::size_t i = 0; i < hits_.size(); ++i) hits_[i] += other.hits_[i];
    sums_.merge(other.sums_);
  }

  [[nodiscard]] TableSums sums(std::size_t k, const std::vector<std::int64_t>& label_counts) const {
    TableSums result(classes_);
    result.drawn = label_counts;
    const auto first = hits_.begin() + static_cast<std::ptrdiff_t>(k) * classes_;
    result.hits.assign(first, first + classes_);
    result.loss = sums_.value(k * kSums);
    for (std::size_t b = 0; b < metrics::kBins; ++b) {
      result.gaps[b] = sums_.value(k * kSums + 1 + b);
    }
    return result;
  }

 private:
  static constexpr std::size_t kSums = 1 + metrics::kBins;  // loss, gaps

  void add(const metrics::PosteriorChunk& chunk, std::int64_t row, std::size_t k) {
    const Weighing& point = points_[k];
    const double* p = chunk.posteriors + row * classes_;
    const double* w = point.weights.data();
    double* v = weighted_.data();
    double parts[4] = {0, 0, 0, 0};
    std::int64_t c = 0;
    for (; c + 4 <= classes_; c += 4) {
      for (std::int64_t j = 0; j < 4; ++j) parts[j] += v[c + j] = p[c + j] * w[c + j];
    }
    for (; c < classes_; ++c) parts[0] += v[c] = p[c] * w[c];
    const double total = (parts[0] + parts[1]) + (parts[2] + parts[3]);
    if (!(total > 0)) {
      throw_bad_data(fmt::format(
          "row {} (counted from 0) has scores only for classes whose target is 0; drop the row, or "
          "change the target",
          chunk.rows[row]));
    }
    const std::int64_t best = std::max_element(v, v + classes_) - v;
    const std::int64_t label = chunk.labels[row];
    const double log_p = chunk.log_true[row] + point.delta[static_cast<std::size_t>(label)] -
                         point.largest - std::log(total);
    const double confidence = v[best] / total;
    const bool correct = best == label;
    double* sums = block_.data() + k * kSums;
    sums[0] -= std::max(log_p, metrics::kLogSmallest);
    sums[1 + static_cast<std::size_t>(metrics::bin_of(confidence))] +=
        confidence - (correct ? 1.0 : 0.0);
    if (correct) ++hits_[k * static_cast<std::size_t>(classes_) + static_cast<std::size_t>(label)];
  }

  std::span<const Weighing> points_;
  std::int64_t classes_;
  std::vector<std::int64_t> hits_;  // [points, C]
  std::vector<double> block_;       // [points, kSums]
  ExactSums sums_;
  std::vector<double> weighted_;
};

bool same_base(const LogOffset& a, const LogOffset& b) {
  return a.temperature == b.temperature && a.scale == b.scale &&
         a.second_temperature == b.second_temperature;
}

// Points over the same scale * z / T.
struct Pass {
  LogOffset base;  // delta 0
  std::vector<Weighing> points;
};

Pass& pass_of(const LogOffset& offset, std::vector<Pass>& passes) {
  const auto found =
      std::ranges::find_if(passes, [&](const Pass& pass) { return same_base(pass.base, offset); });
  if (found != passes.end()) return *found;
  Pass& pass = passes.emplace_back();
  pass.base = offset;
  std::ranges::fill(pass.base.delta, 0.0);
  return pass;
}

void judge(const Pass& pass, const TestRows& test, const SweepOptions& options, Sweep& result) {
  const std::vector<Weighing>& points = pass.points;
  const JudgedRows rows(test, pass.base, evaluate_options(test, options.threads));
  const metrics::RowPlan& plan = rows.plan();
  const metrics::PosteriorScan scan{.offset = &rows.offset(), .rows_done = options.rows_done};
  std::vector<Worker> workers(
      static_cast<std::size_t>(metrics::posterior_workers(rows.scores(), rows.options())),
      Worker(points, plan.classes));
  metrics::scan_posteriors(rows.scores(), *test.rows.labels, plan, rows.options(), scan,
                           [&](int worker, const metrics::PosteriorChunk& chunk) {
                             workers[static_cast<std::size_t>(worker)].add(chunk);
                           });
  for (std::size_t i = 1; i < workers.size(); ++i) workers[0].merge(workers[i]);
  for (std::size_t k = 0; k < points.size(); ++k) {
    result.points[points[k].point].values =
        table_values(workers[0].sums(k, plan.label_counts), plan, rows.options());
  }
  result.n_rows = plan.n_used;
  result.n_ignored = plan.n_rows - plan.n_used;
  result.n_classes = plan.classes;
}

}  // namespace

Sweep sweep(const ClassPrior& prior, const SweepOptions& options, const Evidence& evidence,
            const TestRows& test) {
  validate(prior, options);
  const bool finds_target = info(options.correction.method).estimates_target;
  const std::vector<double> one{0.0};
  Sweep result;
  std::vector<Pass> passes;
  for (const double gamma : finds_target ? one : options.gammas) {
    CorrectionOptions correction = options.correction;
    correction.estimated_target.reset();
    correction.target = finds_target ? std::vector<double>{} : target(prior, gamma);
    correction.strength = 0;
    const LogOffset identity = make_correction(prior, correction, evidence).offset;
    correction.strength = 1;
    const Correction full = make_correction(prior, correction, evidence);
    correction::append_new(result.warnings, full.warnings);
    const bool continuous = same_base(identity, full.offset);
    for (const double strength : options.strengths) {
      if (strength == 0 && !continuous) {
        correction::append_new(result.warnings, {kNoIdentity});
        continue;
      }
      pass_of(full.offset, passes)
          .points.push_back(weighing(result.points.size(), full.offset, strength));
      result.points.push_back(
          {strength, finds_target ? std::nullopt : std::optional(gamma), TableValues{}});
    }
  }
  if (result.points.empty()) {
    throw_usage(fmt::format("{}; give another strength", kNoIdentity));
  }
  for (const Pass& pass : passes) judge(pass, test, options, result);
  return result;
}

}  // namespace p2p
