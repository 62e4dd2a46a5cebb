#include <vector>

#include "io/csv_source.hpp"
#include "memory_file.hpp"
#include "p2p/error.hpp"

/// Any bytes are a table of numbers with the promised rows, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace p2p;
  const fuzz::MemoryFile memory(bytes, size);
  try {
    const auto source =
        io::make_csv_source({memory.path(), std::nullopt, memory.path()}, OpenOptions());
    fuzz::require(source->rows() >= 1 && source->classes() >= 2);
    const std::size_t names = source->class_names().size();
    fuzz::require(names == 0 || static_cast<std::int64_t>(names) == source->classes());
    std::vector<double> row(static_cast<std::size_t>(source->classes()));
    for (std::int64_t i = 0; i < source->rows(); ++i) source->read(i, 1, row.data());
  } catch (const Error&) {
  }
  return 0;
}
