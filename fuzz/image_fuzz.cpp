#include "images/picture.hpp"
#include "memory_file.hpp"
#include "p2p/error.hpp"

/// Any bytes are a picture whose shape is the one that its header promised, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace p2p;
  constexpr std::size_t kLarge = std::size_t{1} << 22;  // takes memory, and teaches nothing new
  const fuzz::MemoryFile memory(bytes, size);
  try {
    const images::ImageShape shape = images::read_image_shape(memory.path());
    fuzz::require(shape.channels == 3 && shape.height >= 1 && shape.width >= 1);
    if (shape.bytes() > kLarge) return 0;
    const images::Picture picture = images::read_picture(memory.path());
    fuzz::require(picture.shape == shape && picture.pixels.size() == shape.bytes());
    const images::Picture small = images::read_picture(memory.path(), 4);
    fuzz::require(small.pixels.size() == small.shape.bytes());
  } catch (const Error&) {
  }
  return 0;
}
