#include "download/unpack.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <new>
#include <set>
#include <system_error>
#include <vector>

#include "io/atomic_file.hpp"
#include "io/output_target.hpp"
#include "io/temporary_names.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::download {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr std::int64_t kMostTextBytes = std::int64_t{1} << 20;

struct CloseArchive {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, CloseArchive>;

/// A folder that is given its name when it is complete, and else goes with its files.
class FolderInProgress {
 public:
  explicit FolderInProgress(const std::string& path)
      : final_(path), parent_(io::open_folder_of(path)) {
    temporary_ = std::make_unique<io::TemporaryName>(parent_, io::TemporaryName::Of::kFolder);
    path_ = (std::filesystem::path(path).parent_path() / temporary_->name()).string();
    if (::mkdir(path_.c_str(), 0777) == 0) return;
    const int error = errno;
    temporary_.reset();
    ::close(parent_);
    io::throw_write_error(final_, error);
  }
  ~FolderInProgress() {
    std::error_code ignored;
    if (!named_) std::filesystem::remove_all(path_, ignored);
    temporary_.reset();
    ::close(parent_);
  }
  FolderInProgress(const FolderInProgress&) = delete;
  FolderInProgress& operator=(const FolderInProgress&) = delete;

  [[nodiscard]] std::string path(const std::string& file) const { return path_ + "/" + file; }
  void give_name() {
    if (::rename(path_.c_str(), final_.c_str()) != 0) io::throw_write_error(final_, errno);
    named_ = true;
  }

 private:
  std::string final_;
  int parent_;
  std::unique_ptr<io::TemporaryName> temporary_;
  std::string path_;
  bool named_ = false;
};

class Unpacking {
 public:
  Unpacking(const DataSet& set, const std::string& path, const std::string& folder)
      : set_(set), path_(path), folder_(folder), reader_(archive_read_new()) {
    if (!reader_) throw std::bad_alloc();
    archive_read_support_filter_gzip(reader_.get());
    archive_read_support_format_tar(reader_.get());
    check(archive_read_open_filename(reader_.get(), path.c_str(), kReadBytes));
  }

  void run() {
    archive_entry* entry = nullptr;
    while (check(archive_read_next_header(reader_.get(), &entry)) != ARCHIVE_EOF) {
      const char* name = archive_entry_pathname(entry);
      for (const Member& member : set_.members) {
        if (name != nullptr && name == set_.folder + "/" + member.name) take(member, entry);
      }
    }
    for (const Member& member : set_.members) {
      if (member.bytes > 0 && !taken_.contains(member.name)) fail(member, "is missing");
    }
    folder_.give_name();
  }

 private:
  int check(int result) {
    if (result == ARCHIVE_OK || result == ARCHIVE_EOF || result == ARCHIVE_WARN) return result;
    const char* words = archive_error_string(reader_.get());
    throw_bad_data(fmt::format("{} cannot be unpacked: {}; delete it and download it again",
                               io::quote(path_),
                               io::printable(words != nullptr ? words : "damaged")));
  }

  [[noreturn]] void fail(const Member& member, const std::string& what) const {
    throw_bad_data(
        fmt::format("{} is not the archive of {}: its member {}/{} {}; delete it and "
                    "download it again",
                    io::quote(path_), set_.name, set_.folder, member.name, what));
  }

  void take(const Member& member, archive_entry* entry) {
    if (!taken_.insert(member.name).second) fail(member, "comes twice");
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr) {
      fail(member, "is no regular file");
    }
    const std::int64_t most = member.bytes > 0 ? member.bytes : kMostTextBytes;
    const std::int64_t size = archive_entry_size(entry);
    if (size > most || (member.bytes > 0 && size != member.bytes)) {
      fail(member, fmt::format("has {} bytes, expected {}{}", size,
                               member.bytes > 0 ? "" : "at most ", most));
    }
    copy(member, size);
  }

  /// A tar archive never gives more than the size in its header.
  void copy(const Member& member, std::int64_t size) {
    io::AtomicFile file(folder_.path(member.name));
    file.reserve(size);
    buffer_.resize(kReadBytes);
    for (std::int64_t done = 0; done < size;) {
      const std::int64_t wanted = std::min(size - done, static_cast<std::int64_t>(kReadBytes));
      const la_ssize_t got =
          archive_read_data(reader_.get(), buffer_.data(), static_cast<std::size_t>(wanted));
      if (got < 0) check(static_cast<int>(got));
      if (got <= 0) fail(member, "ends early");
      file.write_at(done, buffer_.data(), got);
      done += got;
    }
    file.commit();
  }

  const DataSet& set_;
  const std::string& path_;
  FolderInProgress folder_;
  Reader reader_;
  std::set<std::string> taken_;
  std::vector<char> buffer_;
};

}  // namespace

void unpack(const DataSet& set, const std::string& path, const std::string& folder) {
  Unpacking(set, path, folder).run();
}

}  // namespace p2p::download
