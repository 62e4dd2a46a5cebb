#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "metrics/half_samples.hpp"
#include "metrics/row_plan.hpp"

namespace p2p::metrics {

/// Sums over rows for each class; absent parts are empty.
struct ClassSums {
  std::vector<double> bins;  ///< [C, kBins] sum of p_c - 1[y = c] over rows with p_c in the bin
  std::vector<double> mean;  ///< [C] mean over classes y present of (1/m_y) sum of p_c over rows
};

/// Class-wise calibration error: the mean over classes that are not excluded. O(C).
double classwise_error(const std::vector<double>& bins, const RowPlan& plan);

/// ClassSums over each group of a HalfSamples, first rows of its pairs less second ones. Integers,
/// so that the order of adding does not show. Memory: 128 bytes a class and group.
class GroupSums {
 public:
  GroupSums(const HalfSamples& samples, const RowPlan& plan, bool bins, bool mean);

  [[nodiscard]] const HalfSamples& samples() const { return *samples_; }
  /// Adds to the sums [C] of p_c of the rows of a group, and empties `sums`.
  void add_total(std::int64_t group, float* sums) { add(total_, group, sums); }
  /// The same of p_c weighted by mean_weight(y).
  void add_mean(std::int64_t group, float* sums) { add(mean_, group, sums); }
  [[nodiscard]] double mean_weight(std::int64_t label) const;
  /// Adds p_c - 1[y = c] of one row, whose p_c is in an upper bin.
  void add_upper(std::int64_t group, std::int64_t c, int bin, double difference);
  void merge(const GroupSums& other);

  /// Calls use(r, sums), from any thread, for replicates [0, count), given the sums of all rows.
  /// O(count * groups * C).
  void replicates(const ClassSums& all, std::int64_t count, std::uint64_t seed, int threads,
                  const std::function<void(std::int64_t r, const ClassSums& sums)>& use) const;

 private:
  void add(std::vector<std::int64_t>& to, std::int64_t group, float* sums);
  [[nodiscard]] std::vector<float> cells(int threads) const;

  const HalfSamples* samples_;
  const RowPlan* plan_;
  double present_;                   // classes with rows
  double unit_;                      // sums are integers of 1 / unit_, a power of two
  std::vector<std::int64_t> total_;  // [groups, C]
  std::vector<std::int64_t> upper_;  // [groups, C, kBins - 1]
  std::vector<std::int64_t> mean_;   // [groups, C]
};

}  // namespace p2p::metrics
