#include "model/torch_archive.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "io/inflate_stream.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

constexpr std::string_view kZipStart = "PK\x03\x04";
constexpr std::int64_t kMostInflation = 1032;  // of deflate
constexpr char kPickleStart = '\x80';

[[noreturn]] void throw_incomplete(const std::string& path) {
  throw_bad_data(
      fmt::format("{} is no complete TorchScript archive; copy it again, or save the module with "
                  "torch.jit.save",
                  io::quote(path)));
}

/// `path` where it can stand between quotes in a shell and in Python.
std::string quotable(const std::string& path) {
  const bool is_plain = std::ranges::all_of(path, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("._-/+ ").find(c) != std::string_view::npos;
  });
  return is_plain ? path : "model.pt";
}

[[noreturn]] void throw_pickle(const std::string& path) {
  const std::string from = quotable(path);
  const std::string to = from.substr(0, from.rfind('.')) + ".safetensors";
  throw_bad_data(fmt::format(
      "{} is a pickle (of a state_dict or of a module), which may run any code when it is loaded, "
      "and no TorchScript; convert a state_dict to safetensors and bake that: python3 -c \"import "
      "torch, safetensors.torch as s; s.save_file({{k: v.contiguous().clone() for k, v in "
      "torch.load('{}', map_location='cpu', weights_only=True).items()}}, '{}')\"",
      io::quote(path), from, to));
}

std::vector<io::ZipMember> read_members(const io::File& file) {
  try {
    return io::read_zip_directory(file);
  } catch (const Error&) {
    throw_incomplete(file.name());  // its own sentence speaks of .npz
  }
}

}  // namespace

TorchArchive::TorchArchive(const std::string& path) : file_(io::File::open(path)) {
  std::string start(static_cast<std::size_t>(
                        std::min(file_->size(), static_cast<std::int64_t>(kZipStart.size()))),
                    '\0');
  file_->read(0, start.data(), static_cast<std::int64_t>(start.size()));
  if (start.starts_with(kPickleStart)) throw_pickle(path);
  if (start != kZipStart) throw_incomplete(path);
  members_ = read_members(*file_);
  if (!members_.empty()) {
    const std::string& first = members_.front().name;
    folder_ = first.substr(0, first.find('/') + 1);
  }
  if (has("constants.pkl")) return;
  if (has("data.pkl")) throw_pickle(path);
  throw_bad_data(fmt::format(
      "{} is a zip archive, but not one that torch.jit.save wrote: it has no constants.pkl; save "
      "the module with torch.jit.script(model).save(path)",
      io::quote(path)));
}

bool TorchArchive::has(const std::string& name) const {
  return std::ranges::find(members_, folder_ + name, &io::ZipMember::name) != members_.end();
}

std::optional<std::string> TorchArchive::extra(const std::string& name,
                                               std::int64_t most_bytes) const {
  const auto member = std::ranges::find(members_, folder_ + "extra/" + name, &io::ZipMember::name);
  if (member == members_.end()) return std::nullopt;
  if (member->size > most_bytes) {
    throw_bad_data(fmt::format("the extra file {} of {} has {} bytes; expected {} at most",
                               io::quote(name), io::quote(file_->name()), member->size,
                               most_bytes));
  }
  const std::int64_t begin = io::member_data_offset(*file_, *member);  // checks sizes
  if (member->size / kMostInflation > member->compressed_size) throw_incomplete(file_->name());
  std::string bytes(static_cast<std::size_t>(member->size), '\0');
  if (member->method == io::kDeflated) {
    io::InflateStream(file_, *member).read(bytes.data(), bytes.size());
  } else {
    file_->read(begin, bytes.data(), member->size);
  }
  return bytes;
}

}  // namespace p2p::model
