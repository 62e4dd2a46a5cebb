#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cassert>

#include "io/sinks.hpp"

namespace p2p::io {
namespace {

const char* descr(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return "<f2";
    case DType::kF32:
      return "<f4";
    case DType::kF64:
      return "<f8";
    case DType::kI64:
      return "<i8";
    case DType::kBF16:
      break;
  }
  assert(false && "NumPy has no bfloat16; ask sink_dtype first");
  return "";
}

}  // namespace

std::string npy_header(DType dtype, const std::vector<std::int64_t>& shape) {
  constexpr std::size_t kFixed = 10;       // magic, version, length
  constexpr std::size_t kAlign = 64;       // of the array
  constexpr std::size_t kGrowthSize = 21;  // room numpy leaves for the first axis to grow
  std::string text =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", descr(dtype),
                  fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  if (!shape.empty()) text.append(kGrowthSize - fmt::to_string(shape.front()).size(), ' ');
  text.append(kAlign - (kFixed + text.size() + 1) % kAlign, ' ');
  text += '\n';
  const std::size_t length = text.size();
  assert(length <= 0xffff);
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(length & 0xff);
  header += static_cast<char>(length >> 8);
  return header + text;
}

ArrayFrame npy_frame(const SinkSpec& spec) {
  return {.prefix = npy_header(spec.dtype, spec.shape), .suffix_bytes = 0, .finish = nullptr};
}

}  // namespace p2p::io
