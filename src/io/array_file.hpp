#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "io/array_info.hpp"
#include "io/byte_stream.hpp"
#include "io/file.hpp"
#include "io/spec.hpp"
#include "io/zip_directory.hpp"

namespace p2p::io {

/// What an array is wanted for, which decides the element types and ranks that fit.
enum class ArrayUse {
  kScores,     ///< floats of rank 2 to 4
  kOneColumn,  ///< floats of rank 1 to 4: scores of class 1 of two
  kLabels,     ///< integers of rank 1 or more
  kVector,     ///< integers or floats of rank 1
};

/// An array found in a .npy, .npz or .safetensors file, with all sizes checked against the file.
struct StoredArray {
  std::shared_ptr<const File> file;
  std::string name;         ///< as the user wrote it
  std::string record_name;  ///< base name, with ":member" for archives
  ArrayInfo info;
  std::int64_t offset = 0;  ///< of the first element: in the file, or in the unpacked member
  std::optional<ZipMember> deflated;

  [[nodiscard]] std::int64_t bytes() const { return *byte_size(info); }
  /// The elements in the order in which they are stored.
  [[nodiscard]] std::unique_ptr<ByteStream> stream() const;
  /// A file that holds the elements and where in it: the file itself, or (deflated) an unpacked,
  /// unnamed copy made now.
  struct Place {
    std::shared_ptr<const File> file;
    std::int64_t offset = 0;
  };
  [[nodiscard]] Place place() const;
};

/// Finds the array that `spec` names, or the only one that fits `use`. Error when there is none or
/// more than one (listing them), when its type or rank does not fit, or its file is damaged.
[[nodiscard]] StoredArray open_array(const Spec& spec, ArrayUse use);

}  // namespace p2p::io
