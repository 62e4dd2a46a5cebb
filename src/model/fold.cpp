#include "model/fold.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>

#include "core/element.hpp"
#include "kernels/half.hpp"
#include "p2p/bake.hpp"

namespace p2p::model {
namespace {

template <class T>
void put(std::string& bytes, T value) {
  static_assert(std::endian::native == std::endian::little);
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  bytes.append(raw, sizeof(T));
}

void append(Rounded& out, double exact, DType dtype) {
  switch (dtype) {
    case DType::kF16:
      put(out.bytes, kernels::f32_to_f16(kernels::f64_to_f32_odd(exact)));
      break;
    case DType::kBF16:
      put(out.bytes, kernels::f32_to_bf16(kernels::f64_to_f32_odd(exact)));
      break;
    case DType::kF32:
      put(out.bytes, static_cast<float>(exact));
      break;
    case DType::kF64:
      put(out.bytes, exact);
      break;
    case DType::kI64:
      assert(false);
  }
  if (!std::isfinite(exact)) return;  // a masked class
  const double written = load_element(
      out.bytes.data(), dtype, static_cast<std::int64_t>(out.bytes.size() / item_size(dtype)) - 1);
  out.rounding = std::max(out.rounding, std::abs(written - exact));
}

void append_as_is(Rounded& out, const void* data, DType dtype, std::int64_t i) {
  const std::size_t size = item_size(dtype);
  out.bytes.append(static_cast<const char*>(data) + static_cast<std::size_t>(i) * size, size);
}

}  // namespace

double factor(const LogOffset& offset, std::int64_t c) {
  const double scale = offset.scale.empty() ? 1.0 : offset.scale[static_cast<std::size_t>(c)];
  return scale / offset.temperature;
}

bool has_one_factor(const LogOffset& offset) {
  for (std::size_t c = 1; c < offset.delta.size(); ++c) {
    if (factor(offset, static_cast<std::int64_t>(c)) != factor(offset, 0)) return false;
  }
  return true;
}

bool only_shifts(const LogOffset& offset) {
  return has_one_factor(offset) && factor(offset, 0) == 1.0;
}

Rounded fold_bias(const void* bias, DType dtype, const LogOffset& offset, double divisor) {
  Rounded out;
  const auto classes = static_cast<std::int64_t>(offset.delta.size());
  out.bytes.reserve(offset.delta.size() * item_size(dtype));
  for (std::int64_t c = 0; c < classes; ++c) {
    const double old = bias == nullptr ? 0.0 : load_element(bias, dtype, c);
    const double delta = offset.delta[static_cast<std::size_t>(c)];
    if (bias != nullptr && delta == 0 && factor(offset, c) == 1) {
      append_as_is(out, bias, dtype, c);
    } else {
      append(out, factor(offset, c) * old + delta / divisor, dtype);
    }
  }
  return out;
}

Rounded scale_weights(const void* weights, DType dtype, std::int64_t first, std::int64_t count,
                      std::int64_t columns, bool class_last, const LogOffset& offset) {
  Rounded out;
  out.bytes.reserve(static_cast<std::size_t>(count) * item_size(dtype));
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t c = class_last ? (first + i) % columns : (first + i) / columns;
    const double by = factor(offset, c);
    if (by == 1) {
      append_as_is(out, weights, dtype, i);
    } else {
      append(out, by * load_element(weights, dtype, i), dtype);
    }
  }
  return out;
}

Rounded stored(const std::vector<double>& values, DType dtype) {
  Rounded out;
  out.bytes.reserve(values.size() * item_size(dtype));
  for (const double value : values) append(out, value, dtype);
  return out;
}

std::vector<float> as_floats(const Rounded& rounded) {
  std::vector<float> values(rounded.bytes.size() / sizeof(float));
  std::copy_n(rounded.bytes.data(), rounded.bytes.size(), reinterpret_cast<char*>(values.data()));
  return values;
}

}  // namespace p2p::model

namespace p2p {

std::vector<double> folded_bias(std::span<const double> bias, const LogOffset& offset) {
  assert(bias.empty() || bias.size() == offset.delta.size());
  std::vector<double> out(offset.delta.size());
  for (std::size_t c = 0; c < out.size(); ++c) {
    const double old = bias.empty() ? 0.0 : bias[c];
    out[c] = model::factor(offset, static_cast<std::int64_t>(c)) * old + offset.delta[c];
  }
  return out;
}

}  // namespace p2p
