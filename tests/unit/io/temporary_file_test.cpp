#include "io/temporary_file.hpp"

#include <gmock/gmock.h>

#include <cstdlib>

#include "support/input_file.hpp"

namespace p2p::io {
namespace {

using test::InputFolder;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

/// $TMPDIR is another folder while this lives.
class TemporaryFolderSetting {
 public:
  explicit TemporaryFolderSetting(const std::string& folder) {
    if (const char* old = std::getenv("TMPDIR")) old_ = old;
    setenv("TMPDIR", folder.c_str(), 1);
  }
  ~TemporaryFolderSetting() {
    if (old_) {
      setenv("TMPDIR", old_->c_str(), 1);
    } else {
      unsetenv("TMPDIR");
    }
  }
  TemporaryFolderSetting(const TemporaryFolderSetting&) = delete;
  TemporaryFolderSetting& operator=(const TemporaryFolderSetting&) = delete;

 private:
  std::optional<std::string> old_;
};

TEST(TemporaryFile, GivesBackWhatWasAppendedAndHasNoName) {
  const InputFolder folder;
  const TemporaryFolderSetting setting(folder.path());
  TemporaryFile growing(6, "x");
  growing.append("abc", 3);
  growing.append("def", 3);
  EXPECT_THAT(folder.list(), IsEmpty());
  const auto file = growing.finish();
  std::string bytes(4, '\0');
  file->read(1, bytes.data(), 4);
  EXPECT_EQ(bytes, "bcde");
}

TEST(TemporaryFile, NoRoomNamesFolderAndSize) {
  const InputFolder folder;
  const TemporaryFolderSetting setting(folder.path());
  EXPECT_THAT(
      test::error_of(ErrorCode::kBadData, [] { TemporaryFile(std::int64_t{1} << 60, "a.npz:s"); }),
      AllOf(HasSubstr("'a.npz:s'"), HasSubstr("1152921504606846976 bytes"), HasSubstr("TMPDIR")));
}

TEST(TemporaryFile, AFolderThatDoesNotExistIsNamed) {
  const InputFolder folder;
  const TemporaryFolderSetting setting(folder.path("no"));
  EXPECT_THAT(test::error_of(ErrorCode::kBadData, [] { TemporaryFile(1, "x"); }),
              HasSubstr(folder.path("no")));
}

}  // namespace
}  // namespace p2p::io
