#pragma once

#include <cstdint>
#include <string>

#include "p2p/types.hpp"

namespace p2p {

/// Whether a row, by its values alone, could hold probabilities or their logarithms.
struct RowLook {
  bool probs = false;
  bool log_probs = false;
  bool in_unit = false;          ///< all in [0, 1], whatever they sum to
  bool one_value = false;        ///< all the same
  bool neither_at_once = false;  ///< its first elements said so; the rest was not looked at
};
/// How far rounding of stored probabilities may push one above 1.
double range_tolerance(DType dtype) noexcept;
/// `exp_sum`: kernels::RowFacts::exp_sum of the row, or null where it is not known.
RowLook look_at_row(const void* row, DType dtype, std::int64_t classes,
                    const float* exp_sum = nullptr) noexcept;

/// Whether a row holds neither NaN nor +inf.
bool has_only_scores(const void* row, DType dtype, std::int64_t classes) noexcept;

/// Verifies on every row that a data set is of the kind it was said or assumed to be.
/// Probabilities and log-probabilities: each row. Logits: a few rows of a block may look like
/// either of the others by chance; more is a mixture. Also refuses f16 rows whose maximum is 65504
/// (saturated). `stated`: the user said so, then logits may look like anything.
class KindCheck {
 public:
  /// Whether so many of `rows` rows of logits look like another kind: more than 3 and 1 in 20 of
  /// them, or half of a handful. Two classes of float16 do so about once in a hundred.
  static constexpr bool is_mixture(std::int64_t lookalikes, std::int64_t rows) {
    return 20 * (lookalikes - 3) > rows || (lookalikes >= 2 && 2 * lookalikes >= rows);
  }

  KindCheck(ScoreKind kind, std::int64_t classes, bool stated)
      : kind_(kind), classes_(classes), stated_(stated) {}
  /// Rows [first_row, first_row + count) of source `name`, all of one block; max, sum and exp_sum
  /// are facts of the raw rows (kernels::RowFacts), which decide all but the closest cases; where
  /// exp_sum is null, rows that may be log-probabilities are read again. Error{kBadData} naming the
  /// row.
  void rows(const void* data, DType dtype, std::int64_t count, const float* max, const float* sum,
            const std::string& name, std::int64_t first_row, const float* exp_sum = nullptr);
  /// Error{kBadData}: logits with too many rows of another kind in the block, or all of them in
  /// [0, 1], however it was fed.
  void end_block();

 private:
  ScoreKind kind_;
  std::int64_t classes_;
  bool stated_;
  // Of the open block.
  std::string name_;
  std::int64_t first_row_ = 0;
  std::int64_t rows_ = 0, probs_ = 0, log_probs_ = 0;
  bool all_in_unit_ = true;
  bool varied_ = false;  // a row in [0, 1] holds several values
};

}  // namespace p2p
