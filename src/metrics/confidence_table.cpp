#include "metrics/confidence_table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "metrics/calibration_bins.hpp"

namespace p2p::metrics {
namespace {

constexpr int kRowShift = 25;  // labels are below 2^24

// First position of bin k + 1 when n rows are split as numpy.array_split does.
std::array<double, kBins> array_split_ends(std::int64_t n) {
  std::array<double, kBins> ends{};
  std::int64_t end = 0;
  for (int k = 0; k < kBins; ++k) {
    end += n / kBins + (k < n % kBins ? 1 : 0);
    ends[static_cast<std::size_t>(k)] = static_cast<double>(end);
  }
  return ends;
}

double mean_gap(const std::array<double, kBins>& differences, std::int64_t n) {
  double sum = 0;
  for (const double difference : differences) sum += std::abs(difference);
  return sum / static_cast<double>(n);
}

}  // namespace

ConfidenceTable::ConfidenceTable(const RowPlan& plan)
    : plan_(&plan), rows_(static_cast<std::size_t>(plan.n_used)) {}

void ConfidenceTable::store(const PosteriorChunk& chunk) {
  for (std::int64_t i = 0; i < chunk.count; ++i) {
    const std::int64_t best = chunk.predicted[i];
    const std::uint64_t correct = best == chunk.labels[i] ? 1 : 0;
    rows_[static_cast<std::size_t>(chunk.first_used + i)] = {
        chunk.posteriors[i * plan_->classes + best],
        static_cast<std::uint64_t>(chunk.rows[i]) << kRowShift |
            static_cast<std::uint64_t>(chunk.labels[i]) << 1 | correct};
  }
}

void ConfidenceTable::sort() {
  std::ranges::sort(rows_, [](const Row& a, const Row& b) {
    return a.confidence != b.confidence ? a.confidence < b.confidence : a.packed < b.packed;
  });
}

TopLabel ConfidenceTable::evaluate(const BootstrapWeights* weights, std::int64_t r) const {
  TopLabel result;
  result.drawn.assign(static_cast<std::size_t>(plan_->classes), 0);
  result.correct.assign(static_cast<std::size_t>(plan_->classes), 0);
  std::array<double, kBins> equal_width{};
  std::array<double, kBins> equal_mass{};
  const std::array<double, kBins> ends = array_split_ends(plan_->n_used);
  std::size_t mass_bin = 0;
  double before = 0;
  for (const Row& row : rows_) {
    const auto number = static_cast<std::int64_t>(row.packed >> kRowShift);
    const auto label =
        static_cast<std::int64_t>(row.packed >> 1 & ((std::uint64_t{1} << (kRowShift - 1)) - 1));
    const bool correct = (row.packed & 1) != 0;
    const int draws = weights != nullptr ? weights->draws(r, number, label) : 1;
    if (draws == 0) continue;
    const double weight = weights != nullptr ? draws * weights->scale(r, label) : 1.0;
    result.drawn[static_cast<std::size_t>(label)] += draws;
    if (correct) result.correct[static_cast<std::size_t>(label)] += draws;
    const double difference = weight * (row.confidence - (correct ? 1.0 : 0.0));
    equal_width[static_cast<std::size_t>(bin_of(row.confidence))] += difference;
    while (mass_bin < kBins - 1 && before >= ends[mass_bin]) ++mass_bin;
    equal_mass[mass_bin] += difference;
    before += weight;
  }
  result.ece = mean_gap(equal_width, plan_->n_used);
  result.ece_equal_mass = mean_gap(equal_mass, plan_->n_used);
  return result;
}

}  // namespace p2p::metrics
