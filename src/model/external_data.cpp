#include "model/external_data.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include "io/file.hpp"
#include "io/input_record.hpp"
#include "io/text.hpp"
#include "model/onnx_model.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

bool lies_in(const fs::path& file, const fs::path& folder) {
  const fs::path relative = file.lexically_relative(folder);
  return !relative.empty() && *relative.begin() != "..";
}

[[noreturn]] void refuse(const std::string& model, const std::string& location,
                         std::string_view what) {
  throw_bad_data(
      fmt::format("{} keeps weights in {}, {}; only files in the model's own folder are "
                  "used: save the model with its data beside it",
                  io::quote(model), io::quote(location), what));
}

// A descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return value_; }
  void replace(int value) {
    if (value_ >= 0) ::close(value_);
    value_ = value;
  }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

// `relative`, without "..", opened below `folder` from one name to the next, so that no link that
// is put there meanwhile leads elsewhere; -1 and errno when that cannot be.
int open_below(const fs::path& folder, const fs::path& relative) {
  constexpr int kHere = O_CLOEXEC | O_NOFOLLOW;
  Descriptor at(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (auto name = relative.begin(); at.get() >= 0 && name != relative.end(); ++name) {
    const bool last = std::next(name) == relative.end();
    at.replace(::openat(at.get(), name->c_str(),
                        last ? O_RDONLY | O_NONBLOCK | kHere : O_PATH | O_DIRECTORY | kHere));
  }
  return at.release();
}

// Where the data of the model `path`, which need not exist yet, really are: a folder that they may
// lie in, and their name in it, free of links.
struct DataPlace {
  fs::path folder;
  fs::path relative;
};

DataPlace data_place(const std::string& path, const std::string& location) {
  const fs::path relative(location);
  if (location.empty() || relative.is_absolute() || location.find('\\') != std::string::npos) {
    refuse(path, location, "which is no name relative to the model's folder");
  }
  for (const fs::path& part : relative) {
    if (part == "..") refuse(path, location, "which leads out of the model's folder");
  }
  const fs::path folder = folder_of(path);
  std::error_code error;
  const fs::path real = fs::canonical(folder / relative, error);
  if (error) refuse(path, location, "which does not exist there");
  // A link may lead into the folder where the model itself really lies, as download caches do.
  for (const fs::path& allowed :
       {fs::weakly_canonical(folder), fs::weakly_canonical(path).parent_path()}) {
    if (lies_in(real, allowed)) return {allowed, real.lexically_relative(allowed)};
  }
  refuse(path, location, "a link that leads out of the model's folder");
}

// The data of the model `path`. What was opened is what is judged, not its name.
std::shared_ptr<const io::File> open_data(const std::string& path, const std::string& location) {
  const DataPlace place = data_place(path, location);
  Descriptor file(open_below(place.folder, place.relative));
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
    const std::string why = std::generic_category().message(errno);
    refuse(path, location, fmt::format("which cannot be opened there ({})", why));
  }
  if (!S_ISREG(status.st_mode)) refuse(path, location, "which is no regular file");
  if (status.st_nlink > 1) {
    refuse(path, location, "which has several names (hard links), so that it may belong elsewhere");
  }
  return io::File::adopt(file.release(), (folder_of(path) / location).string());
}

// Told by size and digest, of large files by a sample.
bool same_content(const fs::path& a, const fs::path& b) {
  std::error_code error;
  if (fs::equivalent(a, b, error)) return true;
  if (fs::file_size(a) != fs::file_size(b)) return false;
  const auto digest = [](const fs::path& path) {
    return io::make_record(*io::File::open(path.string()), "", {}).sha256;
  };
  return digest(a) == digest(b);
}

std::map<std::string, std::int64_t> needed_bytes(const OnnxModel& model) {
  std::map<std::string, std::int64_t> needed;
  for (const OnnxTensor& tensor : model.external) {
    std::int64_t& bytes = needed[tensor.location];
    bytes =
        std::max(bytes, tensor.external_offset + std::max<std::int64_t>(tensor.external_length, 0));
  }
  return needed;
}

}  // namespace

void check_external_data(const OnnxModel& model) {
  for (const auto& [location, bytes] : needed_bytes(model)) {
    const auto file = open_data(model.path, location);
    if (bytes > file->size()) {
      throw_bad_data(fmt::format(
          "{} keeps weights up to byte {} of {}, which has only {} bytes; copy it again",
          io::quote(model.path), bytes, io::quote(location), file->size()));
    }
  }
}

std::string external_bytes(const OnnxModel& model, const OnnxTensor& tensor, std::int64_t most) {
  const auto file = open_data(model.path, tensor.location);
  const std::int64_t offset = std::min(tensor.external_offset, file->size());
  const std::int64_t length =
      tensor.external_length >= 0 ? tensor.external_length : file->size() - offset;
  if (length > most || length > file->size() - offset) {
    throw_bad_data(fmt::format("the tensor {} of {} claims {} bytes in {}; export the model again",
                               io::quote(tensor.name), io::quote(model.path), length,
                               io::quote(tensor.location)));
  }
  std::string bytes(static_cast<std::size_t>(length), '\0');
  file->read(offset, bytes.data(), length);
  return bytes;
}

void require_external_data_beside(const OnnxModel& model, const std::string& out) {
  for (const auto& [location, bytes] : needed_bytes(model)) {
    const fs::path there = folder_of(out) / location;
    const fs::path here = folder_of(model.path) / location;
    std::error_code error;
    if (fs::equivalent(out, here, error) || fs::equivalent(out, there, error)) {
      throw_bad_data(
          fmt::format("the output {} is the file with the weights of {}; write elsewhere",
                      io::quote(out), io::quote(model.path)));
    }
    if (fs::exists(there, error)) {
      static_cast<void>(data_place(out, location));
      if (same_content(here, there)) continue;
      throw_bad_data(
          fmt::format("{} keeps weights in {}, and the file of that name beside {} holds others; "
                      "write the output "
                      "to another folder",
                      io::quote(model.path), io::quote(location), io::quote(out)));
    }
    throw_bad_data(
        fmt::format("{} keeps weights in {}, which {} would look for in its own folder; write the "
                    "output beside "
                    "the model, or first: cp {} {}",
                    io::quote(model.path), io::quote(location), io::quote(out),
                    io::shell_word(here.string()), io::shell_word(there.string())));
  }
}

}  // namespace p2p::model
