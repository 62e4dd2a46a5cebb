#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "p2p/estimate.hpp"
#include "p2p/label_source.hpp"
#include "p2p/posterior_sum.hpp"
#include "p2p/row_source.hpp"

namespace p2p {

/// estimate_prior for rows that come batch after batch, on one machine or on many. The same bits as
/// estimate_prior over all rows for any batching of one accumulator; for several that are merged,
/// as estimate_prior over one file each, in any order of merging. Memory O(C).
class PriorAccumulator {
 public:
  /// `options`: as for estimate_prior, without parts and `iterate`; the first batch tells a kind of
  /// kAuto. `label_rows`: [C], rows of each class in the whole data set, when labelled rows are to
  /// be weighted towards `options.counts`; else empty. Error{kUsage}, {kBadData}: options out of
  /// range or of another length.
  PriorAccumulator(std::int64_t classes, EstimateOptions options,
                   std::vector<std::int64_t> label_rows = {});

  /// Adds rows, of one source, that follow those of the last call. `labels` for all batches or for
  /// none; `weights`: [rows], at least 0, or empty: ones. O(N C). Error{kBadData}, as
  /// estimate_prior; then nothing has changed.
  void update(ScoreSet& batch, LabelSource* labels = nullptr, std::span<const double> weights = {});
  /// Adds the rows of another one. Error{kUsage}: a block of either is open; Error{kBadData} naming
  /// the first setting that differs; then nothing has changed.
  void merge(const PriorAccumulator& other);
  /// The rows that follow begin a file of their own.
  void end_block() { sums_.end_block(); }

  /// The prior of all rows so far; more may follow. Labels without counts in the options: their
  /// counts are the training counts. O(C). Error as finish_prior.
  [[nodiscard]] Estimate finish() const;

  [[nodiscard]] std::int64_t classes() const { return sums_.classes(); }
  [[nodiscard]] std::int64_t rows() const { return seen_; }  ///< those left out included
  [[nodiscard]] const PriorSettings& settings() const { return settings_; }

  struct State {
    ScoreKind kind = ScoreKind::kAuto;
    std::int64_t seen = 0;
    std::int64_t ignored = 0;
    std::optional<bool> labelled;
    PosteriorSum::State sums;
  };
  /// Error{kUsage} while a block is open.
  [[nodiscard]] State save() const;
  /// What save() returned, into an accumulator made with the same arguments.
  void load(const State& state);

 private:
  void set_kind(ScoreKind kind);

  EstimateOptions options_;
  std::vector<std::int64_t> label_rows_;
  PriorSettings settings_;
  std::vector<double> class_weights_;
  std::optional<bool> labelled_;
  std::int64_t seen_ = 0;
  std::int64_t ignored_ = 0;
  double zeros_ = 0;  // share of the first batch's rows with a posterior of exactly 0
  PosteriorSum sums_;
  PosteriorSum before_;  // what an update that fails goes back to
};

}  // namespace p2p
