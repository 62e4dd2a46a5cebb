#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "p2p/label_source.hpp"
#include "p2p/row_sink.hpp"
#include "p2p/row_source.hpp"
#include "p2p/score_reading.hpp"
#include "p2p/types.hpp"

/// Arrays that Python owns, as the library's sources and sinks, whatever their strides.
namespace p2p::python {

namespace nb = nanobind;

using Array = nb::ndarray<nb::ro, nb::device::cpu>;
using Reals = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Integers = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::vector<double> to_vector(const std::optional<Reals>& values);
std::vector<std::int64_t> to_vector(const std::optional<Integers>& values);
/// A new read-only NumPy array of the values.
nb::object to_numpy(std::vector<double> values);
nb::object to_numpy(std::vector<std::int64_t> values);

/// Where the elements of row r, class c of an array lie: row r is one position of all axes but the
/// class axis, in C order.
class StridedRows {
 public:
  StridedRows() = default;
  /// Strides in bytes.
  StridedRows(std::byte* data, DType dtype, std::vector<std::int64_t> shape,
              std::vector<std::int64_t> strides, int class_axis);

  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::int64_t classes() const { return classes_; }
  [[nodiscard]] const std::vector<std::int64_t>& shape() const { return shape_; }
  [[nodiscard]] int class_axis() const { return class_axis_; }
  /// Row `first` where it and all after it lie one behind the other, else null.
  [[nodiscard]] std::byte* packed(std::int64_t first) const;
  void read(std::int64_t first, std::int64_t count, void* out) const;
  void write(std::int64_t first, std::int64_t count, const void* rows) const;

 private:
  [[nodiscard]] std::int64_t offset(std::int64_t row) const;
  template <class Item, bool kWrite>
  void copy(std::int64_t first, std::int64_t count, void* rows) const;

  std::byte* data_ = nullptr;
  DType dtype_ = DType::kF32;
  std::vector<std::int64_t> shape_;
  int class_axis_ = 1;
  std::int64_t rows_ = 0;
  std::int64_t classes_ = 0;
  std::int64_t class_stride_ = 0;
  struct Axis {
    std::int64_t size = 0;
    std::int64_t stride = 0;
  };
  std::vector<Axis> outer_;  // neighbours that form one axis are joined
  bool packed_ = false;
};

/// Score arrays that are read as one data set. Borrowed from Python as long as this lives.
class Scores {
 public:
  /// uint16 elements are bfloat16. `name` is used in messages; of several arrays each has its
  /// number.
  Scores(std::vector<Array> arrays, std::optional<int> class_axis, const std::string& name,
         const ScoreReading& reading);
  /// `kind` is that of the stored numbers.
  [[nodiscard]] ReadScores read(ScoreKind kind) const;
  [[nodiscard]] std::int64_t rows() const;
  [[nodiscard]] std::int64_t classes() const {
    return reading_.binary ? 2 : parts_.front().rows.classes();
  }
  [[nodiscard]] std::int64_t bytes() const;

 private:
  struct Part {
    StridedRows rows;
    std::string name;
  };
  std::vector<Array> owners_;
  std::vector<Part> parts_;
  ScoreReading reading_;
};

/// Labels that Python owns.
class ArrayLabels final : public LabelSource {
 public:
  explicit ArrayLabels(const Integers& labels)
      : labels_(labels.data(), labels.shape(0)), name_("labels") {}
  [[nodiscard]] std::int64_t rows() const override {
    return static_cast<std::int64_t>(labels_.size());
  }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::string locate(std::int64_t row) const override {
    return "row " + std::to_string(row) + " (counted from 0)";
  }
  void read(std::int64_t first, std::int64_t count, std::int64_t* out) override;

 private:
  std::span<const std::int64_t> labels_;
  std::string name_;
};

/// Rows written into an array that Python owns. commit() does nothing: they are there.
class ArraySink final : public RowSink {
 public:
  explicit ArraySink(StridedRows rows) : rows_(std::move(rows)) {}
  [[nodiscard]] bool random_access() const override { return true; }
  [[nodiscard]] void* place(std::int64_t first, std::int64_t /*count*/) override {
    return rows_.packed(first);
  }
  void write(std::int64_t first, std::int64_t count, const void* rows) override {
    rows_.write(first, count, rows);
  }
  void commit() override {}

 private:
  StridedRows rows_;
};

using OutArray = nb::ndarray<nb::device::cpu>;
/// The rows of an output; `class_axis` -1: one int64 per row.
StridedRows output_rows(const OutArray& array, int class_axis);

}  // namespace p2p::python
