#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "support/input_file.hpp"

namespace p2p {
namespace {

using test::error_of;
using test::InputFolder;
using test::npy_of;
using test::scores_error;
using test::scores_in;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string pair_of(float a, float b) { return npy_of<float>("<f4", "(1, 2)", {a, b}); }

std::vector<double> first_scores(const ScoreSet& set) {
  std::vector<double> firsts;
  for (const auto& source : set.sources()) firsts.push_back(test::all_scores(*source).front());
  return firsts;
}

std::vector<std::string> warnings_of(const std::vector<std::string>& specs) {
  std::vector<std::string> warnings;
  open_scores(specs, {.warn = [&](const std::string& sentence) { warnings.push_back(sentence); }});
  return warnings;
}

TEST(OpenScores, SeveralFilesFollowInTheOrderGiven) {
  const InputFolder folder;
  const ScoreSet set =
      open_scores({folder.add("b.npy", pair_of(1, 0)), folder.add("a.csv", "2,0\n")});
  EXPECT_EQ(set.rows(), 2);
  EXPECT_THAT(first_scores(set), ElementsAre(1, 2));
}

TEST(OpenScores, AFolderIsReadInTheOrderOfTheNumbersInItsNames) {
  const InputFolder folder;
  folder.add("d/a10.npy", pair_of(3, 0));
  folder.add("d/a9.npy", pair_of(2, 0));
  folder.add("d/B.npy", pair_of(1, 0));
  folder.add("d/notes.md", "left out");
  folder.add("d/.hidden.npy", "left out");
  EXPECT_THAT(first_scores(open_scores({folder.path("d")})), ElementsAre(1, 2, 3));
}

TEST(OpenScores, AFolderSaysWhatItPassedOver) {
  const InputFolder folder;
  folder.add("d/a.npy", pair_of(1, 0));
  folder.add("d/b.npy.gz", "not read");
  folder.add("d/more/c.npy", pair_of(2, 0));
  folder.add("d/.hidden.npy", "of no interest");
  EXPECT_THAT(warnings_of({folder.path("d")}),
              ElementsAre(AllOf(HasSubstr("of its 3 entries, 1 is read"),
                                HasSubstr("passed over: b.npy.gz, more/"))));
}

TEST(OpenScores, FilesThatAreNotInTheOrderOfTheirNumbersAreWarnedOf) {
  const InputFolder folder;
  const std::string first = folder.add("part_1.npy", pair_of(1, 0));
  const std::string second = folder.add("part_2.npy", pair_of(1, 0));
  const std::string tenth = folder.add("part_10.npy", pair_of(1, 0));
  EXPECT_THAT(
      warnings_of({first, tenth, second}),
      ElementsAre(AllOf(HasSubstr("part_10.npy' is read before"), HasSubstr("part_2.npy'"))));
  EXPECT_THAT(warnings_of({first, second, tenth}), IsEmpty());
  const std::string list = folder.add("list.txt", "part_10.npy\npart_2.npy\n");
  EXPECT_THAT(warnings_of({"@" + list}), SizeIs(1));
}

TEST(OpenScores, FilesOfOtherNamesMayComeInAnyOrder) {
  const InputFolder folder;
  EXPECT_THAT(
      warnings_of({folder.add("val2.npy", pair_of(1, 0)), folder.add("train1.npy", pair_of(1, 0))}),
      IsEmpty());
}

TEST(OpenScores, AnEndingMayBeInCapitals) {
  const InputFolder folder;
  EXPECT_EQ(open_scores({folder.add("UP.NPY", pair_of(1, 0))}).rows(), 1);
  const std::string archive =
      folder.add("A.NPZ", test::zip({{"s.npy", pair_of(2, 0)}, {"t.npy", pair_of(3, 0)}}));
  EXPECT_THAT(first_scores(open_scores({archive + ":t"})), ElementsAre(3));
}

TEST(OpenScores, AFolderWithoutScoreFilesIsRefused) {
  const InputFolder folder;
  folder.add("d/notes.md", "nothing");
  EXPECT_THAT(scores_error(folder.path("d")), HasSubstr("holds none of the expected files"));
}

TEST(OpenScores, AListIsReadRelativeToItsFolder) {
  const InputFolder folder;
  folder.add("d/x.npy", pair_of(1, 0));
  folder.add("d/y.npz", test::zip({{"s.npy", pair_of(2, 0)}, {"t.npy", pair_of(3, 0)}}));
  const std::string list = folder.add("d/list.txt", "# two files\n\ny.npz:t\r\n  x.npy\n");
  EXPECT_THAT(first_scores(open_scores({"@" + list})), ElementsAre(3, 1));
}

TEST(OpenScores, AListMayNotNameAnotherListOrNothing) {
  const InputFolder folder;
  EXPECT_THAT(scores_error("@" + folder.add("list.txt", "@other.txt\n")),
              HasSubstr("names '@other.txt'; expected paths"));
  EXPECT_THAT(scores_error("@" + folder.add("empty.txt", "# nothing\n")),
              HasSubstr("names no file"));
  EXPECT_THAT(scores_error("@" + folder.path("missing.txt")), HasSubstr("does not exist"));
}

TEST(OpenScores, AnExistingPathWinsOverAMember) {
  const InputFolder folder;
  const std::string odd = folder.add("a.npz:s.npy", pair_of(1, 0));
  folder.add("a.npz", test::zip({{"s.npy", pair_of(2, 0)}}));
  EXPECT_THAT(scores_in(odd), ElementsAre(1, 0));
}

TEST(OpenScores, AMemberIsSplitOffAtTheLastEnding) {
  const InputFolder folder;
  const std::string file =
      folder.add("a.npz:b.npz", test::zip({{"s.npy", pair_of(2, 0)}, {"t.npy", pair_of(3, 0)}}));
  EXPECT_THAT(scores_in(file + ":t"), ElementsAre(3, 0));
}

TEST(OpenScores, AMissingFileIsNamedWithoutItsMember) {
  const InputFolder folder;
  EXPECT_THAT(scores_error(folder.path("no.npz:s")), HasSubstr("no.npz' does not exist"));
}

TEST(OpenScores, AFolderNamedLikeAFileIsAFolder) {
  const InputFolder folder;
  std::filesystem::create_directory(folder.path("a.npy"));
  EXPECT_THAT(scores_error(folder.path("a.npy")), HasSubstr("folder"));
}

TEST(OpenScores, APipeIsRefusedWithTheFix) {
  const InputFolder folder;
  ASSERT_EQ(mkfifo(folder.path("a.csv").c_str(), 0600), 0);
  EXPECT_THAT(scores_error(folder.path("a.csv")),
              AllOf(HasSubstr("a pipe"), HasSubstr("write it to disk first")));
}

TEST(OpenScores, AFileThatMayNotBeReadIsNamed) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const InputFolder folder;
  const std::string file = folder.add("a.npy", pair_of(1, 0));
  chmod(file.c_str(), 0);
  EXPECT_THAT(scores_error(file), HasSubstr("permission denied"));
}

TEST(OpenScores, AnotherEndingIsRefusedListingTheKnownOnes) {
  const InputFolder folder;
  EXPECT_THAT(scores_error(folder.add("a.pkl", "x")),
              HasSubstr("expected .npy, .npz, .safetensors, .csv, .tsv"));
}

TEST(OpenScores, NoFileAtAllIsAUsageError) {
  EXPECT_THAT(error_of(ErrorCode::kUsage, [] { open_scores({}); }), HasSubstr("no score file"));
}

TEST(OpenScores, StandardInputTwiceIsAUsageError) {
  EXPECT_THAT(error_of(ErrorCode::kUsage, [] { open_scores({"-", "-"}); }), HasSubstr("twice"));
}

TEST(OpenScores, FilesWithOtherClassCountsAreRefused) {
  const InputFolder folder;
  const std::vector<std::string> files = {folder.add("a.csv", "1,2\n"),
                                          folder.add("b.csv", "1,2,3\n")};
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { open_scores(files); }),
              AllOf(HasSubstr("b.csv' has 3 classes"), HasSubstr("a.csv' has 2")));
}

TEST(OpenScores, FilesWithOtherClassNamesAreRefusedNamingBoth) {
  const InputFolder folder;
  const std::vector<std::string> files = {folder.add("a.csv", "cat,dog\n1,2\n"),
                                          folder.add("b.npy", pair_of(1, 2)),
                                          folder.add("c.csv", "cat,cow\n1,2\n")};
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { open_scores(files); }),
              AllOf(HasSubstr("c.csv' calls class 1 'cow'"), HasSubstr("a.csv' calls it 'dog'")));
}

TEST(RefuseOverwriting, ComparesFilesNotNames) {
  const InputFolder folder;
  const std::string file = folder.add("a.npy", pair_of(1, 0));
  std::filesystem::create_symlink(file, folder.path("link.npy"));
  std::filesystem::create_hard_link(file, folder.path("hard.npy"));
  for (const std::string& output : {file, folder.path("link.npy"), folder.path("hard.npy"),
                                    folder.path("../" + folder.path().substr(5) + "/a.npy")}) {
    EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { refuse_overwriting(output, {file}); }),
                HasSubstr("is the same file as the input"))
        << output;
  }
}

TEST(RefuseOverwriting, LooksBehindMembersFoldersAndLists) {
  const InputFolder folder;
  const std::string file = folder.add("a.npz", test::zip({{"s.npy", pair_of(1, 0)}}));
  const std::string list = folder.add("list.txt", "a.npz:s\n");
  for (const std::string& input : {file + ":s", folder.path(), "@" + list}) {
    EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { refuse_overwriting(file, {input}); }),
                HasSubstr("same file"))
        << input;
  }
  EXPECT_THAT(error_of(ErrorCode::kBadData, [&] { refuse_overwriting(list, {"@" + list}); }),
              HasSubstr("same file"));
}

TEST(RefuseOverwriting, LetsOtherOutputsPass) {
  const InputFolder folder;
  const std::string file = folder.add("a.npy", pair_of(1, 0));
  const std::string other = folder.add("b.npy", pair_of(1, 0));
  EXPECT_NO_THROW(refuse_overwriting(other, {file}));
  EXPECT_NO_THROW(refuse_overwriting(folder.path("new.npy"), {file, "missing.npy", "-"}));
  EXPECT_NO_THROW(refuse_overwriting("-", {file, "-"}));
}

}  // namespace
}  // namespace p2p
