#pragma once

#include <zlib.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/byte_stream.hpp"
#include "io/file.hpp"
#include "io/zip_directory.hpp"

namespace p2p::io {

/// A deflated member unpacked in order, in O(1) memory. Error when the packed bytes are damaged,
/// or hold more or fewer bytes than the directory says, or (noticed with the last byte) another
/// CRC.
class InflateStream final : public ByteStream {
 public:
  InflateStream(std::shared_ptr<const File> file, const ZipMember& member);
  ~InflateStream() override;
  InflateStream(const InflateStream&) = delete;
  InflateStream& operator=(const InflateStream&) = delete;
  std::size_t read(void* out, std::size_t count) override;

 private:
  std::size_t unpack(void* out, std::size_t count);
  void check_end();
  [[noreturn]] void fail(const std::string& what) const;

  std::shared_ptr<const File> file_;
  ZipMember member_;
  FileStream packed_;
  std::vector<unsigned char> buffer_;
  z_stream zlib_{};
  bool ended_ = false;
  std::int64_t produced_ = 0;
  std::uint32_t crc_ = 0;
};

}  // namespace p2p::io
