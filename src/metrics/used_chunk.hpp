#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernels.hpp"
#include "metrics/row_plan.hpp"
#include "p2p/label_source.hpp"
#include "p2p/metrics.hpp"
#include "scan/block_scan.hpp"
#include "scan/kind_check.hpp"

namespace p2p::metrics {

/// The rows of a chunk that an evaluation uses, next to each other. One thread's, for chunk after
/// chunk.
class UsedChunk {
 public:
  UsedChunk(const RowPlan& plan, const EvaluateOptions& options);
  UsedChunk(const UsedChunk&) = delete;  // params point into the options and the plan
  UsedChunk& operator=(const UsedChunk&) = delete;

  void take(const Chunk& chunk, LabelSource& labels);

  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(rows_.size()); }
  [[nodiscard]] const std::byte* row(std::int64_t i) const { return data_ + i * row_bytes_; }
  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] std::int64_t first_used() const { return first_used_; }
  [[nodiscard]] const std::vector<std::int64_t>& rows() const { return rows_; }
  [[nodiscard]] const std::vector<std::int64_t>& labels() const { return labels_; }
  [[nodiscard]] bool last_of_block() const { return last_of_block_; }
  /// Facts of the rows [first, first + count), for a kernel to fill.
  kernels::RowFacts facts(std::int64_t first = 0) {
    return {.max = max_.data() + first, .sum = sum_.data() + first};
  }
  /// Verifies the kind by the facts of all rows.
  void check_kind();
  /// The error of a row that a kernel refused; `moved`: its scores were taken with an offset.
  [[noreturn]] void throw_row(std::int64_t bad, bool moved) const;

 private:
  [[nodiscard]] std::int64_t row_in_source(std::size_t i) const {
    return rows_[i] - chunk_.global_row + chunk_.first;
  }

  const RowPlan* plan_;
  const EvaluateOptions* options_;
  KindCheck check_;
  Chunk chunk_;
  RowSource* source_ = nullptr;
  DType dtype_ = DType::kF32;
  std::int64_t row_bytes_ = 0;
  std::int64_t first_used_ = 0, next_used_ = 0;
  bool last_of_block_ = false;
  const std::byte* data_ = nullptr;
  std::vector<std::int64_t> all_labels_, rows_, labels_;
  std::vector<float> max_, sum_;
  std::vector<std::byte> gathered_;
};

}  // namespace p2p::metrics
