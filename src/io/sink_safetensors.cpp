#include <fmt/format.h>
#include <fmt/ranges.h>

#include "io/safetensors_header.hpp"
#include "io/sinks.hpp"

namespace p2p::io {
namespace {

const char* type_name(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
    case DType::kF32:
      return "F32";
    case DType::kF64:
      return "F64";
    case DType::kI64:
      return "I64";
  }
  return "";
}

}  // namespace

ArrayFrame safetensors_frame(const SinkSpec& spec) {
  const std::string json =
      fmt::format(R"({{"scores":{{"dtype":"{}","shape":[{}],"data_offsets":[0,{}]}}}})",
                  type_name(spec.dtype), fmt::join(spec.shape, ","), ArrayLayout(spec).bytes());
  return {.prefix = safetensors_start(json), .suffix_bytes = 0, .finish = nullptr};
}

}  // namespace p2p::io
