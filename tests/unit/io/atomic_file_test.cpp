#include "io/atomic_file.hpp"

#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <csignal>
#include <memory>

#include "p2p/interrupt.hpp"
#include "support/written_file.hpp"

namespace p2p::io {
namespace {

using test::error_of;
using test::OutputFolder;
using test::read_file;
using test::write_file;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class AtomicFileTest : public testing::TestWithParam<AtomicFile::Temporary> {
 protected:
  [[nodiscard]] std::unique_ptr<AtomicFile> create(const std::string& path) const {
    return std::make_unique<AtomicFile>(path, GetParam());
  }
  void write_text_to(const std::string& path, const std::string& text) const {
    const auto file = create(path);
    file->write_at(0, text.data(), static_cast<std::int64_t>(text.size()));
    file->commit();
  }
  OutputFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Temporary, AtomicFileTest,
                         testing::Values(AtomicFile::Temporary::kUnnamed,
                                         AtomicFile::Temporary::kNamed),
                         [](const auto& info) {
                           return info.param == AtomicFile::Temporary::kNamed ? "Named" : "Unnamed";
                         });

TEST_P(AtomicFileTest, CommitShowsWhatWasWritten) {
  write_text_to(folder_.path("a"), "text");
  EXPECT_EQ(read_file(folder_.path("a")), "text");
  EXPECT_THAT(folder_.list(), ElementsAre("a"));
}

TEST_P(AtomicFileTest, CommitReplacesThePreviousFile) {
  write_file(folder_.path("a"), "a longer text than the new one");
  write_text_to(folder_.path("a"), "new");
  EXPECT_EQ(read_file(folder_.path("a")), "new");
  EXPECT_THAT(folder_.list(), ElementsAre("a"));
}

TEST_P(AtomicFileTest, WithoutCommitNothingIsLeft) {
  create(folder_.path("a"))->write_at(0, "text", 4);
  EXPECT_THAT(folder_.list(), IsEmpty());
}

TEST_P(AtomicFileTest, WithoutCommitThePreviousFileStays) {
  write_file(folder_.path("a"), "old");
  create(folder_.path("a"))->write_at(0, "text", 4);
  EXPECT_EQ(read_file(folder_.path("a")), "old");
  EXPECT_THAT(folder_.list(), ElementsAre("a"));
}

TEST_P(AtomicFileTest, PermissionsFollowTheUmask) {
  const mode_t previous = umask(027);
  write_text_to(folder_.path("a"), "text");
  umask(previous);
  EXPECT_EQ(std::filesystem::status(folder_.path("a")).permissions(),
            static_cast<std::filesystem::perms>(0640));
}

TEST_P(AtomicFileTest, AFileThatIsReplacedKeepsItsPermissions) {
  write_file(folder_.path("a"), "old");
  std::filesystem::permissions(folder_.path("a"), static_cast<std::filesystem::perms>(0600));
  write_text_to(folder_.path("a"), "new");
  EXPECT_EQ(read_file(folder_.path("a")), "new");
  EXPECT_EQ(std::filesystem::status(folder_.path("a")).permissions(),
            static_cast<std::filesystem::perms>(0600));
}

TEST_P(AtomicFileTest, ReadsBackWhatWasWrittenInAnyOrder) {
  const auto file = create(folder_.path("a"));
  file->reserve(6);
  file->write_at(3, "def", 3);
  file->write_at(0, "abc", 3);
  std::string back(4, '\0');
  file->read_at(1, back.data(), 4);
  EXPECT_EQ(back, "bcde");
}

TEST_P(AtomicFileTest, ReplacesTheFileBehindALinkAndKeepsTheLink) {
  std::filesystem::create_directory(folder_.path("real"));
  write_file(folder_.path("real/target"), "old");
  std::filesystem::create_symlink("real/target", folder_.path("hop"));
  std::filesystem::create_symlink(folder_.path("hop"), folder_.path("link"));
  write_text_to(folder_.path("link"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder_.path("link")));
  EXPECT_TRUE(std::filesystem::is_symlink(folder_.path("hop")));
  EXPECT_EQ(read_file(folder_.path("real/target")), "new");
}

TEST_P(AtomicFileTest, CreatesTheFileBehindADanglingLink) {
  std::filesystem::create_symlink("target", folder_.path("link"));
  write_text_to(folder_.path("link"), "new");
  EXPECT_EQ(read_file(folder_.path("target")), "new");
  EXPECT_THAT(folder_.list(), ElementsAre("link", "target"));
}

TEST_P(AtomicFileTest, RefusesLinksThatLeadInACircle) {
  std::filesystem::create_symlink("b", folder_.path("a"));
  std::filesystem::create_symlink("a", folder_.path("b"));
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { (void)create(folder_.path("a")); }),
              HasSubstr("circle"));
}

TEST_P(AtomicFileTest, SaysWhichFolderIsMissing) {
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { (void)create(folder_.path("no/a")); }),
              AllOf(HasSubstr("no/a'"), HasSubstr("the folder '" + folder_.path("no") +
                                                  "' does not exist; create it")));
}

TEST_P(AtomicFileTest, SaysThatAFileIsInThePlaceOfAFolder) {
  write_file(folder_.path("file"), "");
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { (void)create(folder_.path("file/a")); }),
              HasSubstr("is not a folder"));
}

TEST_P(AtomicFileTest, RefusesANameThatEndsInASlash) {
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { (void)create(folder_.path() + "/"); }),
              HasSubstr("names a folder"));
}

TEST_P(AtomicFileTest, SaysThatAFolderMayNotBeWrittenTo) {
  chmod(folder_.path().c_str(), 0555);
  constexpr uid_t kNobody = 65534;
  const bool root = geteuid() == 0;
  if (root && seteuid(kNobody) != 0) GTEST_SKIP() << "root here cannot act as another user";
  const std::string message =
      error_of(ErrorCode::kBadData, [&] { (void)create(folder_.path("a")); });
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
  chmod(folder_.path().c_str(), 0755);
  EXPECT_THAT(message, AllOf(HasSubstr(folder_.path("a")), HasSubstr("no permission")));
}

TEST_P(AtomicFileTest, WorksInTheCurrentFolderAndAfterLeavingIt) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  const auto file = create("a");
  std::filesystem::current_path(before);
  file->write_at(0, "text", 4);
  file->commit();
  EXPECT_EQ(read_file(folder_.path("a")), "text");
}

TEST_P(AtomicFileTest, LeavesNothingWhenTheRenameFails) {
  const auto file = create(folder_.path("a"));
  file->write_at(0, "text", 4);
  std::filesystem::create_directory(folder_.path("a"));
  error_of(ErrorCode::kBadData, [&] { file->commit(); });
  EXPECT_THAT(folder_.list(), ElementsAre("a"));
}

/// The largest file this process may write, while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    report_failed_writes_as_errors();
    getrlimit(RLIMIT_FSIZE, &saved_);
    const rlimit limit{bytes, saved_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &saved_);
    std::signal(SIGXFSZ, SIG_DFL);
    std::signal(SIGPIPE, SIG_DFL);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit saved_{};
};

TEST_P(AtomicFileTest, ReservingBeyondALimitNamesPathSizeAndFix) {
  std::string message;
  {
    const FileSizeLimit limit(4096);
    message = error_of(ErrorCode::kBadData, [&] { create(folder_.path("a"))->reserve(5000); });
  }
  EXPECT_THAT(message, AllOf(HasSubstr(folder_.path("a")), HasSubstr("5000 bytes"),
                             HasSubstr("raise the limit")));
  EXPECT_THAT(folder_.list(), IsEmpty());
}

TEST_P(AtomicFileTest, WritingBeyondALimitLeavesNothing) {
  const std::string text(5000, 'x');
  std::string message;
  {
    const FileSizeLimit limit(4096);
    message = error_of(ErrorCode::kBadData,
                       [&] { create(folder_.path("a"))->write_at(0, text.data(), 5000); });
  }
  EXPECT_THAT(message, HasSubstr("raise the limit"));
  EXPECT_THAT(folder_.list(), IsEmpty());
}

TEST_P(AtomicFileTest, AFullDiskShowsWhenTheSpaceIsReserved) {
  if (mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "a small file system can only be mounted as root with that capability";
  }
  const std::string message = error_of(
      ErrorCode::kBadData, [&] { create(folder_.path("a.npy"))->reserve(std::int64_t{1} << 20); });
  const std::vector<std::string> left = folder_.list();
  umount2(folder_.path().c_str(), MNT_DETACH);
  EXPECT_THAT(message, AllOf(HasSubstr("a.npy': the disk is full"), HasSubstr("1048576 bytes"),
                             HasSubstr("65536 bytes are free"), HasSubstr("free some space")));
  EXPECT_THAT(left, IsEmpty());
}

TEST_P(AtomicFileTest, AFullDiskShowsWhenNothingWasReserved) {
  if (mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "a small file system can only be mounted as root with that capability";
  }
  const std::string text(100000, 'x');
  const std::string message = error_of(
      ErrorCode::kBadData, [&] { create(folder_.path("a"))->write_at(0, text.data(), 100000); });
  const std::vector<std::string> left = folder_.list();
  umount2(folder_.path().c_str(), MNT_DETACH);
  EXPECT_THAT(message, HasSubstr("the disk is full"));
  EXPECT_THAT(left, IsEmpty());
}

using InterruptTest = AtomicFileTest;
INSTANTIATE_TEST_SUITE_P(Temporary, InterruptTest,
                         testing::Values(AtomicFile::Temporary::kUnnamed,
                                         AtomicFile::Temporary::kNamed));

TEST_P(InterruptTest, RemovesTemporaryFilesAndDiesByTheSignal) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    EXPECT_EXIT(
        {
          std::signal(signal, SIG_DFL);
          remove_temporary_files_on_signal();
          const auto file = create(folder_.path("a"));
          const auto other = create(folder_.path("b"));
          file->write_at(0, "text", 4);
          raise(signal);
        },
        testing::KilledBySignal(signal), "");
    EXPECT_THAT(folder_.list(), IsEmpty());
  }
}

TEST_P(InterruptTest, LeavesCommittedFilesAlone) {
  EXPECT_EXIT(
      {
        remove_temporary_files_on_signal();
        write_text_to(folder_.path("a"), "text");
        raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM), "");
  EXPECT_THAT(folder_.list(), ElementsAre("a"));
}

TEST(Interrupt, KeepsSignalsIgnoredThatWereIgnored) {
  EXPECT_EXIT(
      {
        std::signal(SIGHUP, SIG_IGN);
        remove_temporary_files_on_signal();
        raise(SIGHUP);
        _exit(0);
      },
      testing::ExitedWithCode(0), "");
}

TEST(AtomicFileNames, MoreFilesThanTheSignalHandlerKnowsStillWork) {
  const OutputFolder folder;
  std::vector<std::unique_ptr<AtomicFile>> files;
  for (int i = 0; i < kMaxTemporaryNames + 3; ++i) {
    files.push_back(std::make_unique<AtomicFile>(folder.path(std::to_string(i)),
                                                 AtomicFile::Temporary::kNamed));
  }
  for (const auto& file : files) file->commit();
  EXPECT_EQ(folder.list().size(), files.size());
  EXPECT_TRUE(std::filesystem::exists(folder.path(std::to_string(kMaxTemporaryNames + 2))));
}

}  // namespace
}  // namespace p2p::io
