#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <memory>

#include "io/sinks.hpp"

/// One stored member "scores.npy". The local header is padded so that the array keeps numpy's
/// 64-byte alignment inside the archive; zip64 fields appear only when a size or an offset needs
/// them. Dates are 1980-01-01, so that the same scores give the same bytes.
namespace p2p::io {
namespace {

constexpr char kMember[] = "scores.npy";
constexpr std::int64_t kNameSize = sizeof(kMember) - 1;
constexpr std::int64_t kLocalFixed = 30;
constexpr std::int64_t kCrcOffset = 14;  // in the local header
constexpr std::int64_t kAlign = 64;
constexpr std::int64_t kMinPadding = 6;           // id, length and alignment
constexpr std::uint64_t kAlignmentId = 0xd935;    // extra field that zipalign introduced
constexpr std::uint64_t kZip64Id = 0x0001;        // APPNOTE 4.5.3
constexpr std::int64_t kZip64Limit = 0xffffffff;  // this value itself means "see the zip64 field"
constexpr std::uint64_t kVersionStored = 20;
constexpr std::uint64_t kVersionZip64 = 45;
constexpr std::uint64_t kMadeByUnix = 3 << 8;
constexpr std::uint64_t kRegularFile0644 = 0100644;
constexpr std::uint64_t kDosDate1980 = (1 << 5) | 1;
constexpr std::int64_t kReadBytes = std::int64_t{1} << 20;

void put(std::string& out, int bytes, std::uint64_t value) {
  for (int byte = 0; byte < bytes; ++byte) out += static_cast<char>((value >> (8 * byte)) & 0xff);
}

bool needs_zip64(std::int64_t value) { return value >= kZip64Limit; }

std::uint64_t clip32(std::int64_t value) {
  return static_cast<std::uint64_t>(std::min(value, kZip64Limit));
}

/// Fields that local header and directory share: version needed to extra length.
void put_common(std::string& out, std::int64_t size, std::uint32_t crc, std::size_t extra_size) {
  put(out, 2, needs_zip64(size) ? kVersionZip64 : kVersionStored);
  put(out, 2, 0);  // flags
  put(out, 2, 0);  // stored
  put(out, 2, 0);  // time
  put(out, 2, kDosDate1980);
  put(out, 4, crc);
  put(out, 4, clip32(size));
  put(out, 4, clip32(size));
  put(out, 2, static_cast<std::uint64_t>(kNameSize));
  put(out, 2, extra_size);
}

std::string zip64_sizes(std::int64_t size) {
  std::string extra;
  if (!needs_zip64(size)) return extra;
  put(extra, 2, kZip64Id);
  put(extra, 2, 16);
  put(extra, 8, static_cast<std::uint64_t>(size));
  put(extra, 8, static_cast<std::uint64_t>(size));
  return extra;
}

std::string local_header(std::int64_t size) {
  std::string extra = zip64_sizes(size);
  const auto used = kLocalFixed + kNameSize + static_cast<std::int64_t>(extra.size());
  const std::int64_t padding = kMinPadding + (kAlign - (used + kMinPadding) % kAlign) % kAlign;
  put(extra, 2, kAlignmentId);
  put(extra, 2, static_cast<std::uint64_t>(padding - 4));
  put(extra, 2, kAlign);
  extra.append(static_cast<std::size_t>(padding - kMinPadding), '\0');
  std::string out("PK\x03\x04");
  put_common(out, size, 0, extra.size());
  return out + kMember + extra;
}

/// Central directory and its end records; `directory_offset` is where they will lie.
std::string directory(std::int64_t size, std::uint32_t crc, std::int64_t directory_offset) {
  const std::string extra = zip64_sizes(size);
  std::string entry("PK\x01\x02");
  put(entry, 2, kMadeByUnix | (needs_zip64(size) ? kVersionZip64 : kVersionStored));
  put_common(entry, size, crc, extra.size());
  put(entry, 2, 0);  // comment length
  put(entry, 2, 0);  // disk
  put(entry, 2, 0);  // internal attributes
  put(entry, 4, kRegularFile0644 << 16);
  put(entry, 4, 0);  // offset of the local header
  entry += kMember + extra;

  std::string out = entry;
  if (needs_zip64(directory_offset)) {
    out += "PK\x06\x06";
    put(out, 8, 44);  // bytes that follow in this record
    put(out, 2, kMadeByUnix | kVersionZip64);
    put(out, 2, kVersionZip64);
    put(out, 4, 0);  // this disk
    put(out, 4, 0);  // disk of the directory
    put(out, 8, 1);  // entries here
    put(out, 8, 1);  // entries in all
    put(out, 8, entry.size());
    put(out, 8, static_cast<std::uint64_t>(directory_offset));
    out += "PK\x06\x07";
    put(out, 4, 0);
    put(out, 8, static_cast<std::uint64_t>(directory_offset) + entry.size());
    put(out, 4, 1);  // disks
  }
  out += "PK\x05\x06";
  put(out, 2, 0);
  put(out, 2, 0);
  put(out, 2, 1);
  put(out, 2, 1);
  put(out, 4, entry.size());
  put(out, 4, clip32(directory_offset));
  put(out, 2, 0);  // comment length
  return out;
}

std::uint32_t checksum(AtomicFile& file, std::int64_t offset, std::int64_t size) {
  const auto buffer = std::make_unique_for_overwrite<unsigned char[]>(kReadBytes);
  uLong crc = crc32(0, nullptr, 0);
  while (size > 0) {
    const std::int64_t count = std::min(size, kReadBytes);
    file.read_at(offset, buffer.get(), count);
    crc = crc32(crc, buffer.get(), static_cast<uInt>(count));
    offset += count;
    size -= count;
  }
  return static_cast<std::uint32_t>(crc);
}

}  // namespace

ArrayFrame npz_frame(const SinkSpec& spec) {
  const std::string npy = npy_header(spec.dtype, spec.shape);
  const std::int64_t size = static_cast<std::int64_t>(npy.size()) + ArrayLayout(spec).bytes();
  const std::string local = local_header(size);
  const auto member_offset = static_cast<std::int64_t>(local.size());
  const std::int64_t directory_offset = member_offset + size;
  const auto suffix_bytes = static_cast<std::int64_t>(directory(size, 0, directory_offset).size());
  auto finish = [=](AtomicFile& file) {
    const std::uint32_t crc = checksum(file, member_offset, size);
    std::string crc_bytes;
    put(crc_bytes, 4, crc);
    file.write_at(kCrcOffset, crc_bytes.data(), static_cast<std::int64_t>(crc_bytes.size()));
    const std::string end = directory(size, crc, directory_offset);
    file.write_at(directory_offset, end.data(), static_cast<std::int64_t>(end.size()));
  };
  return {.prefix = local + npy, .suffix_bytes = suffix_bytes, .finish = std::move(finish)};
}

}  // namespace p2p::io
