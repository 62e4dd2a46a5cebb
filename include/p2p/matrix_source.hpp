#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "p2p/label_source.hpp"
#include "p2p/row_source.hpp"
#include "p2p/types.hpp"

namespace p2p {

/// Scores that are already in memory, [rows, classes] row-major. view() is the memory itself.
class MatrixSource final : public RowSource {
 public:
  /// Takes the values; rows = values.size() / classes. Error when that is not a whole number or
  /// classes < 1.
  MatrixSource(std::vector<float> values, std::int64_t classes, std::string name = "matrix");
  MatrixSource(std::vector<double> values, std::int64_t classes, std::string name = "matrix");
  /// Shares `data`: rows * classes elements of `dtype` (f16, bf16, f32 or f64). To borrow memory
  /// that outlives the source, pass std::shared_ptr<const void>(std::shared_ptr<void>(), pointer).
  MatrixSource(std::shared_ptr<const void> data, DType dtype, std::int64_t rows,
               std::int64_t classes, std::string name = "matrix");

  [[nodiscard]] std::int64_t rows() const override { return rows_; }
  [[nodiscard]] std::int64_t classes() const override { return classes_; }
  [[nodiscard]] DType dtype() const override { return dtype_; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] bool random_access() const override { return true; }
  void read(std::int64_t first, std::int64_t count, void* out) override;
  [[nodiscard]] const void* view(std::int64_t first, std::int64_t count) override;
  /// Name and shape; no digest.
  [[nodiscard]] InputRecord record() override;

 private:
  std::shared_ptr<const void> data_;
  DType dtype_;
  std::int64_t rows_;
  std::int64_t classes_;
  std::string name_;
};

/// Labels that are already in memory.
class VectorLabelSource final : public LabelSource {
 public:
  explicit VectorLabelSource(std::vector<std::int64_t> labels, std::string name = "labels");
  [[nodiscard]] std::int64_t rows() const override;
  [[nodiscard]] const std::string& name() const override { return name_; }
  void read(std::int64_t first, std::int64_t count, std::int64_t* out) override;

 private:
  std::vector<std::int64_t> labels_;
  std::string name_;
};

/// One matrix as a data set.
ScoreSet matrix_scores(std::vector<float> values, std::int64_t classes,
                       std::string name = "matrix");
ScoreSet matrix_scores(std::vector<double> values, std::int64_t classes,
                       std::string name = "matrix");

}  // namespace p2p
