#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "p2p/types.hpp"

namespace p2p::io {

/// What an element of a stored array may be. kOther: known to exist, never read.
enum class Element : std::uint8_t {
  kF16,
  kBF16,
  kF32,
  kF64,
  kI8,
  kI16,
  kI32,
  kI64,
  kU8,
  kU16,
  kU32,
  kU64,
  kOther
};

[[nodiscard]] std::size_t element_size(Element element);  ///< 0 for kOther
[[nodiscard]] bool is_float(Element element);
[[nodiscard]] bool is_integer(Element element);

/// Element type of a float array. Precondition: is_float.
[[nodiscard]] DType score_dtype(Element element);

/// An array as its header describes it, wherever it is stored.
struct ArrayInfo {
  Element element = Element::kOther;
  std::string stored_type;  ///< as the file spells it: "<f4", "BF16", for messages
  bool big_endian = false;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;  ///< no negative sizes
};

/// Empty when the product does not fit. Operands are not negative.
[[nodiscard]] std::optional<std::int64_t> checked_multiply(std::int64_t a, std::int64_t b);

/// Product of the sizes; empty when it does not fit.
[[nodiscard]] std::optional<std::int64_t> element_count(const ArrayInfo& info);

/// Bytes of the array; empty when it does not fit. 0 for kOther.
[[nodiscard]] std::optional<std::int64_t> byte_size(const ArrayInfo& info);

/// Elements must be reversed byte by byte to be read here.
inline bool is_foreign_order(const ArrayInfo& info) {
  return info.big_endian != (std::endian::native == std::endian::big);
}

/// Reverses the bytes of each of `count` items of 1, 2, 4 or 8 bytes.
void swap_bytes(void* items, std::int64_t count, std::size_t item_size);

}  // namespace p2p::io
