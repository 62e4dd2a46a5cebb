#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace p2p::engine {

/// Element types of what goes into an inference engine and comes out of it.
enum class Scalar : std::uint8_t {
  kBool,
  kI8,
  kI16,
  kI32,
  kI64,
  kU8,
  kU16,
  kU32,
  kU64,
  kF16,
  kBF16,
  kF32,
  kF64
};

/// In the order of lossless promotion: a conversion goes to the same or a later kind.
enum class ScalarKind : std::uint8_t { kBool, kInteger, kFloat };

/// Bytes of one element.
[[nodiscard]] std::size_t scalar_size(Scalar scalar);
[[nodiscard]] ScalarKind scalar_kind(Scalar scalar);
/// NumPy's name, "float32"; "bfloat16" where NumPy has none.
[[nodiscard]] std::string_view scalar_name(Scalar scalar);
/// The scalar of this name, if it is one.
[[nodiscard]] std::optional<Scalar> find_scalar(std::string_view name);

/// A batch of an input or output: row-major, native byte order.
struct Tensor {
  Scalar scalar = Scalar::kF32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;
};

/// Product of the sizes. A bug when it does not fit.
[[nodiscard]] std::int64_t element_count(const std::vector<std::int64_t>& shape);

/// Elements [0, count) of `in` as `to`, floats rounded to nearest even. Precondition: scalar_kind
/// does not go down. The first element that `to`, of integers, cannot hold; or -1. O(count).
std::int64_t convert_scalars(const void* in, Scalar from, std::int64_t count, void* out, Scalar to);

}  // namespace p2p::engine
