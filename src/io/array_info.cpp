#include "io/array_info.hpp"

#include <cassert>
#include <cstring>

namespace p2p::io {
namespace {

std::uint16_t reversed(std::uint16_t v) { return __builtin_bswap16(v); }
std::uint32_t reversed(std::uint32_t v) { return __builtin_bswap32(v); }
std::uint64_t reversed(std::uint64_t v) { return __builtin_bswap64(v); }

template <typename Item>
void swap_items(void* items, std::int64_t count) {
  auto* bytes = static_cast<std::byte*>(items);
  for (std::int64_t i = 0; i < count; ++i, bytes += sizeof(Item)) {
    Item item;
    std::memcpy(&item, bytes, sizeof item);
    item = reversed(item);
    std::memcpy(bytes, &item, sizeof item);
  }
}

}  // namespace

std::size_t element_size(Element element) {
  switch (element) {
    case Element::kI8:
    case Element::kU8:
      return 1;
    case Element::kF16:
    case Element::kBF16:
    case Element::kI16:
    case Element::kU16:
      return 2;
    case Element::kF32:
    case Element::kI32:
    case Element::kU32:
      return 4;
    case Element::kF64:
    case Element::kI64:
    case Element::kU64:
      return 8;
    case Element::kOther:
      return 0;
  }
  return 0;
}

bool is_float(Element element) { return element <= Element::kF64; }

bool is_integer(Element element) { return element >= Element::kI8 && element <= Element::kU64; }

DType score_dtype(Element element) {
  assert(is_float(element));
  switch (element) {
    case Element::kF16:
      return DType::kF16;
    case Element::kBF16:
      return DType::kBF16;
    case Element::kF32:
      return DType::kF32;
    default:
      return DType::kF64;
  }
}

std::optional<std::int64_t> checked_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

std::optional<std::int64_t> element_count(const ArrayInfo& info) {
  std::optional<std::int64_t> count = 1;
  for (const std::int64_t size : info.shape) {
    count = checked_multiply(*count, size);
    if (!count) return count;
  }
  return count;
}

std::optional<std::int64_t> byte_size(const ArrayInfo& info) {
  const auto count = element_count(info);
  if (!count) return count;
  return checked_multiply(*count, static_cast<std::int64_t>(element_size(info.element)));
}

void swap_bytes(void* items, std::int64_t count, std::size_t item_size) {
  if (item_size == 2) swap_items<std::uint16_t>(items, count);
  if (item_size == 4) swap_items<std::uint32_t>(items, count);
  if (item_size == 8) swap_items<std::uint64_t>(items, count);
}

}  // namespace p2p::io
