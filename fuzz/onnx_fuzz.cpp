#include <cstdlib>
#include <string>

#include "memory_file.hpp"
#include "model/formats.hpp"
#include "model/onnx_head.hpp"
#include "p2p/error.hpp"

/// Any bytes are a model whose head is found or refused; what is baked into it comes out again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace p2p;
  const fuzz::MemoryFile memory(bytes, size);
  try {
    const model::OnnxModel loaded = model::load_onnx(memory.path());
    for (const model::OnnxNode& node : loaded.nodes) {
      fuzz::require(node.field.end <= static_cast<std::int64_t>(size));
    }
    const model::OnnxHead head = model::find_onnx_head(loaded, 3, {});
    if (head.bias) static_cast<void>(model::tensor_bytes(loaded, *head.bias));
    const LogOffset offset{{-1, 0.25, 0.75}};
    static_cast<void>(model::bake_onnx(memory.path(), offset, {}, {}, ""));
  } catch (const Error&) {
  }
  return 0;
}
