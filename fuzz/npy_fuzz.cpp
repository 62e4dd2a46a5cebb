#include "io/npy_header.hpp"
#include "memory_file.hpp"
#include "p2p/error.hpp"

/// Any bytes are a header whose sizes fit 63 bits, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace p2p;
  fuzz::MemoryStream stream(bytes, size);
  try {
    const io::NpyHeader header = io::read_npy_header(stream, "input");
    fuzz::require(io::byte_size(header.info).has_value());
    fuzz::require(header.data_offset >= 10 &&
                  header.data_offset <= static_cast<std::int64_t>(size));
    for (const std::int64_t axis : header.info.shape) fuzz::require(axis >= 0);
  } catch (const Error&) {
  }
  return 0;
}
