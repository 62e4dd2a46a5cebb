#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/file.hpp"
#include "io/temporary_file.hpp"

namespace p2p::io {

/// A growing list of integers: in memory up to 8 MiB, beyond that in an unnamed temporary file.
class IntegerSpool {
 public:
  explicit IntegerSpool(std::string name) : name_(std::move(name)) {}
  void append(const std::int64_t* values, std::int64_t count);
  /// Ends the appending. Call once, before read().
  void finish();
  [[nodiscard]] std::int64_t size() const { return size_; }
  /// Thread-safe.
  void read(std::int64_t first, std::int64_t count, std::int64_t* out) const;

 private:
  void flush();

  std::string name_;
  std::int64_t size_ = 0;
  std::vector<std::int64_t> memory_;
  std::unique_ptr<TemporaryFile> growing_;
  std::shared_ptr<const File> file_;
};

}  // namespace p2p::io
