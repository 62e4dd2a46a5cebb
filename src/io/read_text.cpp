#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>
#include <unordered_set>
#include <vector>

#include "io/text.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"

namespace p2p {
namespace {

class Descriptor {
 public:
  explicit Descriptor(const std::string& path)
      : owned_(path != "-"),
        number_(owned_ ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC) : STDIN_FILENO) {}
  ~Descriptor() {
    if (owned_ && number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int number() const { return number_; }

 private:
  bool owned_;
  int number_;
};

[[noreturn]] void throw_unreadable(const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    throw_bad_data(io::quote(path) + " does not exist; check the path");
  }
  if (error == EISDIR) throw_bad_data(io::quote(path) + " is a folder; expected a text file");
  throw_bad_data(io::quote(path) + " cannot be read: " + std::generic_category().message(error));
}

}  // namespace

std::string read_text(const std::string& path, std::int64_t max_bytes) {
  const Descriptor descriptor(path);
  if (descriptor.number() < 0) throw_unreadable(path, errno);
  std::string text;
  std::vector<char> buffer(64 << 10);
  for (;;) {
    const ssize_t got = ::read(descriptor.number(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_unreadable(path, errno);
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (static_cast<std::int64_t>(text.size()) > max_bytes) {
      throw_bad_data(fmt::format("{} is longer than the {} bytes that such a file may have",
                                 io::quote(path), max_bytes));
    }
  }
}

std::vector<std::string> read_class_names(const std::string& path) {
  constexpr std::int64_t kLongestNames = 256 << 20;
  const std::string text = read_text(path, kLongestNames);
  if (!io::is_utf8(text)) {
    throw_bad_data(io::quote(path) + " is not UTF-8; save the class names in that encoding");
  }
  std::vector<std::string> names;
  std::unordered_set<std::string> seen;
  std::string_view rest = io::without_bom(text);
  while (!rest.empty()) {
    const std::string name(io::trim(io::take_line(rest)));
    const std::size_t line = names.size() + 1;
    if (name.empty() && io::trim(rest).empty()) break;
    if (name.empty()) {
      throw_bad_data(fmt::format("{}, line {}: the class name is empty; expected one name a line",
                                 io::quote(path), line));
    }
    if (!seen.insert(name).second) {
      throw_bad_data(fmt::format("{}, line {}: the class name {} appears twice", io::quote(path),
                                 line, io::quote(name)));
    }
    names.push_back(name);
  }
  if (names.empty()) {
    throw_bad_data(io::quote(path) + " holds no class names; expected one a line");
  }
  return names;
}

}  // namespace p2p
