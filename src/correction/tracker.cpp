#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "core/exact_sum.hpp"
#include "correction/method.hpp"
#include "correction/posterior_steps.hpp"
#include "p2p/correction.hpp"
#include "p2p/error.hpp"
#include "p2p/track.hpp"
#include "scan/block_scan.hpp"

namespace p2p {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void validate(const TrackOptions& options) {
  if (!(options.half_life > 0) || !std::isfinite(options.half_life)) {
    throw_usage(
        fmt::format("--half-life must be a positive number of rows, not {}", options.half_life));
  }
  if (options.reset_every < 0) {
    throw_usage(fmt::format("--reset-every must be at least 0 batches, not {}; 0 is never",
                            options.reset_every));
  }
  if (!(options.drift_limit > 0)) {
    throw_usage(fmt::format("--drift must be positive, not {}; inf is never", options.drift_limit));
  }
  if (!(options.largest_weight >= 1) || !std::isfinite(options.largest_weight)) {
    throw_usage(fmt::format("the largest weight must be finite and at least 1, not {}",
                            options.largest_weight));
  }
}

// Scales the entries of corrected classes to sum to 1.
void normalise(const std::vector<char>& corrected, std::vector<double>& values) {
  double total = 0;
  for (std::size_t c = 0; c < values.size(); ++c) total += corrected[c] != 0 ? values[c] : 0.0;
  for (double& value : values) value /= total;
}

std::vector<double> stored_target(const ClassPrior& prior, const TrackOptions& options,
                                  const std::vector<char>& corrected) {
  std::vector<double> stored = prior.residual;
  if (!options.target.empty()) {
    if (options.target.size() != stored.size()) {
      throw_bad_data(fmt::format("the target has {} values for {} classes; give one per class",
                                 options.target.size(), stored.size()));
    }
    stored = normalised(options.target, "target");
  }
  double largest = 0;
  for (std::size_t c = 0; c < stored.size(); ++c) {
    if (corrected[c] == 0) stored[c] = kNaN;
    if (corrected[c] != 0) largest = std::max(largest, stored[c]);
  }
  if (!(largest > 0)) {
    throw_bad_data(
        "the target is 0 for every class that can be corrected; at least one must be positive");
  }
  normalise(corrected, stored);
  return stored;
}

// FNV-1a over the bits of the numbers; a NaN counts as one value.
std::string fingerprint(const std::vector<double>& values, double more) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  const auto add = [&hash](double value) {
    auto bits = std::bit_cast<std::uint64_t>(std::isnan(value) ? kNaN : value);
    for (int i = 0; i < 8; ++i, bits >>= 8) hash = (hash ^ (bits & 0xff)) * 0x100000001b3U;
  };
  for (const double value : values) add(value);
  add(more);
  return fmt::format("{:016x}", hash);
}

}  // namespace

/// Sums over the rows of a batch.
struct PriorTracker::BatchSums {
  std::vector<double> tracked;  ///< p(t), [C]
  std::vector<double> stored;   ///< p(t0), [C]
  double gain = 0;
};

PriorTracker::PriorTracker(ClassPrior prior, TrackOptions options)
    : prior_(std::move(prior)),
      options_(std::move(options)),
      corrected_(correction::corrected_classes(prior_)) {
  validate(options_);
  stored_ = stored_target(prior_, options_, corrected_);
  offset_.assign(stored_.size(), 0.0);
  for (std::size_t c = 0; c < stored_.size(); ++c) {
    if (corrected_[c] != 0) offset_[c] = std::log(stored_[c]) - std::log(prior_.residual[c]);
  }
  state_.prior = fingerprint(prior_.residual, prior_.settings.temperature);
  state_.stored_target = fingerprint(stored_, 0);
  reset(state_);
}

void PriorTracker::reset(State& state) const {
  state.target = stored_;
  state.drift = 0;
  state.since_reset = 0;
}

LogOffset PriorTracker::offset() const {
  CorrectionOptions options;
  options.target = state_.target;
  for (std::size_t c = 0; c < corrected_.size(); ++c) {
    if (corrected_[c] == 0) options.target[c] = 0;
  }
  return make_correction(prior_, options).offset;
}

PriorTracker::BatchSums PriorTracker::scan(ScoreSet& batch, const BatchOptions& options,
                                           const std::vector<double>& ratio) const {
  const std::size_t classes = stored_.size();
  const std::size_t gain_at = 2 * classes;
  const ScanOptions scan{options.threads};
  const auto workers = static_cast<std::size_t>(scan_workers(batch, scan));
  const correction::Affine affine{.temperature = prior_.settings.temperature, .offset = offset_};
  struct Worker {
    correction::PosteriorSteps steps;
    ExactSums sums;
    std::vector<double> block;
  };
  std::vector<Worker> state;
  for (std::size_t i = 0; i < workers; ++i) {
    state.push_back({{prior_.n_classes(), options.kind, options.kind_stated, affine},
                     ExactSums(gain_at + 1),
                     std::vector<double>(gain_at + 1)});
  }
  scan_blocks(batch, plan_blocks(batch), scan, [&](int worker, const Chunk& chunk) {
    Worker& mine = state[static_cast<std::size_t>(worker)];
    double* tracked = mine.block.data();
    double* stored = tracked + classes;
    mine.steps.run(chunk, [&](std::int64_t /*first*/, std::int64_t count, const double* p) {
      for (std::int64_t i = 0; i < count; ++i, p += classes) {
        double mixture = 0;
        double total = 0;
        for (std::size_t c = 0; c < classes; ++c) {
          mixture += p[c] * ratio[c];
          total += p[c];
        }
        const double scale = total / mixture;
        for (std::size_t c = 0; c < classes; ++c) {
          tracked[c] += p[c] * ratio[c] * scale;
          stored[c] += p[c];
        }
        mine.block[gain_at] -= std::log(scale);
      }
    });
    if (!chunk.last_of_block) return;
    mine.sums.add(mine.block);
    std::ranges::fill(mine.block, 0.0);
  });
  for (std::size_t i = 1; i < workers; ++i) state[0].sums.merge(state[i].sums);
  BatchSums sums;
  for (std::size_t c = 0; c < classes; ++c) {
    sums.tracked.push_back(state[0].sums.value(c));
    sums.stored.push_back(state[0].sums.value(classes + c));
  }
  sums.gain = state[0].sums.value(gain_at);
  return sums;
}

void PriorTracker::learn(State& state, const std::vector<double>& posterior) const {
  double rows = 0;
  for (std::size_t c = 0; c < posterior.size(); ++c) rows += corrected_[c] != 0 ? posterior[c] : 0;
  if (!(rows > 0)) return;
  const double eta = -std::expm1(-std::numbers::ln2 * rows / options_.half_life);
  for (std::size_t c = 0; c < posterior.size(); ++c) {
    if (corrected_[c] == 0) continue;
    double& t = state.target[c];
    t = std::clamp((1 - eta) * t + eta * posterior[c] / rows, stored_[c] / options_.largest_weight,
                   stored_[c] * options_.largest_weight);
  }
  normalise(corrected_, state.target);
}

TrackStep PriorTracker::update(ScoreSet& batch, const BatchOptions& options) {
  const std::string& name = batch.sources().front()->name();
  if (batch.classes() != prior_.n_classes()) {
    throw_bad_data(
        fmt::format("'{}' has {} classes, but the prior has {}; use scores of the same model", name,
                    batch.classes(), prior_.n_classes()));
  }
  if (batch.rows() == 0) {
    throw_bad_data(fmt::format("'{}' holds no rows; at least one is needed", name));
  }
  State next = state_;
  TrackStep step;
  if (options_.reset_every > 0 && next.since_reset >= options_.reset_every) {
    reset(next);
    step.reset = TrackReset::kSchedule;
  }
  std::vector<double> ratio(stored_.size(), 1.0);
  for (std::size_t c = 0; c < ratio.size(); ++c) {
    if (corrected_[c] != 0 && stored_[c] > 0) ratio[c] = next.target[c] / stored_[c];
  }
  const BatchSums sums = scan(batch, options, ratio);
  next.drift = std::max(0.0, next.drift - sums.gain);
  if (next.drift > options_.drift_limit) {
    reset(next);
    step.reset = TrackReset::kDrift;
  }
  learn(next, step.reset == TrackReset::kDrift ? sums.stored : sums.tracked);
  ++next.batches;
  ++next.since_reset;
  next.rows += batch.rows();
  state_ = std::move(next);

  step.batch = state_.batches;
  step.rows = batch.rows();
  step.total_rows = state_.rows;
  step.gain = sums.gain / static_cast<double>(step.rows);
  step.drift = state_.drift;
  step.target = state_.target;
  step.offset = offset();
  return step;
}

void PriorTracker::load(State state, const std::string& name) {
  if (state.prior != state_.prior) {
    throw_bad_data(
        fmt::format("'{}' is the state of another prior; give the prior it was made with, or "
                    "another file for a new state",
                    name));
  }
  if (state.stored_target != state_.stored_target) {
    throw_bad_data(
        fmt::format("'{}' is a state that goes back to another target; give the --target it was "
                    "made with, or another file for a new state",
                    name));
  }
  constexpr double kTolerance = 1e-6;
  double total = 0;
  bool fits = state.target.size() == stored_.size();
  for (std::size_t c = 0; fits && c < stored_.size(); ++c) {
    const double t = state.target[c];
    fits = corrected_[c] != 0 ? t >= 0 && (t > 0) == (stored_[c] > 0) : std::isnan(t);
    if (corrected_[c] != 0) total += t;
  }
  if (!fits || !(std::abs(total - 1) <= kTolerance)) {
    throw_bad_data(
        fmt::format("'{}' is damaged: its \"target\" is not a distribution over the {} classes of "
                    "the prior; delete it to start anew",
                    name, stored_.size()));
  }
  state_ = std::move(state);
}

}  // namespace p2p
