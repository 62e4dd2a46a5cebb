#include "p2p/matrix_source.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <utility>

#include "p2p/error.hpp"

namespace p2p {
namespace {

template <class T>
std::shared_ptr<const void> keep(std::vector<T> values) {
  const auto owner = std::make_shared<const std::vector<T>>(std::move(values));
  return {owner, static_cast<const void*>(owner->data())};
}

std::int64_t count_rows(std::size_t values, std::int64_t classes, const std::string& name) {
  const auto size = static_cast<std::int64_t>(values);
  if (classes < 1 || size % classes != 0) {
    throw_usage("'" + name + "' has " + std::to_string(values) +
                " values, which is not a whole number of rows of " + std::to_string(classes) +
                " classes; pass rows * classes values");
  }
  return size / classes;
}

template <class T>
ScoreSet one_source(std::vector<T> values, std::int64_t classes, std::string name) {
  std::vector<std::unique_ptr<RowSource>> sources;
  sources.push_back(std::make_unique<MatrixSource>(std::move(values), classes, std::move(name)));
  return ScoreSet(std::move(sources));
}

}  // namespace

MatrixSource::MatrixSource(std::vector<float> values, std::int64_t classes, std::string name)
    : dtype_(DType::kF32),
      rows_(count_rows(values.size(), classes, name)),
      classes_(classes),
      name_(std::move(name)) {
  data_ = keep(std::move(values));
}

MatrixSource::MatrixSource(std::vector<double> values, std::int64_t classes, std::string name)
    : dtype_(DType::kF64),
      rows_(count_rows(values.size(), classes, name)),
      classes_(classes),
      name_(std::move(name)) {
  data_ = keep(std::move(values));
}

MatrixSource::MatrixSource(std::shared_ptr<const void> data, DType dtype, std::int64_t rows,
                           std::int64_t classes, std::string name)
    : data_(std::move(data)),
      dtype_(dtype),
      rows_(rows),
      classes_(classes),
      name_(std::move(name)) {
  assert(dtype != DType::kI64 && rows >= 0 && classes >= 1);
}

const void* MatrixSource::view(std::int64_t first, [[maybe_unused]] std::int64_t count) {
  assert(first >= 0 && count >= 0 && first + count <= rows_);
  const auto row_bytes = static_cast<std::size_t>(classes_) * item_size(dtype_);
  return static_cast<const std::byte*>(data_.get()) + static_cast<std::size_t>(first) * row_bytes;
}

void MatrixSource::read(std::int64_t first, std::int64_t count, void* out) {
  const auto row_bytes = static_cast<std::size_t>(classes_) * item_size(dtype_);
  if (count > 0) std::memcpy(out, view(first, count), static_cast<std::size_t>(count) * row_bytes);
}

InputRecord MatrixSource::record() { return {.name = name_, .shape = shape(), .sha256 = {}}; }

VectorLabelSource::VectorLabelSource(std::vector<std::int64_t> labels, std::string name)
    : labels_(std::move(labels)), name_(std::move(name)) {}

std::int64_t VectorLabelSource::rows() const { return static_cast<std::int64_t>(labels_.size()); }

void VectorLabelSource::read(std::int64_t first, std::int64_t count, std::int64_t* out) {
  assert(first >= 0 && count >= 0 && first + count <= rows());
  std::copy_n(labels_.begin() + first, count, out);
}

ScoreSet matrix_scores(std::vector<float> values, std::int64_t classes, std::string name) {
  return one_source(std::move(values), classes, std::move(name));
}

ScoreSet matrix_scores(std::vector<double> values, std::int64_t classes, std::string name) {
  return one_source(std::move(values), classes, std::move(name));
}

}  // namespace p2p
