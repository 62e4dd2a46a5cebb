#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "memory_file.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"

/// Any bytes are labels and a vector of numbers in text, or an Error. The first byte says which
/// ending the file has and whether class names are known.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace p2p;
  if (size == 0) return 0;
  const fuzz::MemoryFile memory(bytes + 1, size - 1);
  const std::string ending = (bytes[0] & 1U) != 0 ? ".txt" : ".csv";
  const std::string file = (std::filesystem::temp_directory_path() /
                            ("p2p-text-fuzz-" + std::to_string(getpid()) + ending))
                               .native();
  std::filesystem::remove(file);
  std::filesystem::create_symlink(memory.path(), file);
  std::vector<std::string> classes;
  if ((bytes[0] & 2U) != 0) classes = {"cat", "dog", "polar bear"};
  try {
    const auto labels = open_labels({file}, {}, {.classes = classes});
    fuzz::require(labels->rows() >= 1);
    std::int64_t label = 0;
    for (std::int64_t i = 0; i < labels->rows(); ++i) labels->read(i, 1, &label);
  } catch (const Error&) {
  }
  try {
    const std::vector<double> values = read_vector(file, classes);
    fuzz::require(!values.empty());
  } catch (const Error&) {
  }
  std::filesystem::remove(file);
  return 0;
}
