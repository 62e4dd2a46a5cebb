#include "io/integers.hpp"

#include <fmt/format.h>

#include <cassert>
#include <cstring>
#include <utility>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

template <typename Stored>
void convert_as(const void* stored, bool foreign, std::int64_t count, std::int64_t first,
                const std::string& name, std::int64_t* out) {
  const auto* bytes = static_cast<const char*>(stored);
  for (std::int64_t i = 0; i < count; ++i, bytes += sizeof(Stored)) {
    Stored value;
    std::memcpy(&value, bytes, sizeof value);
    if (foreign) swap_bytes(&value, 1, sizeof value);
    if (!std::in_range<std::int64_t>(value)) {
      throw_bad_data(fmt::format("{} holds {} at position {}; expected integers up to 2^63 - 1",
                                 quote(name), value, first + i));
    }
    out[i] = static_cast<std::int64_t>(value);
  }
}

}  // namespace

void convert_integers(const void* stored, const ArrayInfo& info, std::int64_t count,
                      std::int64_t first, const std::string& name, std::int64_t* out) {
  const bool foreign = is_foreign_order(info);
  switch (info.element) {
    case Element::kI8:
      return convert_as<std::int8_t>(stored, foreign, count, first, name, out);
    case Element::kI16:
      return convert_as<std::int16_t>(stored, foreign, count, first, name, out);
    case Element::kI32:
      return convert_as<std::int32_t>(stored, foreign, count, first, name, out);
    case Element::kI64:
      return convert_as<std::int64_t>(stored, foreign, count, first, name, out);
    case Element::kU8:
      return convert_as<std::uint8_t>(stored, foreign, count, first, name, out);
    case Element::kU16:
      return convert_as<std::uint16_t>(stored, foreign, count, first, name, out);
    case Element::kU32:
      return convert_as<std::uint32_t>(stored, foreign, count, first, name, out);
    case Element::kU64:
      return convert_as<std::uint64_t>(stored, foreign, count, first, name, out);
    default:
      assert(false);
  }
}

}  // namespace p2p::io
