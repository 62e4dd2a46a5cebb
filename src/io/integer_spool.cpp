#include "io/integer_spool.hpp"

#include <algorithm>
#include <cassert>

namespace p2p::io {
namespace {

constexpr std::size_t kMostInMemory = (8 << 20) / sizeof(std::int64_t);
constexpr std::int64_t kItem = sizeof(std::int64_t);

}  // namespace

void IntegerSpool::flush() {
  if (!growing_) growing_ = std::make_unique<TemporaryFile>(0, name_);
  growing_->append(memory_.data(), static_cast<std::int64_t>(memory_.size()) * kItem);
  memory_.clear();
}

void IntegerSpool::append(const std::int64_t* values, std::int64_t count) {
  memory_.insert(memory_.end(), values, values + count);
  size_ += count;
  if (memory_.size() > kMostInMemory) flush();
}

void IntegerSpool::finish() {
  if (!growing_) return;
  flush();
  memory_.shrink_to_fit();
  file_ = growing_->finish();
  growing_.reset();
}

void IntegerSpool::read(std::int64_t first, std::int64_t count, std::int64_t* out) const {
  assert(first >= 0 && count >= 0 && first + count <= size_);
  if (file_) {
    file_->read(first * kItem, out, count * kItem);
  } else {
    std::copy_n(memory_.begin() + first, count, out);
  }
}

}  // namespace p2p::io
