#include "metrics/tally.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "core/element.hpp"
#include "core/exact_sum.hpp"
#include "kernels/exponentials.hpp"
#include "metrics/calibration_bins.hpp"
#include "metrics/used_chunk.hpp"
#include "scan/block_scan.hpp"

namespace p2p::metrics {
namespace {

constexpr std::int64_t kUpperBins = kBins - 1;
// Exponentials worked on at a time, so that they stay in the cache.
constexpr std::int64_t kSliceBytes = 128 << 10;
// A posterior in float as near to the edge of a bin as this, relative, is taken again in double.
constexpr double kEdge = 8 * kernels::kSoftmaxTolerance;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

// Where the sums lie; absent parts have no size.
struct Layout {
  Layout(std::int64_t classes, const TallyParts& parts) {
    const std::int64_t stride = kernels::exponentials_stride(classes);
    if (parts.metrics) {
      total = gaps + kBins;
      upper = total + stride;
      count = upper + classes * kUpperBins;
    }
    mean = count;
    if (parts.class_mean) count += stride;
  }
  std::int64_t nll = 0;
  std::int64_t brier = 1;
  std::int64_t gaps = 2;   // [kBins] of confidence - correct
  std::int64_t total = 0;  // [C] of p
  std::int64_t upper = 0;  // [C, kUpperBins] of p - 1[y = c] where p is above the first bin
  std::int64_t mean = 0;   // [C] of p / m_y
  std::int64_t count = 0;
};

bool near_edge(double p) {
  const double scaled = p * kBins;
  return std::abs(scaled - std::round(scaled)) <= kEdge * scaled;
}

// The sums of one thread: doubles within a block, exact beyond it.
class Worker {
 public:
  Worker(const RowPlan& plan, const EvaluateOptions& options, const TallyParts& parts,
         const TallyKeeps& keeps)
      : plan_(&plan),
        parts_(parts),
        outcomes_(keeps.outcomes),
        used_(plan, options),
        layout_(plan.classes, parts),
        stride_(kernels::exponentials_stride(plan.classes)),
        block_(size(layout_.count)),
        sums_(block_.size()),
        hits_(plan.label_counts.size()),
        predicted_(plan.label_counts.size()),
        scratch_(size(stride_)) {
    params_.inv_temperature = 1 / options.temperature;
    params_.probabilities = options.kind == ScoreKind::kProbs;
    if (!plan.mask.empty()) {
      params_.offset = plan.mask.data();
      params_.offset_f32 = plan.mask_f32.data();
    }
    if (keeps.samples != nullptr) {
      groups_.emplace(*keeps.samples, plan, parts.metrics, parts.class_mean);
      const auto local = size(groups_->samples().per_slot() * stride_);
      if (parts.metrics) group_total_.resize(local);
      if (parts.class_mean) group_mean_.resize(local);
    }
  }

  void add(const Chunk& chunk, LabelSource& labels) {
    used_.take(chunk, labels);
    first_group_ = groups_ ? groups_->samples().first_group(chunk.block - plan_->blocks.data()) : 0;
    f32_ = kernels::exponentials_in_f32(used_.dtype(), params_);
    const std::int64_t row_bytes = stride_ * (f32_ ? 4 : 8);
    const std::int64_t step = std::max<std::int64_t>(kSliceBytes / row_bytes, 16);
    e_.resize(size(step * stride_));
    summaries_.resize(size(step));
    for (std::int64_t first = 0; first < used_.count(); first += step) {
      add_slice(first, std::min(step, used_.count() - first));
    }
    used_.check_kind();
    if (used_.last_of_block()) flush();
  }

  void merge(const Worker& other) {
    sums_.merge(other.sums_);
    for (std::size_t c = 0; c < hits_.size(); ++c) {
      hits_[c] += other.hits_[c];
      predicted_[c] += other.predicted_[c];
    }
    clipped_ += other.clipped_;
    if (groups_) groups_->merge(*other.groups_);
  }

  Tally take() {
    const std::vector<double> sums = sums_.values();
    const auto rows = static_cast<double>(plan_->n_used);
    Tally result;
    if (parts_.metrics) {
      result.hits = hits_;
      result.predicted = predicted_;
      result.clipped = clipped_;
      result.nll = sums[size(layout_.nll)] / rows;
      result.brier = sums[size(layout_.brier)] / rows;
      for (std::int64_t b = 0; b < kBins; ++b) {
        result.ece += std::abs(sums[size(layout_.gaps + b)]) / rows;
      }
      for (std::int64_t c = 0; c < plan_->classes; ++c) {
        double first =
            sums[size(layout_.total + c)] - static_cast<double>(plan_->label_counts[size(c)]);
        const auto upper = sums.begin() + layout_.upper + c * kUpperBins;
        for (std::int64_t b = 0; b < kUpperBins; ++b) first -= upper[b];
        result.classes.bins.push_back(first);
        result.classes.bins.insert(result.classes.bins.end(), upper, upper + kUpperBins);
      }
    }
    if (parts_.class_mean) {
      const auto present = static_cast<double>(
          std::ranges::count_if(plan_->label_counts, [](std::int64_t m) { return m > 0; }));
      for (std::int64_t c = 0; c < plan_->classes; ++c) {
        result.classes.mean.push_back(sums[size(layout_.mean + c)] / present);
      }
    }
    result.groups = std::move(groups_);
    return result;
  }

 private:
  void add_slice(std::int64_t first, std::int64_t count) {
    const std::int64_t bad =
        kernels::exponentials(used_.row(first), used_.dtype(), count, plan_->classes, params_,
                              e_.data(), summaries_.data(), used_.facts(first), scratch_.data());
    if (bad >= 0) used_.throw_row(first + bad, false);
    weights_.resize(size(count));
    mean_weights_.resize(size(count));
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t label = used_.labels()[size(first + i)];
      const double scale = 1 / (1 + summaries_[size(i)].rest);
      weights_[size(i)] = scale;
      mean_weights_[size(i)] = scale / static_cast<double>(plan_->label_counts[size(label)]);
      const int place = groups_ ? groups_->samples().place(used_.first_used() + first + i) : 0;
      if (parts_.metrics) add_row(first + i, i, label, scale, place);
      if (place != 0) add_to_group(i, label, scale, place);
    }
    if (parts_.metrics) {
      kernels::add_columns(e_.data(), f32_, count, stride_, weights_.data(),
                           block_.data() + layout_.total);
    }
    if (parts_.class_mean) {
      kernels::add_columns(e_.data(), f32_, count, stride_, mean_weights_.data(),
                           block_.data() + layout_.mean);
    }
  }

  // Row `at` of the chunk, i of the slice.
  void add_row(std::int64_t at, std::int64_t i, std::int64_t label, double scale, int place) {
    const kernels::RowSummary& summary = summaries_[size(i)];
    const bool right = summary.best == label;
    // ln p_y = (x_y - x_best) - ln(1 + rest) keeps its digits where p_y itself has underflowed.
    double log_true = -std::log1p(summary.rest);
    if (!right) log_true += exponent(at, label) - exponent(at, summary.best);
    if (log_true < kLogSmallest) ++clipped_;
    const double loss = -std::max(log_true, kLogSmallest);
    const double doubt = summary.rest * scale;
    const double squares = summary.squares * scale * scale;
    const double brier = right ? doubt * doubt + squares
                               : scale * scale + squares - 2 * element(i, label) * scale + 1;
    block_[size(layout_.nll)] += loss;
    block_[size(layout_.brier)] += brier;
    block_[size(layout_.gaps + bin(at, summary.best, scale))] += right ? -doubt : 1 - doubt;
    for (std::int32_t k = 0; k < summary.above_count; ++k) {
      const std::int64_t c = summary.above[k];
      const double p = c == summary.best ? scale : element(i, c) * scale;
      const int b = bin(at, c, p);
      if (b == 0) continue;
      const double difference = c != label ? p : right ? -doubt : p - 1;
      block_[size(layout_.upper + c * kUpperBins + b - 1)] += difference;
      if (place == 0) continue;
      groups_->add_upper(group_of(place), c, b, place > 0 ? difference : -difference);
    }
    ++predicted_[size(summary.best)];
    if (right) ++hits_[size(label)];
    if (outcomes_ == nullptr) return;
    (*outcomes_)[size(used_.first_used() + at)] = {
        .doubt = static_cast<float>(doubt),
        .loss = static_cast<float>(loss),
        .brier = static_cast<float>(brier),
        .label = static_cast<std::int32_t>(label),
        .predicted = summary.best,
        .row = static_cast<std::uint32_t>(used_.rows()[size(at)])};
  }

  void add_to_group(std::int64_t i, std::int64_t label, double scale, int place) {
    const auto local = (std::abs(place) - 1) * stride_;
    const double by = place > 0 ? scale : -scale;
    const void* row = f32_ ? static_cast<const void*>(floats() + i * stride_)
                           : static_cast<const void*>(e_.data() + i * stride_);
    if (parts_.metrics) {
      kernels::add_row(row, f32_, stride_, static_cast<float>(by), group_total_.data() + local);
    }
    if (parts_.class_mean) {
      kernels::add_row(row, f32_, stride_, static_cast<float>(by * groups_->mean_weight(label)),
                       group_mean_.data() + local);
    }
  }

  void flush() {
    for (std::size_t i = 0; i < block_.size(); ++i) {
      if (block_[i] != 0) sums_.add(i, block_[i]);
    }
    std::ranges::fill(block_, 0.0);
    if (!groups_) return;
    for (std::int64_t g = 0; g < groups_->samples().per_slot(); ++g) {
      if (parts_.metrics) {
        groups_->add_total(first_group_ + g, group_total_.data() + g * stride_);
      }
      if (parts_.class_mean) {
        groups_->add_mean(first_group_ + g, group_mean_.data() + g * stride_);
      }
    }
  }

  [[nodiscard]] const float* floats() const { return reinterpret_cast<const float*>(e_.data()); }

  [[nodiscard]] double element(std::int64_t i, std::int64_t c) const {
    const std::int64_t at = i * stride_ + c;
    return f32_ ? static_cast<double>(floats()[at]) : e_[size(at)];
  }

  [[nodiscard]] std::int64_t group_of(int place) const {
    return first_group_ + std::abs(place) - 1;
  }

  [[nodiscard]] double exponent(std::int64_t at, std::int64_t c) const {
    const double score = load_element(used_.row(at), used_.dtype(), c);
    return (params_.probabilities ? std::log(score) : score) * params_.inv_temperature;
  }

  // The bin of p_c, which is `p` to the accuracy of the exponentials.
  int bin(std::int64_t at, std::int64_t c, double p) {
    if (!f32_ || !near_edge(p)) return bin_of(p);
    posterior_.resize(size(plan_->classes));
    float max = 0;
    float sum = 0;
    kernels::softmax_rows(used_.row(at), used_.dtype(), 1, plan_->classes, params_, false,
                          posterior_.data(), {.max = &max, .sum = &sum});
    return bin_of(posterior_[size(c)]);
  }

  const RowPlan* plan_;
  TallyParts parts_;
  std::vector<kernels::RowOutcome>* outcomes_;
  UsedChunk used_;
  kernels::SoftmaxParams params_;
  Layout layout_;
  std::int64_t stride_;
  bool f32_ = false;
  std::int64_t first_group_ = 0;
  std::vector<double> block_;
  ExactSums sums_;
  std::vector<std::int64_t> hits_, predicted_;
  std::int64_t clipped_ = 0;
  std::optional<GroupSums> groups_;
  std::vector<float> group_total_, group_mean_;  // [groups of the slot, stride]
  std::vector<double> e_;                        // or floats
  std::vector<kernels::RowSummary> summaries_;
  std::vector<double> weights_, mean_weights_, scratch_, posterior_;
};

}  // namespace

Tally tally_rows(const ScoreSet& scores, LabelSource& labels, const RowPlan& plan,
                 const EvaluateOptions& options, const TallyParts& parts, const TallyKeeps& keeps) {
  if (keeps.outcomes != nullptr) keeps.outcomes->resize(size(plan.n_used));
  const ScanOptions scan{.threads = options.threads};
  std::deque<Worker> workers;
  for (int i = scan_workers(scores, scan); i > 0; --i) {
    workers.emplace_back(plan, options, parts, keeps);
  }
  scan_blocks(scores, plan.blocks, scan, [&](int worker, const Chunk& chunk) {
    workers[static_cast<std::size_t>(worker)].add(chunk, labels);
  });
  while (workers.size() > 1) {
    workers.front().merge(workers.back());
    workers.pop_back();
  }
  return workers.front().take();
}

}  // namespace p2p::metrics
