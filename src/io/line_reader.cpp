#include "io/line_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

constexpr std::size_t kFirstBuffer = 256 << 10;
constexpr std::size_t kLongestLine = 64 << 20;

}  // namespace

LineReader::LineReader(std::shared_ptr<const File> file)
    : file_(std::move(file)), stream_(file_, 0, file_->size()), buffer_(kFirstBuffer) {}

bool LineReader::next_raw(std::string_view& line) {
  std::size_t searched = begin_;
  for (;;) {
    if (line_ == 0) find_line_end(searched);
    const void* found =
        searched < end_ ? std::memchr(&buffer_[searched], line_end_, end_ - searched) : nullptr;
    if (found != nullptr || (at_end_ && begin_ < end_)) {
      const std::size_t stop =
          found == nullptr
              ? end_
              : static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data());
      line = {buffer_.data() + begin_, stop - begin_};
      begin_ = found == nullptr ? end_ : stop + 1;
      ++line_;
      return true;
    }
    if (at_end_) return false;
    searched = end_ - begin_;
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (end_ == buffer_.size()) {
      if (buffer_.size() >= kLongestLine) {
        throw_bad_data(
            fmt::format("{} has no end of line within {} bytes after line {}; expected "
                        "text with one row a line",
                        quote(file_->name()), kLongestLine, line_));
      }
      buffer_.resize(2 * buffer_.size());
    }
    const std::size_t got = stream_.read(buffer_.data() + end_, buffer_.size() - end_);
    at_end_ = got < buffer_.size() - end_;
    end_ += got;
  }
}

void LineReader::find_line_end(std::size_t from) {
  const std::string_view seen(buffer_.data() + from, end_ - from);
  const std::size_t at = std::min(seen.find('\r'), seen.find('\n'));
  const bool known = at != std::string_view::npos && (at + 1 < seen.size() || at_end_);
  if (known) line_end_ = seen.substr(at).starts_with("\r\n") ? '\n' : seen[at];
}

bool LineReader::next(std::string_view& line) {
  std::int64_t blank = 0;
  while (next_raw(line)) {
    if (line_ == 1) line = without_bom(line);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trim(line).empty()) {
      if (blank == 0) blank = line_;
      continue;
    }
    if (blank != 0) {
      throw_bad_data(
          fmt::format("{} has a blank line {} before its last row; expected one row a "
                      "line: remove it",
                      quote(file_->name()), blank));
    }
    if (std::memchr(line.data(), '\0', line.size()) != nullptr) {
      throw_bad_data(
          fmt::format("{} holds a NUL byte in line {}; expected text in UTF-8, not "
                      "UTF-16 or a binary file",
                      quote(file_->name()), line_));
    }
    return true;
  }
  return false;
}

}  // namespace p2p::io
