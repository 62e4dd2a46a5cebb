#include "download/download.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <vector>

#include "download/cifar.hpp"
#include "download/part_file.hpp"
#include "download/unpack.hpp"
#include "io/file.hpp"
#include "io/output_target.hpp"
#include "io/sha256.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::download {
namespace {

std::string sha256_of(const std::string& path) {
  constexpr std::size_t kChunk = std::size_t{1} << 20;
  const auto file = io::File::open(path);
  io::FileStream stream(file, 0, file->size());
  io::Sha256 sha;
  std::vector<char> chunk(kChunk);
  while (const std::size_t got = stream.read(chunk.data(), kChunk)) sha.update(chunk.data(), got);
  return sha.hex();
}

void create_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) io::throw_write_error(path, error.value());
}

/// True: the unpacked folder is there. Error: it is there, but not whole.
bool is_unpacked(const DataSet& set, const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::exists(std::filesystem::symlink_status(folder, error))) return false;
  for (const Member& member : set.members) {
    if (member.bytes == 0) continue;
    const auto size = std::filesystem::file_size(folder + "/" + member.name, error);
    if (!error && static_cast<std::int64_t>(size) == member.bytes) continue;
    throw_bad_data(
        fmt::format("{} is not the whole of {}: {} {}, expected {} bytes; move it away "
                    "and run again",
                    io::quote(folder), set.name, member.name,
                    error ? "cannot be read" : fmt::format("has {} bytes", size), member.bytes));
  }
  return true;
}

/// True: the archive is there. Error: another file is in its place.
bool is_fetched(const DataSet& set, const std::string& archive) {
  std::error_code error;
  if (!std::filesystem::exists(std::filesystem::symlink_status(archive, error))) return false;
  const std::string found = sha256_of(archive);
  if (found == set.sha256) return true;
  throw_bad_data(fmt::format(
      "{} is not the official archive of {}: its SHA-256 is {}, expected {}; delete it and run "
      "again to download it",
      io::quote(archive), set.name, found, set.sha256));
}

void fetch_archive(const DataSet& set, const std::string& archive, const std::string& url,
                   const Progress& progress) {
  PartFile part(archive + ".part");
  const std::string remedy =
      fmt::format("fetch {} by other means and put it at {}", set.url, io::quote(archive));
  transfer(url, set.bytes, remedy, part, progress);
  const std::string found = sha256_of(part.path());
  if (found != set.sha256) {
    part.clear();
    throw_bad_data(fmt::format(
        "what came from {} is not the official archive of {} and was removed: its SHA-256 is {}, "
        "expected {}; run again, or name another "
        "mirror with --from",
        io::quote(url), set.name, found, set.sha256));
  }
  part.rename_to(archive);
}

}  // namespace

Downloaded fetch_data_set(const std::string& name, const std::string& directory,
                          const std::optional<std::string>& url, const Progress& progress) {
  return fetch(find_data_set(name), directory, url, progress);
}

Downloaded fetch(const DataSet& set, const std::string& directory,
                 const std::optional<std::string>& url, const Progress& progress) {
  Downloaded result;
  result.folder = (std::filesystem::path(directory) / set.folder).string();
  if (is_unpacked(set, result.folder)) return result;
  create_folder(directory);
  const std::string archive = (std::filesystem::path(directory) / set.archive).string();
  if (!is_fetched(set, archive)) {
    fetch_archive(set, archive, url.value_or(set.url), progress);
    result.fetched = true;
  }
  unpack(set, archive, result.folder);
  result.unpacked = true;
  return result;
}

}  // namespace p2p::download
