#include "io/inflate_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

constexpr std::size_t kBufferSize = 256 << 10;
constexpr std::size_t kLargestStep = 1 << 30;  // zlib counts in 32 bits

FileStream packed_bytes(const std::shared_ptr<const File>& file, const ZipMember& member) {
  const std::int64_t begin = member_data_offset(*file, member);
  return {file, begin, begin + member.compressed_size};
}

}  // namespace

InflateStream::InflateStream(std::shared_ptr<const File> file, const ZipMember& member)
    : file_(std::move(file)),
      member_(member),
      packed_(packed_bytes(file_, member_)),
      buffer_(kBufferSize) {
  if (inflateInit2(&zlib_, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
}

InflateStream::~InflateStream() { inflateEnd(&zlib_); }

void InflateStream::fail(const std::string& what) const {
  throw_bad_data(fmt::format("member {} of {} is damaged: {}; copy or save the archive again",
                             quote(member_.name), quote(file_->name()), what));
}

std::size_t InflateStream::unpack(void* out, std::size_t count) {
  zlib_.next_out = static_cast<unsigned char*>(out);
  zlib_.avail_out = static_cast<unsigned>(count);
  while (zlib_.avail_out > 0 && !ended_) {
    if (zlib_.avail_in == 0) {
      zlib_.next_in = buffer_.data();
      zlib_.avail_in = static_cast<unsigned>(packed_.read(buffer_.data(), buffer_.size()));
      if (zlib_.avail_in == 0) fail("its packed bytes end too early");
    }
    const int status = inflate(&zlib_, Z_NO_FLUSH);
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    ended_ = status == Z_STREAM_END;
    if (!ended_ && status != Z_OK && status != Z_BUF_ERROR) fail("it cannot be unpacked");
  }
  return count - zlib_.avail_out;
}

std::size_t InflateStream::read(void* out, std::size_t count) {
  const std::size_t wanted = std::min(count, static_cast<std::size_t>(member_.size - produced_));
  auto* next = static_cast<unsigned char*>(out);
  std::size_t done = 0;
  while (done < wanted) {
    const std::size_t step = std::min(wanted - done, kLargestStep);
    const std::size_t got = unpack(next + done, step);
    crc_ = static_cast<std::uint32_t>(crc32_z(crc_, next + done, got));
    done += got;
    produced_ += static_cast<std::int64_t>(got);
    if (got < step) {
      fail(fmt::format("it unpacks to {} bytes, but the archive says {}", produced_, member_.size));
    }
  }
  if (wanted > 0 && produced_ == member_.size) check_end();
  return wanted;
}

void InflateStream::check_end() {
  unsigned char surplus = 0;
  if (!ended_ && unpack(&surplus, 1) != 0) {
    fail(fmt::format("it unpacks to more than the {} bytes that the archive says", member_.size));
  }
  if (crc_ != member_.crc) {
    fail(fmt::format("its CRC is {:08x}, but the archive says {:08x}", crc_, member_.crc));
  }
}

}  // namespace p2p::io
