#include "metrics/tally.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/exact_sum.hpp"
#include "metrics/calibration_bins.hpp"

namespace p2p::metrics {
namespace {

constexpr std::int64_t kUpperBins = kBins - 1;
constexpr std::int64_t kBudgetBytes = std::int64_t{32} << 20;
// Posteriors worked on at a time, so that all replicates find them in the cache.
constexpr std::int64_t kSliceBytes = 128 << 10;

// Where the sums of one replicate lie; absent parts have no size.
struct Layout {
  Layout(std::int64_t c, const TallyParts& parts) : classes(c) {
    if (parts.metrics) {
      predicted = 2;
      total = predicted + classes;
      upper = total + classes;
      size = upper + classes * kUpperBins;
    }
    mean = size;
    if (parts.class_mean) size += classes;
  }
  std::int64_t classes;
  std::int64_t nll = 0;
  std::int64_t brier = 1;
  std::int64_t predicted = 0;  // [C]
  std::int64_t total = 0;      // [C] sum of W (p - 1[y = c])
  std::int64_t upper = 0;      // [C, kUpperBins] the same over rows whose p is above the first bin
  std::int64_t mean = 0;       // [C] sum of W p / m_y
  std::int64_t size = 0;
};

// sum[c] += sum_i weights[i] * rows[i, c], in groups of four rows.
void add_weighted_rows(const double* __restrict rows, std::int64_t count, std::int64_t classes,
                       const double* __restrict weights, double* __restrict sum) {
  std::int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const double* a = rows + i * classes;
    const double* b = a + classes;
    const double* c = b + classes;
    const double* d = c + classes;
    const double wa = weights[i], wb = weights[i + 1], wc = weights[i + 2], wd = weights[i + 3];
    for (std::int64_t k = 0; k < classes; ++k)
      sum[k] += (wa * a[k] + wb * b[k]) + (wc * c[k] + wd * d[k]);
  }
  for (; i < count; ++i) {
    for (std::int64_t k = 0; k < classes; ++k) sum[k] += weights[i] * rows[i * classes + k];
  }
}

// One posterior above the first bin.
struct UpperEntry {
  std::int64_t row;   // within the slice
  std::int64_t cell;  // class * kUpperBins + bin - 1
  double difference;  // p - 1[y = c]
};

// The sums of one thread: doubles within a block, exact beyond it.
class Worker {
 public:
  Worker(const RowPlan& plan, const TallyParts& parts, const BootstrapWeights* weights)
      : plan_(&plan),
        parts_(parts),
        weights_(weights),
        layout_(plan.classes, parts),
        replicates_(weights != nullptr ? weights->replicates() : 1),
        block_(static_cast<std::size_t>(layout_.size * replicates_)),
        sums_(block_.size()) {}

  void add(const PosteriorChunk& chunk) {
    const std::int64_t step = std::max<std::int64_t>(kSliceBytes / (8 * plan_->classes), 16);
    for (std::int64_t first = 0; first < chunk.count; first += step)
      add_slice(chunk, first, std::min(step, chunk.count - first));
    if (chunk.last_of_block) flush();
  }

  const ExactSums& sums() const { return sums_; }

 private:
  void add_slice(const PosteriorChunk& chunk, std::int64_t first, std::int64_t count) {
    const std::int64_t classes = plan_->classes;
    const double* posteriors = chunk.posteriors + first * classes;
    if (parts_.metrics) row_facts(chunk, first, count);
    row_weights_.assign(static_cast<std::size_t>(count), 1.0);
    mean_weights_.resize(row_weights_.size());
    for (std::int64_t r = 0; r < replicates_; ++r) {
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t label = chunk.labels[first + i];
        double& weight = row_weights_[static_cast<std::size_t>(i)];
        if (weights_ != nullptr) {
          weight = weights_->draws(r, chunk.rows[first + i], label) * weights_->scale(r, label);
        }
        mean_weights_[static_cast<std::size_t>(i)] =
            weight / static_cast<double>(plan_->label_counts[static_cast<std::size_t>(label)]);
      }
      double* sums = block_.data() + r * layout_.size;
      if (parts_.metrics) {
        add_weighted_rows(posteriors, count, classes, row_weights_.data(), sums + layout_.total);
        add_facts(chunk, first, count, sums);
      }
      if (parts_.class_mean) {
        add_weighted_rows(posteriors, count, classes, mean_weights_.data(), sums + layout_.mean);
      }
    }
  }

  // What every replicate needs of the rows of a slice.
  void row_facts(const PosteriorChunk& chunk, std::int64_t first, std::int64_t count) {
    upper_.clear();
    brier_.resize(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      const double* p = chunk.posteriors + (first + i) * plan_->classes;
      const std::int64_t label = chunk.labels[first + i];
      double squares = 0;
      for (std::int64_t c = 0; c < plan_->classes; ++c) {
        const double difference = c == label ? p[c] - 1 : p[c];
        squares += difference * difference;
        if (p[c] <= kBinEdges[1]) continue;
        upper_.push_back({i, c * kUpperBins + bin_of(p[c]) - 1, difference});
      }
      brier_[static_cast<std::size_t>(i)] = squares;
    }
  }

  void add_facts(const PosteriorChunk& chunk, std::int64_t first, std::int64_t count,
                 double* sums) const {
    for (std::int64_t i = 0; i < count; ++i) {
      const double weight = row_weights_[static_cast<std::size_t>(i)];
      sums[layout_.nll] -= weight * std::max(chunk.log_true[first + i], kLogSmallest);
      sums[layout_.brier] += weight * brier_[static_cast<std::size_t>(i)];
      sums[layout_.predicted + chunk.predicted[first + i]] += weight;
      sums[layout_.total + chunk.labels[first + i]] -= weight;
    }
    double* upper = sums + layout_.upper;
    for (const UpperEntry& entry : upper_)
      upper[entry.cell] += row_weights_[static_cast<std::size_t>(entry.row)] * entry.difference;
  }

  void flush() {
    for (std::size_t i = 0; i < block_.size(); ++i) {
      if (block_[i] != 0) sums_.add(i, block_[i]);
    }
    std::ranges::fill(block_, 0.0);
  }

  const RowPlan* plan_;
  TallyParts parts_;
  const BootstrapWeights* weights_;
  Layout layout_;
  std::int64_t replicates_;
  std::vector<double> block_;  // [replicates, layout]
  ExactSums sums_;
  std::vector<double> row_weights_, mean_weights_, brier_;
  std::vector<UpperEntry> upper_;
};

double classwise_error(const double* total, const double* upper, const RowPlan& plan) {
  double sum = 0;
  for (std::int64_t c = 0; c < plan.classes; ++c) {
    if (plan.excluded[static_cast<std::size_t>(c)] != 0) continue;
    double first_bin = total[c];
    for (std::int64_t b = 0; b < kUpperBins; ++b) {
      const double difference = upper[c * kUpperBins + b];
      first_bin -= difference;
      sum += std::abs(difference);
    }
    sum += std::abs(first_bin);
  }
  return sum / static_cast<double>(plan.n_used) / static_cast<double>(plan.n_classes);
}

Tally finish(const std::vector<double>& sums, const Layout& layout, const TallyParts& parts,
             const RowPlan& plan) {
  const auto at = [&](std::int64_t i) { return sums.begin() + i; };
  const auto rows = static_cast<double>(plan.n_used);
  Tally tally;
  if (parts.metrics) {
    tally.nll = *at(layout.nll) / rows;
    tally.brier = *at(layout.brier) / rows;
    tally.predicted.assign(at(layout.predicted), at(layout.predicted + layout.classes));
    tally.ece_classwise =
        classwise_error(sums.data() + layout.total, sums.data() + layout.upper, plan);
  }
  if (parts.class_mean) {
    tally.class_mean.assign(at(layout.mean), at(layout.mean + layout.classes));
    const auto present = static_cast<double>(
        std::ranges::count_if(plan.label_counts, [](std::int64_t m) { return m > 0; }));
    for (double& mean : tally.class_mean) mean /= present;
  }
  return tally;
}

}  // namespace

std::int64_t replicates_per_pass(const RowPlan& plan, const TallyParts& parts) {
  const auto bytes = static_cast<std::int64_t>(sizeof(double) + 2 * sizeof(std::int64_t)) *
                     Layout(plan.classes, parts).size;
  return std::max<std::int64_t>(kBudgetBytes / bytes, 1);
}

std::vector<Tally> tally_rows(const ScoreSet& scores, LabelSource& labels, const RowPlan& plan,
                              const EvaluateOptions& options, const PosteriorScan& scan,
                              const TallyParts& parts, const BootstrapWeights* weights,
                              const std::function<void(const PosteriorChunk&)>& also) {
  std::vector<Worker> workers(static_cast<std::size_t>(posterior_workers(scores, options)),
                              Worker(plan, parts, weights));
  scan_posteriors(scores, labels, plan, options, scan,
                  [&](int worker, const PosteriorChunk& chunk) {
                    workers[static_cast<std::size_t>(worker)].add(chunk);
                    if (also) also(chunk);
                  });
  ExactSums sums = workers.front().sums();
  for (std::size_t w = 1; w < workers.size(); ++w) sums.merge(workers[w].sums());
  const std::vector<double> values = sums.values();

  const Layout layout(plan.classes, parts);
  std::vector<Tally> tallies;
  for (auto at = values.begin(); at != values.end(); at += layout.size)
    tallies.push_back(finish({at, at + layout.size}, layout, parts, plan));
  return tallies;
}

}  // namespace p2p::metrics
