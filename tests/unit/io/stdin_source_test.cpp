#include "io/stdin_source.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "support/input_file.hpp"

namespace p2p::io {
namespace {

using test::all_scores;
using test::error_of;
using test::npy_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// A pipe that gives `bytes` and then ends.
class Pipe {
 public:
  explicit Pipe(std::string bytes) : bytes_(std::move(bytes)) {
    EXPECT_EQ(pipe(ends_), 0);
    writer_ = std::thread([this] {
      std::size_t at = 0;
      while (at < bytes_.size()) {
        const ssize_t put =
            write(ends_[1], &bytes_[at], std::min<std::size_t>(1000, bytes_.size() - at));
        if (put <= 0) break;
        at += static_cast<std::size_t>(put);
      }
      close(ends_[1]);
    });
  }
  ~Pipe() {
    std::string rest(4096, '\0');
    while (read(ends_[0], rest.data(), rest.size()) > 0) {
    }
    writer_.join();
    close(ends_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  [[nodiscard]] int end() const { return ends_[0]; }

 private:
  std::string bytes_;
  int ends_[2] = {-1, -1};
  std::thread writer_;
};

const std::string kNpy = npy_of<float>("<f4", "(2, 3)", {1, 2, 3, 4, 5, 6});

std::string error_of_pipe(const std::string& bytes, std::optional<int> class_axis = {}) {
  const Pipe pipe(bytes);
  return error_of(ErrorCode::kBadData, [&] {
    all_scores(*make_stdin_source({.class_axis = class_axis}, pipe.end()), 1);
  });
}

TEST(StdinSource, ReadsRowsInOrder) {
  const Pipe pipe(npy_of("<f4", "(3000, 10)", test::counting<float>(30'000)));
  const auto source = make_stdin_source({}, pipe.end());
  EXPECT_FALSE(source->random_access());
  EXPECT_FALSE(source->rewindable());
  EXPECT_EQ(source->name(), "-");
  EXPECT_EQ(all_scores(*source, 1000), test::counting<double>(30'000));
}

TEST(StdinSource, ReversesBigEndianBytes) {
  const Pipe pipe(test::npy(">f4", "(1, 2)", {"\x3F\x80\x00\x00\xC0\x00\x00\x00", 8}));
  EXPECT_THAT(all_scores(*make_stdin_source({}, pipe.end())), ElementsAre(1, -2));
}

TEST(StdinSource, SkipsRows) {
  const Pipe pipe(kNpy);
  const auto source = make_stdin_source({}, pipe.end());
  std::vector<float> row(3);
  source->read(1, 1, row.data());
  EXPECT_THAT(row, ElementsAre(4, 5, 6));
}

TEST(StdinSource, RecordHoldsTheHashOfAllBytes) {
  const Pipe pipe(kNpy);
  const auto source = make_stdin_source({}, pipe.end());
  all_scores(*source);
  EXPECT_EQ(source->record().name, "-");
  EXPECT_EQ(source->record().sha256,
            "8e98a7baec1137402eb9911511847b1231215f009a30a33587acdaadeebac6fd");
}

TEST(StdinSource, RecordReadsWhatIsLeft) {
  const Pipe pipe(kNpy);
  EXPECT_EQ(make_stdin_source({}, pipe.end())->record().sha256,
            "8e98a7baec1137402eb9911511847b1231215f009a30a33587acdaadeebac6fd");
}

TEST(StdinSource, ReadingARowAgainIsRefused) {
  const Pipe pipe(kNpy);
  const auto source = make_stdin_source({}, pipe.end());
  all_scores(*source);
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { all_scores(*source); }),
              HasSubstr("read only once"));
}

TEST(StdinSource, EndingEarlyNamesTheRow) {
  EXPECT_THAT(error_of_pipe(kNpy.substr(0, kNpy.size() - 5)),
              HasSubstr("ends within row 1 of the 2"));
}

TEST(StdinSource, GoingOnAfterTheArrayIsRefused) {
  EXPECT_THAT(error_of_pipe(kNpy + "x"), HasSubstr("goes on after the 2 rows"));
}

TEST(StdinSource, EmptyInputIsRefused) { EXPECT_THAT(error_of_pipe(""), HasSubstr("is empty")); }

TEST(StdinSource, AnotherFormatIsRefused) {
  EXPECT_THAT(error_of_pipe("1,2\n3,4\n"), HasSubstr("not a .npy file"));
}

TEST(StdinSource, FortranOrderIsRefusedAskingForAFile) {
  EXPECT_THAT(error_of_pipe(npy_of<float>("<f4", "(2, 2)", {1, 2, 3, 4}, true)),
              AllOf(HasSubstr("Fortran order"), HasSubstr("save it to a file first")));
}

TEST(StdinSource, ClassesThatAreNotLastAreRefusedAskingForAFile) {
  EXPECT_THAT(error_of_pipe(npy_of<float>("<f4", "(1, 2, 2)", {1, 2, 3, 4}), 1),
              HasSubstr("save it to a file first"));
}

TEST(StdinSource, IntegersAreRefusedByName) {
  EXPECT_THAT(error_of_pipe(npy_of<std::int64_t>("<i8", "(1, 2)", {1, 2})), HasSubstr("'<i8'"));
}

}  // namespace
}  // namespace p2p::io
