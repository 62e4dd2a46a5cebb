#include "engine/tensor.hpp"

#include <array>
#include <cassert>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "kernels/half.hpp"

namespace p2p::engine {
namespace {

struct Truth {
  std::uint8_t byte;  // another value than 0 is true; a bool may hold 0 and 1 only
};
struct Half {
  std::uint16_t bits;
};
struct Bfloat {
  std::uint16_t bits;
};

/// Calls visit(T{}) with the type that holds one element.
template <class Visit>
auto with_type(Scalar scalar, Visit&& visit) {
  switch (scalar) {
    case Scalar::kBool:
      return visit(Truth{});
    case Scalar::kI8:
      return visit(std::int8_t{});
    case Scalar::kI16:
      return visit(std::int16_t{});
    case Scalar::kI32:
      return visit(std::int32_t{});
    case Scalar::kI64:
      return visit(std::int64_t{});
    case Scalar::kU8:
      return visit(std::uint8_t{});
    case Scalar::kU16:
      return visit(std::uint16_t{});
    case Scalar::kU32:
      return visit(std::uint32_t{});
    case Scalar::kU64:
      return visit(std::uint64_t{});
    case Scalar::kF16:
      return visit(Half{});
    case Scalar::kBF16:
      return visit(Bfloat{});
    case Scalar::kF32:
      return visit(float{});
    case Scalar::kF64:
      break;
  }
  return visit(double{});
}

/// Integers stay what they are; floats are widened to double, which holds each of them.
template <class T>
auto wide(T value) {
  if constexpr (std::is_same_v<T, Half>) {
    return static_cast<double>(kernels::f16_to_f32(value.bits));
  } else if constexpr (std::is_same_v<T, Bfloat>) {
    return static_cast<double>(kernels::bf16_to_f32(value.bits));
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<double>(value);
  } else if constexpr (std::is_same_v<T, Truth>) {
    return static_cast<std::uint8_t>(value.byte != 0);
  } else {
    return value;
  }
}

template <class T, class Wide>
T narrow(Wide value) {
  if constexpr (std::is_same_v<T, Half>) {
    return {kernels::f32_to_f16(kernels::f64_to_f32_odd(static_cast<double>(value)))};
  } else if constexpr (std::is_same_v<T, Bfloat>) {
    return {kernels::f32_to_bf16(kernels::f64_to_f32_odd(static_cast<double>(value)))};
  } else if constexpr (std::is_same_v<T, Truth>) {
    return {value != 0};
  } else {
    return static_cast<T>(value);
  }
}

template <class T, class Wide>
bool holds(Wide value) {
  if constexpr (std::is_integral_v<T> && std::is_integral_v<Wide>) {
    return std::in_range<T>(value);
  } else {
    return true;
  }
}

template <class From, class To>
std::int64_t convert_all(const char* in, std::int64_t count, char* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    From from;
    std::memcpy(&from, in + i * static_cast<std::int64_t>(sizeof(From)), sizeof(From));
    const auto value = wide(from);
    if (!holds<To>(value)) return i;
    const To to = narrow<To>(value);
    std::memcpy(out + i * static_cast<std::int64_t>(sizeof(To)), &to, sizeof(To));
  }
  return -1;
}

constexpr std::array<std::string_view, 13> kNames = {
    "bool",   "int8",   "int16",   "int32",    "int64",   "uint8",  "uint16",
    "uint32", "uint64", "float16", "bfloat16", "float32", "float64"};

}  // namespace

std::size_t scalar_size(Scalar scalar) {
  return with_type(scalar, [](auto element) { return sizeof(element); });
}

ScalarKind scalar_kind(Scalar scalar) {
  if (scalar == Scalar::kBool) return ScalarKind::kBool;
  return scalar < Scalar::kF16 ? ScalarKind::kInteger : ScalarKind::kFloat;
}

std::string_view scalar_name(Scalar scalar) { return kNames[static_cast<std::size_t>(scalar)]; }

std::optional<Scalar> find_scalar(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Scalar>(i);
  }
  return std::nullopt;
}

std::int64_t element_count(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    [[maybe_unused]] const bool overflow = __builtin_mul_overflow(count, size, &count);
    assert(!overflow);
  }
  return count;
}

std::int64_t convert_scalars(const void* in, Scalar from, std::int64_t count, void* out,
                             Scalar to) {
  assert(scalar_kind(from) <= scalar_kind(to));
  if (from == to && to != Scalar::kBool) {
    std::memcpy(out, in, static_cast<std::size_t>(count) * scalar_size(to));
    return -1;
  }
  return with_type(from, [&](auto source) {
    return with_type(to, [&](auto target) {
      return convert_all<decltype(source), decltype(target)>(static_cast<const char*>(in), count,
                                                             static_cast<char*>(out));
    });
  });
}

}  // namespace p2p::engine
