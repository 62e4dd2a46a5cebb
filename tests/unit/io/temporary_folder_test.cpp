#include "io/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <csignal>

#include "p2p/interrupt.hpp"
#include "support/input_file.hpp"
#include "support/variable.hpp"

namespace p2p::io {
namespace {

using test::InputFolder;
using test::write_file;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(TemporaryFolder, LiesInTmpdirAndOnlyItsOwnerMayLookInside) {
  const InputFolder parent;
  const test::Variable setting("TMPDIR", parent.path());
  const TemporaryFolder folder;
  EXPECT_THAT(parent.list(), SizeIs(1));
  EXPECT_EQ(folder.path("a"), parent.path(parent.list().front()) + "/a");
  struct stat info {};
  ASSERT_EQ(stat(folder.path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0700U);
}

TEST(TemporaryFolder, GoesWithTheFilesInIt) {
  const InputFolder parent;
  const test::Variable setting("TMPDIR", parent.path());
  {
    const TemporaryFolder folder;
    write_file(folder.path("a.npy"), "a");
  }
  EXPECT_THAT(parent.list(), IsEmpty());
}

TEST(TemporaryFolder, GoesWithTheFilesInItOnASignal) {
  const InputFolder parent;
  const test::Variable setting("TMPDIR", parent.path());
  const auto interrupted = [] {
    remove_temporary_files_on_signal();
    const TemporaryFolder folder;
    for (int i = 0; i < 300; ++i) write_file(folder.path(std::to_string(i)), "x");
    std::raise(SIGTERM);
  };
  EXPECT_EXIT(interrupted(), testing::KilledBySignal(SIGTERM), "");
  EXPECT_THAT(parent.list(), IsEmpty());
}

TEST(TemporaryFolder, AParentThatDoesNotExistIsNamed) {
  const InputFolder parent;
  const test::Variable setting("TMPDIR", parent.path("no"));
  EXPECT_THAT(test::error_of(ErrorCode::kBadData, [] { TemporaryFolder(); }),
              HasSubstr(parent.path("no")));
}

}  // namespace
}  // namespace p2p::io
