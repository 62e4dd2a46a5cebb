#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "p2p/types.hpp"

namespace p2p {

/// Consecutive rows of one source, row-major [count, C].
struct RowBlock {
  const void* data = nullptr;
  DType dtype = DType::kF32;
  std::int64_t count = 0;
  const double* weights =
      nullptr;  ///< [count] >= 0, or null: all 1. Rows of weight 0 are not counted
  const std::int32_t* labels = nullptr;  ///< [count] in [-1, C), -1: none; or null
  const std::string* name = nullptr;     ///< of the source, for messages
  std::int64_t first_row = 0;            ///< within the source, for messages
};

/// How scores become posteriors: softmax(z / T + b).
struct PosteriorModel {
  ScoreKind kind = ScoreKind::kLogits;  ///< never kAuto
  double temperature = 1.0;
  std::vector<double> offset;  ///< b, [C], finite or -inf; empty: zeros
  bool kind_stated = false;    ///< the user said so: logits may then look like probabilities
  bool operator==(const PosteriorModel&) const = default;
};

/// An exact sum: (high * 2^64 + low) * 2^-80.
struct ExactSum {
  std::int64_t high = 0;
  std::uint64_t low = 0;
  bool operator==(const ExactSum&) const = default;
};

/// The sums behind an effective prior, over rows n of weight w_n, posterior p_n and label y_n:
/// posterior[c] = sum w p_c; posterior_squared[c] = sum (w p_c)^2; own_class[c] = sum over y = c of
/// w p_c. Within a block of kBlockRows rows the order of additions is fixed, blocks are added
/// exactly: the result has the same bits for any batching of update(), any number of threads and
/// any order of merge(). Memory O(C); update costs O(count * C).
class PosteriorSum {
 public:
  PosteriorSum(std::int64_t classes, const PosteriorModel& model);
  ~PosteriorSum();
  PosteriorSum(const PosteriorSum& other);
  PosteriorSum& operator=(const PosteriorSum& other);
  PosteriorSum(PosteriorSum&&) noexcept;
  PosteriorSum& operator=(PosteriorSum&&) noexcept;

  /// Adds rows that follow those of the last call; a block closes by itself after kBlockRows rows.
  /// Error{kBadData} naming file, row and class: NaN, +inf, only -inf, a row that is not of the
  /// model's kind.
  void update(const RowBlock& rows);
  /// Closes the block that is open: at the end of each file.
  void end_block();
  /// Rows of the block that is open.
  [[nodiscard]] std::int64_t open_rows() const;
  /// Error{kUsage} while a block is open.
  void demand_no_open_block() const;
  /// Adds the sums of another accumulator over the same classes. Error{kUsage}: other classes, or a
  /// block of either is open.
  void merge(const PosteriorSum& other);

  [[nodiscard]] std::int64_t classes() const;
  [[nodiscard]] std::int64_t rows() const;                     ///< rows of positive weight
  [[nodiscard]] std::vector<std::int64_t> label_rows() const;  ///< [C], of positive weight
  [[nodiscard]] std::vector<double> posterior() const;
  [[nodiscard]] std::vector<double> posterior_squared() const;
  [[nodiscard]] std::vector<double> own_class() const;

  /// The exact state, for the prior file: row count, then label_rows and the three sums.
  struct State {
    std::int64_t rows = 0;
    std::vector<std::int64_t> label_rows;
    std::vector<ExactSum> posterior, posterior_squared, own_class;
  };
  /// Error{kUsage} while a block is open.
  [[nodiscard]] State save() const;
  static PosteriorSum load(const State& state);

  /// Sums that were made elsewhere, on a GPU for example; [C] each. They are rounded once to a
  /// multiple of 2^-80. Error{kBadData}: lengths that differ, negative or not finite.
  static PosteriorSum of_totals(std::int64_t rows, const std::vector<std::int64_t>& label_rows,
                                const std::vector<double>& posterior,
                                const std::vector<double>& posterior_squared,
                                const std::vector<double>& own_class);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace p2p
