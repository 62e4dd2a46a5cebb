#include <gmock/gmock.h>

#include "support/input_file.hpp"

namespace p2p {
namespace {

using test::InputFolder;
using test::npy_of;
using test::scores_error;
using test::scores_in;
using test::zip;
using test::ZipEntry;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kScores = npy_of<float>("<f4", "(2, 3)", {1, 2, 3, 4, 5, 6});
const std::string kLabels = npy_of<std::int64_t>("<i8", "(2,)", {0, 2});

/// A megabyte of zeros behind a header: packs to about a thousandth.
const std::string kZeros = npy_of<float>("<f4", "(1000, 250)", std::vector<float>(250'000));

std::vector<double> read_npz(const std::string& bytes, const std::string& member = "") {
  const InputFolder folder;
  return scores_in(folder.add("a.npz", bytes) + member);
}

std::string error_of_npz(const std::string& bytes, const std::string& member = "") {
  const InputFolder folder;
  return scores_error(folder.add("a.npz", bytes) + member);
}

TEST(NpzReader, ReadsAStoredMember) {
  EXPECT_THAT(read_npz(zip({{"s.npy", kScores}}), ":s"), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpzReader, ReadsADeflatedMember) {
  EXPECT_THAT(read_npz(zip({{"s.npy", kScores, true}}), ":s"), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpzReader, AcceptsTheNameWithItsEnding) {
  EXPECT_THAT(read_npz(zip({{"s.npy", kScores}}), ":s.npy"), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpzReader, ReadsZip64SizesOfStoredAndDeflatedMembers) {
  EXPECT_THAT(read_npz(zip({{"s.npy", kScores, false, true}})), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(read_npz(zip({{"s.npy", kScores, true, true}})), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpzReader, ReadsAZip64End) {
  EXPECT_THAT(read_npz(zip({{"s.npy", kScores}}, true)), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpzReader, ReadsMembersWhoseSizesFollowTheData) {
  EXPECT_THAT(read_npz(zip({{"s.npy", kScores, true, false, true}})),
              ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpzReader, ReadsAnArchiveWithAComment) {
  EXPECT_THAT(read_npz(zip({{"s.npy", kScores}}, false, "PK\x05\x06 in a comment")),
              ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpzReader, DeflatedRowsCanBeReadAgainFromTheStart) {
  const InputFolder folder;
  const ScoreSet set = open_scores({folder.add("a.npz", zip({{"s.npy", kScores, true}}))});
  RowSource& source = *set.sources().front();
  EXPECT_FALSE(source.random_access());
  EXPECT_TRUE(source.rewindable());
  EXPECT_THAT(test::all_scores(source, 1), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(test::all_scores(source, 2), ElementsAre(1, 2, 3, 4, 5, 6));
}

// In memory, and too many for it.
TEST(NpzReader, DeflatedRowsAreReadInAnyOrderOnceTheLastWasRead) {
  for (const std::int64_t rows : {2, 50'000}) {
    const std::int64_t size = rows * 50;
    const InputFolder folder;
    const std::string array =
        npy_of("<f4", "(" + std::to_string(rows) + ", 50)", test::counting<float>(size));
    const ScoreSet set = open_scores({folder.add("a.npz", zip({{"s.npy", array, true}}))});
    RowSource& source = *set.sources().front();
    test::all_scores(source, 1000);
    EXPECT_TRUE(source.random_access());
    std::vector<float> row(50);
    for (const std::int64_t i : {rows - 1, std::int64_t{0}, rows / 2}) {
      source.read(i, 1, row.data());
      EXPECT_EQ(row.front(), static_cast<float>(50 * i));
      EXPECT_EQ(row.back(), static_cast<float>(50 * i + 49));
    }
  }
}

TEST(NpzReader, DeflatedArraysThatFindNoPlaceStayStreams) {
  // 100 arrays of 1 MB: 64 MiB of them are kept in memory.
  const InputFolder folder;
  const std::string array = npy_of("<f4", "(5000, 50)", test::counting<float>(250'000));
  const std::string file = folder.add("a.npz", zip({{"s.npy", array, true}}));
  const ScoreSet set = open_scores(std::vector<std::string>(100, file));
  std::size_t unpacked = 0;
  for (const auto& source : set.sources()) test::all_scores(*source, 1000);
  for (const auto& source : set.sources()) unpacked += source->random_access() ? 1 : 0;
  EXPECT_EQ(unpacked, (64 << 20) / 1'000'000);
  EXPECT_EQ(test::all_scores(*set.sources().back(), 1000), test::counting<double>(250'000));
}

TEST(NpzReader, DeflatedArraysStayStreamsWhereNoTemporaryFileCanBe) {
  const InputFolder folder;
  const std::string array = npy_of("<f4", "(50000, 50)", test::counting<float>(2'500'000));
  const ScoreSet set = open_scores({folder.add("a.npz", zip({{"s.npy", array, true}}))});
  RowSource& source = *set.sources().front();
  test::all_scores(source, 1000);
  const char* before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TMPDIR", "/nonexistent", 1);
  EXPECT_FALSE(source.random_access());
  if (before == nullptr) {
    ::unsetenv("TMPDIR");
  } else {
    ::setenv("TMPDIR", kept.c_str(), 1);
  }
  std::vector<float> row(50);
  source.read(49'999, 1, row.data());
  EXPECT_EQ(row.back(), 2'499'999.0F);
}

TEST(NpzReader, DeflatedRowsCanBeSkipped) {
  const InputFolder folder;
  const ScoreSet set = open_scores({folder.add("a.npz", zip({{"s.npy", kScores, true}}))});
  std::vector<float> row(3);
  set.sources().front()->read(1, 1, row.data());
  EXPECT_THAT(row, ElementsAre(4, 5, 6));
}

TEST(NpzReader, DeflatedFortranOrderIsUnpackedOnce) {
  const InputFolder folder;
  const std::string columns = npy_of<float>("<f4", "(2, 3)", {1, 4, 2, 5, 3, 6}, true);
  const ScoreSet set = open_scores({folder.add("a.npz", zip({{"s.npy", columns, true}}))});
  EXPECT_TRUE(set.random_access());
  EXPECT_THAT(test::all_scores(*set.sources().front()), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpzReader, ChoosesTheOnlyMemberThatFits) {
  EXPECT_THAT(read_npz(zip({{"y.npy", kLabels}, {"s.npy", kScores}, {"notes.txt", "hello"}})),
              ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(NpzReader, ListsTheNamesWhenSeveralFit) {
  EXPECT_THAT(error_of_npz(zip({{"y.npy", kLabels}, {"s.npy", kScores}, {"t.npy", kScores}})),
              AllOf(HasSubstr("holds 2 arrays"), HasSubstr("a.npz:NAME"),
                    HasSubstr("s <f4 [2, 3], t <f4 [2, 3]")));
}

TEST(NpzReader, ListsTheNamesWhenNoneFits) {
  EXPECT_THAT(error_of_npz(zip({{"y.npy", kLabels}})),
              AllOf(HasSubstr("no array of floats with 2 to 4 axes"), HasSubstr("y <i8 [2]")));
}

TEST(NpzReader, ListsTheNamesWhenTheNameIsUnknown) {
  EXPECT_THAT(error_of_npz(zip({{"y.npy", kLabels}, {"s.npy", kScores}}), ":nope"),
              AllOf(HasSubstr("no array named 'nope'"), HasSubstr("y, s")));
}

TEST(NpzReader, RefusesAMemberOfPickledObjects) {
  const std::string objects = test::npy("|O", "(2, 3)", "\x80\x03]q");
  EXPECT_THAT(error_of_npz(zip({{"s.npy", objects}}), ":s"), HasSubstr("pickled Python objects"));
}

TEST(NpzReader, RefusesAWrongCrcOfADeflatedMember) {
  EXPECT_THAT(error_of_npz(zip({{.name = "s.npy", .data = kScores, .deflate = true, .crc = 1}})),
              AllOf(HasSubstr("CRC"), HasSubstr("archive says 00000001")));
}

TEST(NpzReader, RefusesABombThatClaimsToBeSmall) {
  const std::string small = npy_of<float>("<f4", "(2, 3)", {1, 2, 3, 4, 5, 6});
  const ZipEntry bomb = {.name = "s.npy",
                         .data = small + std::string(50'000'000, '\0'),
                         .deflate = true,
                         .size = small.size()};
  EXPECT_THAT(error_of_npz(zip({bomb})), HasSubstr("unpacks to more than the"));
}

TEST(NpzReader, RefusesAClaimedSizeThatTheShapeDoesNotNeedBeforeUnpacking) {
  const ZipEntry liar = {
      .name = "s.npy", .data = kZeros, .deflate = true, .size = std::uint64_t{1} << 31};
  EXPECT_THAT(error_of_npz(zip({liar})),
              AllOf(HasSubstr("bytes of data, but <f4 of shape [1000, 250] needs 1000000")));
}

TEST(NpzReader, RefusesAMemberThatUnpacksToLessThanItsShape) {
  const ZipEntry liar = {.name = "s.npy",
                         .data = kScores.substr(0, kScores.size() - 8),
                         .deflate = true,
                         .size = kScores.size()};
  EXPECT_THAT(error_of_npz(zip({liar})), HasSubstr("but the archive says"));
}

TEST(NpzReader, RefusesDamagedPackedBytes) {
  std::string archive = zip({{"s.npy", kZeros, true}});
  for (std::size_t i = 600; i < 620; ++i) archive[i] = '\xFF';
  EXPECT_THAT(error_of_npz(archive), HasSubstr("is damaged"));
}

TEST(NpzReader, RefusesAnEncryptedMember) {
  EXPECT_THAT(error_of_npz(zip({{.name = "s.npy", .data = kScores, .flags = 1}})),
              HasSubstr("encrypted"));
}

TEST(NpzReader, RefusesAnotherPacking) {
  EXPECT_THAT(error_of_npz(zip({{.name = "s.npy", .data = kScores, .method = 14}})),
              HasSubstr("zip method 14"));
}

TEST(NpzReader, RefusesANameGivenTwice) {
  EXPECT_THAT(error_of_npz(zip({{"s.npy", kScores}, {"s.npy", kLabels}}), ":s"),
              HasSubstr("'s.npy' appears twice"));
}

TEST(NpzReader, RefusesAStoredMemberOfTwoSizes) {
  EXPECT_THAT(error_of_npz(zip({{.name = "s.npy", .data = kScores, .size = kScores.size() + 5}})),
              HasSubstr("stored with two different sizes"));
}

TEST(NpzReader, RefusesALocalHeaderOfAnotherName) {
  EXPECT_THAT(error_of_npz(zip(
                  {{.name = "s.npy", .data = kScores, .deflate = true, .local_name = "t.npy"}})),
              HasSubstr("not where the directory says"));
}

TEST(NpzReader, RefusesATruncatedArchive) {
  const std::string archive = zip({{"s.npy", kScores}});
  for (std::size_t size = 0; size < archive.size(); size += 7) {
    error_of_npz(archive.substr(0, size));
  }
}

TEST(NpzReader, RefusesADirectoryBeyondTheFile) {
  std::string archive = zip({{"s.npy", kScores}});
  archive[archive.size() - 3] = '\x7F';  // directory offset
  EXPECT_THAT(error_of_npz(archive), HasSubstr("its directory lies beyond its end"));
}

TEST(NpzReader, RefusesMoreMembersThanItsDirectoryHolds) {
  std::string archive = zip({{"s.npy", kScores}});
  archive[archive.size() - 12] = '\x09';  // number of members
  EXPECT_THAT(error_of_npz(archive), HasSubstr("entry of its directory is missing"));
}

TEST(NpzReader, RefusesAZip64LocatorBeyondTheFile) {
  std::string archive = zip({{"s.npy", kScores}}, true);
  archive[archive.size() - 22 - 20 + 8 + 7] = '\x7F';
  EXPECT_THAT(error_of_npz(archive), HasSubstr("points beyond the file"));
}

TEST(NpzReader, SurvivesAnyFlippedByte) {
  const InputFolder folder;
  const std::string archive = zip({{"y.npy", kLabels, true}, {"s.npy", kScores, true}});
  int refused = 0;
  for (std::size_t i = 0; i < archive.size(); ++i) {
    std::string damaged = archive;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    try {
      scores_in(folder.add("a.npz", damaged));
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(NpzReader, ReadsTheShippedSample) {
  const std::string sample = P2P_SOURCE_DIR "/data/cifar10-lt100-resnet20-ce-mixup.npz";
  const ScoreSet set = open_scores({sample + ":train_logits"});
  EXPECT_EQ(set.rows(), 12406);
  EXPECT_EQ(set.classes(), 10);
  EXPECT_EQ(set.dtype(), DType::kF32);
  EXPECT_EQ(open_labels({sample + ":train_labels"})->rows(), 12406);
  const std::vector<double> counts = read_vector(sample + ":counts");
  EXPECT_EQ(counts.front(), 5000);
  EXPECT_EQ(counts.back(), 50);
}

}  // namespace
}  // namespace p2p
