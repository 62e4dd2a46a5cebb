#include "io/output_target.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "p2p/error.hpp"

namespace p2p::io {
namespace {

std::string describe(const std::string& path) {
  return path == "-" ? "to standard output" : fmt::format("'{}'", path);
}

std::string describe_size(std::int64_t needed, std::int64_t free_bytes) {
  std::string text;
  if (needed >= 0) text += fmt::format("; it needs {} bytes", needed);
  if (free_bytes >= 0) {
    text += fmt::format("{} {} bytes are free", needed >= 0 ? "," : ";", free_bytes);
  }
  return text;
}

}  // namespace

TargetKind target_kind(const std::string& path) {
  if (path == "-") return TargetKind::kStream;
  if (path.empty()) throw_usage("the output has an empty name; name a file");
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    // What is missing or in the way is said by the attempt to create the file.
    if (errno == ENOENT || errno == ENOTDIR) return TargetKind::kFile;
    throw_write_error(path, errno);
  }
  if (S_ISREG(info.st_mode)) return TargetKind::kFile;
  if (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode)) return TargetKind::kStream;
  if (S_ISDIR(info.st_mode)) {
    throw_bad_data(fmt::format("cannot write '{}': it is a folder; name a file in it", path));
  }
  throw_bad_data(
      fmt::format("cannot write '{}': it is a block device or a socket; name a regular file, a "
                  "FIFO or '-'",
                  path));
}

std::string follow_links(const std::string& path) {
  constexpr int kMaxLinks = 40;
  std::filesystem::path target(path);
  for (int i = 0; i < kMaxLinks; ++i) {
    std::error_code error;
    if (!std::filesystem::is_symlink(target, error)) return target.string();
    const std::filesystem::path next = std::filesystem::read_symlink(target, error);
    if (error) throw_write_error(path, error.value());
    target = next.is_absolute() ? next : target.parent_path() / next;
  }
  throw_write_error(path, ELOOP);
}

int open_folder_of(const std::string& path) {
  const std::filesystem::path target(follow_links(path));
  const std::string name = target.filename().string();
  const std::string folder = target.has_parent_path() ? target.parent_path().string() : ".";
  if (name.empty() || name == "." || name == "..") {
    throw_bad_data(fmt::format("cannot write '{}': it names a folder; name a file in it", path));
  }
  const int descriptor = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (descriptor >= 0) return descriptor;
  if (errno == ENOENT) {
    throw_bad_data(fmt::format(
        "cannot write '{}': the folder '{}' does not exist; create it or choose another", path,
        folder));
  }
  if (errno == ENOTDIR) {
    throw_bad_data(
        fmt::format("cannot write '{}': '{}' is not a folder; choose another name", path, folder));
  }
  throw_write_error(path, errno);
}

void throw_write_error(const std::string& path, int error, std::int64_t needed,
                       std::int64_t free_bytes) {
  const std::string what = describe(path);
  switch (error) {
    case ENOSPC:
      throw_bad_data(fmt::format(
          "cannot write {}: the disk is full{}; free some space or write to another disk", what,
          describe_size(needed, free_bytes)));
    case EDQUOT:
      throw_bad_data(fmt::format(
          "cannot write {}: the disk quota is used up{}; free some space or write to another disk",
          what, describe_size(needed, -1)));
    case EFBIG:
      throw_bad_data(fmt::format(
          "cannot write {}: the file would be larger than the file system or 'ulimit -f' "
          "allows{}; raise the limit or write to another disk",
          what, describe_size(needed, -1)));
    case EPIPE:
      throw_bad_data(fmt::format(
          "cannot write {}: the reading end was closed, the output is incomplete", what));
    case EACCES:
    case EPERM:
      throw_bad_data(fmt::format(
          "cannot write {}: no permission to write there; choose a folder you may write to", what));
    case EROFS:
      throw_bad_data(fmt::format(
          "cannot write {}: the file system is read-only; choose another folder", what));
    case ENAMETOOLONG:
      throw_bad_data(fmt::format("cannot write {}: the name is too long; shorten it", what));
    case ELOOP:
      throw_bad_data(fmt::format(
          "cannot write {}: its symbolic links lead in a circle; name another file", what));
    default:
      throw_bad_data(fmt::format("cannot write {}: {}; check the path and the disk", what,
                                 std::generic_category().message(error)));
  }
}

}  // namespace p2p::io
