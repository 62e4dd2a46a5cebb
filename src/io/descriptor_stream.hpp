#pragma once

#include <cstdint>
#include <string>

#include "io/byte_stream.hpp"

namespace p2p::io {

/// Bytes of a descriptor in order: standard input, a pipe or a file.
class DescriptorStream final : public ByteStream {
 public:
  /// `path` "-" is standard input, which is not closed. Error when it cannot be opened.
  explicit DescriptorStream(const std::string& path);
  ~DescriptorStream() override;
  DescriptorStream(const DescriptorStream&) = delete;
  DescriptorStream& operator=(const DescriptorStream&) = delete;

  /// With follow() waits at the end until `count` bytes are there.
  std::size_t read(void* out, std::size_t count) override;
  /// Of a regular file: reads on from byte `position`. Error when it is shorter.
  void seek(std::int64_t position);
  void follow() { follow_ = true; }

  [[nodiscard]] bool is_regular() const { return regular_; }
  [[nodiscard]] bool is_terminal() const;
  [[nodiscard]] std::int64_t position() const { return position_; }

 private:
  void demand_size(std::int64_t bytes) const;

  std::string name_;  ///< for messages
  int descriptor_ = 0;
  bool regular_ = false;
  bool follow_ = false;
  std::int64_t position_ = 0;
};

}  // namespace p2p::io
