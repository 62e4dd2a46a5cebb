#include "arrays.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <memory>
#include <utility>

#include "p2p/error.hpp"

namespace p2p::python {
namespace {

constexpr std::int64_t kClassTile = 16;
constexpr std::int64_t kRowTile = 64;

template <class T>
nb::object owned(std::vector<T> values) {
  auto kept = std::make_unique<std::vector<T>>(std::move(values));
  const std::vector<T>* raw = kept.get();
  nb::capsule owner(kept.release(),
                    [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, const T, nb::ndim<1>>(raw->data(), {raw->size()}, owner));
}

DType element_type(const nb::dlpack::dtype& dtype, const std::string& name) {
  if (dtype.lanes == 1 && dtype.code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float)) {
    if (dtype.bits == 16) return DType::kF16;
    if (dtype.bits == 32) return DType::kF32;
    if (dtype.bits == 64) return DType::kF64;
  }
  if (dtype.code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::UInt) && dtype.bits == 16) {
    return DType::kBF16;
  }
  if (dtype.code == static_cast<std::uint8_t>(nb::dlpack::dtype_code::Int) && dtype.bits == 64) {
    return DType::kI64;
  }
  throw_bad_data("'" + name + "' holds neither float16, bfloat16, float32 nor float64");
}

template <class A>
StridedRows strided(const A& array, DType dtype, int class_axis) {
  const auto item = static_cast<std::int64_t>(item_size(dtype));
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
  for (std::size_t axis = 0; axis < array.ndim(); ++axis) {
    shape.push_back(static_cast<std::int64_t>(array.shape(axis)));
    strides.push_back(array.stride(axis) * item);
  }
  if (class_axis < 0) {
    shape.push_back(1);
    strides.push_back(item);
    class_axis = static_cast<int>(shape.size()) - 1;
  }
  auto* data = static_cast<std::byte*>(const_cast<void*>(static_cast<const void*>(array.data())));
  return {data, dtype, std::move(shape), std::move(strides), class_axis};
}

class ArraySource final : public RowSource {
 public:
  ArraySource(StridedRows rows, std::string name)
      : rows_(std::move(rows)), name_(std::move(name)) {}

  [[nodiscard]] std::int64_t rows() const override { return rows_.rows(); }
  [[nodiscard]] std::int64_t classes() const override { return rows_.classes(); }
  [[nodiscard]] DType dtype() const override { return rows_.dtype(); }
  [[nodiscard]] std::vector<std::int64_t> shape() const override { return rows_.shape(); }
  [[nodiscard]] int class_axis() const override { return rows_.class_axis(); }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] bool random_access() const override { return true; }
  void read(std::int64_t first, std::int64_t count, void* out) override {
    rows_.read(first, count, out);
  }
  [[nodiscard]] const void* view(std::int64_t first, std::int64_t /*count*/) override {
    return rows_.packed(first);
  }
  [[nodiscard]] InputRecord record() override {
    return {.name = name_, .shape = rows_.shape(), .sha256 = {}};
  }

 private:
  StridedRows rows_;
  std::string name_;
};

}  // namespace

std::vector<double> to_vector(const std::optional<Reals>& values) {
  if (!values) return {};
  return {values->data(), values->data() + values->shape(0)};
}

std::vector<std::int64_t> to_vector(const std::optional<Integers>& values) {
  if (!values) return {};
  return {values->data(), values->data() + values->shape(0)};
}

nb::object to_numpy(std::vector<double> values) { return owned(std::move(values)); }
nb::object to_numpy(std::vector<std::int64_t> values) { return owned(std::move(values)); }

StridedRows::StridedRows(std::byte* data, DType dtype, std::vector<std::int64_t> shape,
                         std::vector<std::int64_t> strides, int class_axis)
    : data_(data), dtype_(dtype), shape_(std::move(shape)), class_axis_(class_axis) {
  const auto item = static_cast<std::int64_t>(item_size(dtype));
  classes_ = shape_[static_cast<std::size_t>(class_axis)];
  class_stride_ = strides[static_cast<std::size_t>(class_axis)];
  rows_ = 1;
  for (std::size_t axis = 0; axis < shape_.size(); ++axis) {
    if (static_cast<int>(axis) == class_axis) continue;
    rows_ *= shape_[axis];
    if (!outer_.empty() && outer_.back().stride == shape_[axis] * strides[axis]) {
      outer_.back() = {outer_.back().size * shape_[axis], strides[axis]};
    } else {
      outer_.push_back({shape_[axis], strides[axis]});
    }
  }
  const bool rows_packed =
      outer_.empty() || (outer_.size() == 1 && (outer_[0].stride == classes_ * item || rows_ < 2));
  packed_ = rows_packed && (class_stride_ == item || classes_ < 2);
}

std::byte* StridedRows::packed(std::int64_t first) const {
  if (!packed_) return nullptr;
  return data_ + first * classes_ * static_cast<std::int64_t>(item_size(dtype_));
}

std::int64_t StridedRows::offset(std::int64_t row) const {
  std::int64_t result = 0;
  for (std::size_t axis = outer_.size(); axis-- > 0;) {
    result += row % outer_[axis].size * outer_[axis].stride;
    row /= outer_[axis].size;
  }
  return result;
}

// Tiles of rows and classes, so that both sides stay in the cache whichever axis lies close.
template <class Item, bool kWrite>
void StridedRows::copy(std::int64_t first, std::int64_t count, void* rows) const {
  std::int64_t offsets[kRowTile];
  constexpr auto kItem = static_cast<std::int64_t>(sizeof(Item));
  for (std::int64_t r0 = 0; r0 < count; r0 += kRowTile) {
    const std::int64_t tile = std::min(kRowTile, count - r0);
    for (std::int64_t i = 0; i < tile; ++i) offsets[i] = offset(first + r0 + i);
    for (std::int64_t c0 = 0; c0 < classes_; c0 += kClassTile) {
      const std::int64_t c1 = std::min(classes_, c0 + kClassTile);
      for (std::int64_t i = 0; i < tile; ++i) {
        auto* packed = static_cast<std::byte*>(rows) + ((r0 + i) * classes_ + c0) * kItem;
        std::byte* strided = data_ + offsets[i] + c0 * class_stride_;
        for (std::int64_t c = c0; c < c1; ++c, packed += kItem, strided += class_stride_) {
          if constexpr (kWrite) {
            std::memcpy(strided, packed, sizeof(Item));
          } else {
            std::memcpy(packed, strided, sizeof(Item));
          }
        }
      }
    }
  }
}

void StridedRows::read(std::int64_t first, std::int64_t count, void* out) const {
  if (count == 0) return;
  const auto item = static_cast<std::int64_t>(item_size(dtype_));
  if (packed_) {
    std::memcpy(out, packed(first), static_cast<std::size_t>(count * classes_ * item));
  } else if (class_stride_ == item) {
    const std::int64_t row_bytes = classes_ * item;
    for (std::int64_t i = 0; i < count; ++i) {
      std::memcpy(static_cast<std::byte*>(out) + i * row_bytes, data_ + offset(first + i),
                  static_cast<std::size_t>(row_bytes));
    }
  } else if (item == 2) {
    copy<std::uint16_t, false>(first, count, out);
  } else if (item == 4) {
    copy<std::uint32_t, false>(first, count, out);
  } else {
    copy<std::uint64_t, false>(first, count, out);
  }
}

void StridedRows::write(std::int64_t first, std::int64_t count, const void* rows) const {
  if (count == 0) return;
  const auto item = static_cast<std::int64_t>(item_size(dtype_));
  void* in = const_cast<void*>(rows);
  if (packed_) {
    std::memcpy(packed(first), rows, static_cast<std::size_t>(count * classes_ * item));
  } else if (item == 2) {
    copy<std::uint16_t, true>(first, count, in);
  } else if (item == 4) {
    copy<std::uint32_t, true>(first, count, in);
  } else {
    copy<std::uint64_t, true>(first, count, in);
  }
}

Scores::Scores(std::vector<Array> arrays, std::optional<int> class_axis, const std::string& name,
               const ScoreReading& reading)
    : owners_(std::move(arrays)), reading_(reading) {
  assert(!owners_.empty());
  for (std::size_t i = 0; i < owners_.size(); ++i) {
    const std::string part = owners_.size() == 1 ? name : name + "[" + std::to_string(i) + "]";
    const auto rank = static_cast<int>(owners_[i].ndim());
    const int axis = class_axis.value_or(-1) < 0 ? class_axis.value_or(-1) + rank : *class_axis;
    parts_.push_back({strided(owners_[i], element_type(owners_[i].dtype(), part), axis), part});
  }
}

ReadScores Scores::read(ScoreKind kind) const {
  std::vector<std::unique_ptr<RowSource>> sources;
  for (const Part& part : parts_) {
    sources.push_back(std::make_unique<ArraySource>(part.rows, part.name));
  }
  return read_scores(ScoreSet(std::move(sources)), kind, reading_);
}

std::int64_t Scores::rows() const {
  std::int64_t rows = 0;
  for (const Part& part : parts_) rows += part.rows.rows();
  return rows;
}

std::int64_t Scores::bytes() const {
  std::int64_t bytes = 0;
  for (const Part& part : parts_) {
    bytes += part.rows.rows() * part.rows.classes() *
             static_cast<std::int64_t>(item_size(part.rows.dtype()));
  }
  return bytes;
}

void ArrayLabels::read(std::int64_t first, std::int64_t count, std::int64_t* out) {
  std::copy_n(labels_.begin() + first, count, out);
}

StridedRows output_rows(const OutArray& array, int class_axis) {
  return strided(array, element_type(array.dtype(), "out"), class_axis);
}

}  // namespace p2p::python
