#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/file.hpp"

namespace p2p::io {

/// One member as the central directory describes it. Nothing but the name is known to be true.
struct ZipMember {
  std::string name;
  std::uint16_t method = 0;  ///< 0 stored, 8 deflated
  bool encrypted = false;
  std::uint32_t crc = 0;
  std::int64_t compressed_size = 0;
  std::int64_t size = 0;
  std::int64_t header_offset = 0;  ///< of the local header
};

inline constexpr std::uint16_t kStored = 0;
inline constexpr std::uint16_t kDeflated = 8;

/// Members that are looked at, at most.
inline constexpr std::int64_t kMostMembers = 1'000'000;

/// The members of a zip archive, zip64 included, from its central directory. Every range lies in
/// the file and no name appears twice. Error otherwise, or when it is no archive of one disk.
/// Source: PKWARE APPNOTE 6.3.
std::vector<ZipMember> read_zip_directory(const File& file);

/// Where the bytes of `member` begin. Error when its local header disagrees with the directory, the
/// bytes do not fit the file, or they are encrypted or packed by other means than deflate.
std::int64_t member_data_offset(const File& file, const ZipMember& member);

}  // namespace p2p::io
