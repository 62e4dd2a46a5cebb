#include "model/external_data.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <map>

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

// Where the model `path`, which need not exist yet, has its data.
fs::path data_file(const std::string& path, const std::string& location) {
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
  const fs::path real_model = fs::weakly_canonical(path, error);
  if (!lies_in(real, fs::weakly_canonical(folder)) && !lies_in(real, real_model.parent_path())) {
    refuse(path, location, "a link that leads out of the model's folder");
  }
  return folder / relative;
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
    const auto file = io::File::open(data_file(model.path, location).string());
    if (bytes > file->size()) {
      throw_bad_data(fmt::format(
          "{} keeps weights up to byte {} of {}, which has only {} bytes; copy it again",
          io::quote(model.path), bytes, io::quote(location), file->size()));
    }
  }
}

std::string external_bytes(const OnnxModel& model, const OnnxTensor& tensor, std::int64_t most) {
  const auto file = io::File::open(data_file(model.path, tensor.location).string());
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
      static_cast<void>(data_file(out, location));
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
