#include "io/zip_directory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <unordered_set>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kEnd64Signature = 0x06064b50;
constexpr std::uint32_t kLocator64Signature = 0x07064b50;
constexpr std::uint32_t kEntrySignature = 0x02014b50;
constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::int64_t kEndSize = 22;
constexpr std::int64_t kEnd64Size = 56;
constexpr std::int64_t kLocatorSize = 20;
constexpr std::int64_t kEntrySize = 46;
constexpr std::int64_t kLocalSize = 30;
constexpr std::uint64_t kNot16 = 0xFFFF;      // "see the zip64 record"
constexpr std::uint64_t kNot32 = 0xFFFFFFFF;  // "see the zip64 record"
constexpr std::int64_t kLongestDirectory = 64 << 20;

[[noreturn]] void throw_damaged(const File& file, const std::string& what) {
  throw_bad_data(fmt::format("{} is a damaged zip archive: {}; copy or save it again",
                             quote(file.name()), what));
}

/// Little-endian unsigned integer of `width` bytes.
std::uint64_t number(std::string_view bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = width; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

std::string read_bytes(const File& file, std::int64_t offset, std::int64_t count) {
  std::string bytes(static_cast<std::size_t>(count), '\0');
  file.read(offset, bytes.data(), count);
  return bytes;
}

struct Directory {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t entries = 0;
  std::int64_t end = 0;  ///< where the closing records begin
};

Directory read_zip64_end(const File& file, std::int64_t end_offset) {
  const std::int64_t locator_offset = end_offset - kLocatorSize;
  if (locator_offset < kEnd64Size) throw_damaged(file, "its zip64 locator is missing");
  const std::string locator = read_bytes(file, locator_offset, kLocatorSize);
  if (number(locator, 0, 4) != kLocator64Signature) {
    throw_damaged(file, "its zip64 locator is missing");
  }
  const std::uint64_t offset = number(locator, 8, 8);
  if (offset > static_cast<std::uint64_t>(locator_offset - kEnd64Size)) {
    throw_damaged(file, "its zip64 locator points beyond the file");
  }
  const std::string end = read_bytes(file, static_cast<std::int64_t>(offset), kEnd64Size);
  if (number(end, 0, 4) != kEnd64Signature) throw_damaged(file, "its zip64 record is missing");
  if (number(end, 16, 4) != 0 || number(end, 20, 4) != 0) {
    throw_damaged(file, "it is one part of an archive split over several files");
  }
  return {number(end, 48, 8), number(end, 40, 8), number(end, 32, 8),
          static_cast<std::int64_t>(offset)};
}

Directory find_directory(const File& file) {
  const std::int64_t tail_size = std::min<std::int64_t>(file.size(), kEndSize + 0xFFFF);
  const std::int64_t tail_offset = file.size() - tail_size;
  const std::string tail = read_bytes(file, tail_offset, tail_size);
  for (std::int64_t at = tail_size - kEndSize; at >= 0; --at) {
    const std::string_view end = std::string_view(tail).substr(static_cast<std::size_t>(at));
    if (number(end, 0, 4) != kEndSignature) continue;
    const auto comment = static_cast<std::int64_t>(number(end, 20, 2));
    if (at + kEndSize + comment != tail_size) continue;
    const std::int64_t end_offset = tail_offset + at;
    const Directory directory = {number(end, 16, 4), number(end, 12, 4), number(end, 10, 2),
                                 end_offset};
    if (directory.offset == kNot32 || directory.size == kNot32 || directory.entries == kNot16) {
      return read_zip64_end(file, end_offset);
    }
    if (number(end, 4, 2) != 0 || number(end, 6, 2) != 0) {
      throw_damaged(file, "it is one part of an archive split over several files");
    }
    return directory;
  }
  throw_bad_data(quote(file.name()) +
                 (file.size() == 0
                      ? " is empty; expected a .npz archive"
                      : " is not a zip archive, or its end is missing; expected a complete .npz "
                        "file: copy it again, or save it with numpy.savez"));
}

/// Values that do not fit 32 bits stand in the extra field, in this order, and only those.
class Zip64Extra {
 public:
  Zip64Extra(const File& file, std::string_view extra) : file_(file) {
    while (extra.size() >= 4) {
      const std::uint64_t length = number(extra, 2, 2);
      if (length > extra.size() - 4) throw_damaged(file, "an extra field is longer than its entry");
      if (number(extra, 0, 2) == 1) {
        values_ = extra.substr(4, static_cast<std::size_t>(length));
        return;
      }
      extra.remove_prefix(static_cast<std::size_t>(4 + length));
    }
  }

  std::int64_t resolve(std::uint64_t value) {
    if (value == kNot32) {
      if (values_.size() < 8) throw_damaged(file_, "a zip64 size is missing");
      value = number(values_, 0, 8);
      values_.remove_prefix(8);
    }
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      throw_damaged(file_, "a size is larger than 2^63 - 1 bytes");
    }
    return static_cast<std::int64_t>(value);
  }

 private:
  const File& file_;
  std::string_view values_;
};

ZipMember read_entry(const File& file, std::string_view& bytes) {
  if (bytes.size() < static_cast<std::size_t>(kEntrySize) ||
      number(bytes, 0, 4) != kEntrySignature) {
    throw_damaged(file, "an entry of its directory is missing");
  }
  const std::size_t name_size = number(bytes, 28, 2);
  const std::size_t extra_size = number(bytes, 30, 2);
  const std::size_t comment_size = number(bytes, 32, 2);
  const std::size_t entry_size =
      static_cast<std::size_t>(kEntrySize) + name_size + extra_size + comment_size;
  if (entry_size > bytes.size()) throw_damaged(file, "an entry is longer than its directory");
  ZipMember member;
  member.name = bytes.substr(static_cast<std::size_t>(kEntrySize), name_size);
  member.encrypted = (number(bytes, 8, 2) & 1) != 0;
  member.method = static_cast<std::uint16_t>(number(bytes, 10, 2));
  member.crc = static_cast<std::uint32_t>(number(bytes, 16, 4));
  Zip64Extra extra(file,
                   bytes.substr(static_cast<std::size_t>(kEntrySize) + name_size, extra_size));
  member.size = extra.resolve(number(bytes, 24, 4));
  member.compressed_size = extra.resolve(number(bytes, 20, 4));
  member.header_offset = extra.resolve(number(bytes, 42, 4));
  bytes.remove_prefix(entry_size);
  return member;
}

[[noreturn]] void throw_member(const File& file, const ZipMember& member, const std::string& what) {
  throw_bad_data(fmt::format("member {} of {} {}", quote(member.name), quote(file.name()), what));
}

}  // namespace

std::vector<ZipMember> read_zip_directory(const File& file) {
  const Directory directory = find_directory(file);
  if (directory.entries > static_cast<std::uint64_t>(kMostMembers) ||
      directory.size > static_cast<std::uint64_t>(kLongestDirectory)) {
    throw_bad_data(fmt::format(
        "{} claims {} members in a directory of {} bytes; at most {} "
        "members in {} bytes are read",
        quote(file.name()), directory.entries, directory.size, kMostMembers, kLongestDirectory));
  }
  const auto end = static_cast<std::uint64_t>(directory.end);
  if (directory.offset > end || directory.size > end - directory.offset) {
    throw_damaged(file, "its directory lies beyond its end");
  }
  const std::string bytes = read_bytes(file, static_cast<std::int64_t>(directory.offset),
                                       static_cast<std::int64_t>(directory.size));
  std::vector<ZipMember> members;
  std::unordered_set<std::string> names;
  std::string_view rest = bytes;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    members.push_back(read_entry(file, rest));
    if (!names.insert(members.back().name).second) {
      throw_damaged(file, "the name " + quote(members.back().name) + " appears twice");
    }
  }
  return members;
}

std::int64_t member_data_offset(const File& file, const ZipMember& member) {
  if (member.encrypted)
    throw_member(file, member, "is encrypted; expected an archive without a password");
  if (member.method != kStored && member.method != kDeflated) {
    throw_member(
        file, member,
        fmt::format("is packed by zip method {}; expected stored (0) or deflated (8): save "
                    "it with numpy.savez or numpy.savez_compressed",
                    member.method));
  }
  const bool header_fits = member.header_offset <= file.size() - kLocalSize;
  if (!header_fits) throw_damaged(file, "member " + quote(member.name) + " lies beyond its end");
  const std::string header = read_bytes(file, member.header_offset, kLocalSize);
  const auto name_size = static_cast<std::int64_t>(number(header, 26, 2));
  const auto extra_size = static_cast<std::int64_t>(number(header, 28, 2));
  const std::int64_t name_offset = member.header_offset + kLocalSize;
  const bool name_fits = name_offset + name_size + extra_size <= file.size();
  if (number(header, 0, 4) != kLocalSignature || !name_fits ||
      read_bytes(file, name_offset, name_size) != member.name) {
    throw_damaged(file, "member " + quote(member.name) + " is not where the directory says");
  }
  if (member.method == kStored && member.compressed_size != member.size) {
    throw_damaged(file, "member " + quote(member.name) + " is stored with two different sizes");
  }
  const std::int64_t data_offset = name_offset + name_size + extra_size;
  if (member.compressed_size > file.size() - data_offset) {
    throw_damaged(file, "member " + quote(member.name) + " lies beyond its end");
  }
  return data_offset;
}

}  // namespace p2p::io
