#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/reference.hpp"
#include "p2p/matrix_source.hpp"
#include "p2p/row_sink.hpp"
#include "p2p/row_source.hpp"

/// Scores in memory for tests: of any element type, in any number of files, readable in any order
/// or only once.
namespace p2p::test {

/// `values` as an array of `dtype`, rounded to nearest even.
inline std::shared_ptr<const void> encoded(const std::vector<double>& values, DType dtype) {
  const auto bytes = std::make_shared<std::vector<std::byte>>(values.size() * item_size(dtype));
  for (std::size_t i = 0; i < values.size(); ++i) {
    kernels::reference::store(bytes->data(), dtype, static_cast<std::int64_t>(i), values[i]);
  }
  return {bytes, static_cast<const void*>(bytes->data())};
}

/// The numbers that `values` become in `dtype`.
inline std::vector<double> rounded(std::vector<double> values, DType dtype) {
  const auto data = encoded(values, dtype);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = kernels::reference::load(data.get(), dtype, static_cast<std::int64_t>(i));
  }
  return values;
}

inline std::unique_ptr<RowSource> source(const std::vector<double>& values, std::int64_t classes,
                                         DType dtype = DType::kF64, std::string name = "matrix") {
  return std::make_unique<MatrixSource>(encoded(values, dtype), dtype,
                                        static_cast<std::int64_t>(values.size()) / classes, classes,
                                        std::move(name));
}

inline ScoreSet set_of(std::unique_ptr<RowSource> first,
                       std::unique_ptr<RowSource> second = nullptr,
                       std::unique_ptr<RowSource> third = nullptr) {
  std::vector<std::unique_ptr<RowSource>> sources;
  for (auto* next : {&first, &second, &third}) {
    if (*next) sources.push_back(std::move(*next));
  }
  return ScoreSet(std::move(sources));
}

inline ScoreSet scores(const std::vector<double>& values, std::int64_t classes,
                       DType dtype = DType::kF64, std::string name = "matrix") {
  return set_of(source(values, classes, dtype, std::move(name)));
}

/// Rows that can be read once, forwards, like standard input.
class StreamSource final : public RowSource {
 public:
  StreamSource(std::vector<double> values, std::int64_t classes)
      : values_(std::move(values)), classes_(classes) {}
  [[nodiscard]] std::int64_t rows() const override {
    return static_cast<std::int64_t>(values_.size()) / classes_;
  }
  [[nodiscard]] std::int64_t classes() const override { return classes_; }
  [[nodiscard]] DType dtype() const override { return DType::kF64; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] bool random_access() const override { return false; }
  [[nodiscard]] bool rewindable() const override { return false; }
  void read(std::int64_t first, std::int64_t count, void* out) override {
    backwards_ = backwards_ || first < next_;
    next_ = first + count;
    std::memcpy(out, values_.data() + first * classes_,
                static_cast<std::size_t>(count * classes_) * sizeof(double));
  }
  [[nodiscard]] InputRecord record() override {
    return {.name = "-", .shape = shape(), .sha256 = {}};
  }
  [[nodiscard]] bool went_backwards() const { return backwards_; }

 private:
  std::vector<double> values_;
  std::int64_t classes_;
  std::string name_ = "-";
  std::int64_t next_ = 0;
  bool backwards_ = false;
};

/// Rows written to memory.
class MemorySink final : public RowSink {
 public:
  MemorySink(DType dtype, std::int64_t rows, std::int64_t columns, bool random_access = true)
      : dtype_(dtype),
        columns_(columns),
        random_access_(random_access),
        bytes_(static_cast<std::size_t>(rows * columns) * item_size(dtype)) {}
  [[nodiscard]] bool random_access() const override { return random_access_; }
  void write(std::int64_t first, std::int64_t count, const void* rows) override {
    in_order_ = in_order_ && first == next_;
    next_ = first + count;
    const auto row_bytes = columns_ * static_cast<std::int64_t>(item_size(dtype_));
    assert(static_cast<std::size_t>((first + count) * row_bytes) <= bytes_.size());
    std::memcpy(bytes_.data() + first * row_bytes, rows,
                static_cast<std::size_t>(count * row_bytes));
  }
  void commit() override { committed_ = true; }

  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }
  [[nodiscard]] std::vector<double> values() const {
    std::vector<double> result(bytes_.size() / item_size(dtype_));
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i] = kernels::reference::load(bytes_.data(), dtype_, static_cast<std::int64_t>(i));
    }
    return result;
  }
  [[nodiscard]] std::vector<std::int64_t> labels() const {
    std::vector<std::int64_t> result(bytes_.size() / sizeof(std::int64_t));
    std::memcpy(result.data(), bytes_.data(), bytes_.size());
    return result;
  }
  [[nodiscard]] bool in_order() const { return in_order_; }
  [[nodiscard]] bool committed() const { return committed_; }

 private:
  DType dtype_;
  std::int64_t columns_;
  bool random_access_;
  std::vector<std::byte> bytes_;
  std::int64_t next_ = 0;
  bool in_order_ = true;
  bool committed_ = false;
};

}  // namespace p2p::test
