#include "io/safetensors_header.hpp"
#include "memory_file.hpp"
#include "p2p/error.hpp"

/// Any bytes are tensors that lie in the file one after the other, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace p2p;
  const fuzz::MemoryFile memory(bytes, size);
  try {
    std::int64_t previous = 0;
    for (const io::Tensor& tensor : io::read_safetensors_header(*memory.open()).tensors) {
      const auto length = io::byte_size(tensor.info);
      fuzz::require(length.has_value() && tensor.offset >= previous);
      fuzz::require(*length <= static_cast<std::int64_t>(size) - tensor.offset);
      previous = tensor.offset;
    }
  } catch (const Error&) {
  }
  return 0;
}
