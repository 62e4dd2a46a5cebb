#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "p2p/label_source.hpp"
#include "p2p/row_source.hpp"

namespace p2p {

/// Which labels are classes; rows of the others are left out.
struct LabelRules {
  std::int64_t classes = 0;
  std::optional<std::int64_t> ignore_index;
  std::vector<std::int64_t> excluded;  ///< ascending
  bool every_row = false;              ///< no row may be ignored; the refusal of a label says so
};

struct LabelCounts {
  std::vector<std::int64_t> rows;  ///< [C]
  std::int64_t ignored = 0;
};

/// Error{kBadData} when scores and labels differ in length.
void demand_same_rows(const ScoreSet& scores, const LabelSource& labels);

/// Rows per class in one pass over the labels. Error{kBadData} naming the first label out of range.
/// O(N + C * threads).
LabelCounts count_labels(LabelSource& labels, const LabelRules& rules, int threads);

/// Labels and weights of consecutive rows; one reader per thread.
class LabelReader {
 public:
  /// `labels` may be null: then labels() is null. Weights multiply: class_weights [C] and
  /// row_weights [N], or empty for ones.
  LabelReader(LabelSource* labels, LabelRules rules, std::vector<double> class_weights,
              std::span<const double> row_weights = {});
  void read(std::int64_t first, std::int64_t count);
  /// Class of each row read last, -1 where it is left out; null without labels.
  [[nodiscard]] const std::int32_t* labels() const;
  /// Weight of each row read last, 0 where it is left out; null: all 1.
  [[nodiscard]] const double* weights() const;

 private:
  LabelSource* source_;
  LabelRules rules_;
  std::vector<double> class_weights_;
  std::span<const double> row_weights_;
  std::vector<std::int64_t> raw_;
  std::vector<std::int32_t> labels_;
  std::vector<double> weights_;
};

}  // namespace p2p
