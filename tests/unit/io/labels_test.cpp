#include <gmock/gmock.h>

#include <limits>

#include "support/input_file.hpp"

namespace p2p {
namespace {

using test::error_of;
using test::InputFolder;
using test::labels_in;
using test::npy_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string labels_error(const std::string& name, const std::string& bytes) {
  const InputFolder folder;
  const std::string file = folder.add(name, bytes);
  return error_of(ErrorCode::kBadData, [&] { labels_in({file}); });
}

template <class T>
std::vector<std::int64_t> round_trip(const std::string& descr) {
  const InputFolder folder;
  const std::vector<T> values = {0, 100, std::numeric_limits<T>::min()};
  return labels_in({folder.add("y.npy", npy_of<T>(descr, "(3,)", values))});
}

TEST(Labels, AreReadFromAnyIntegerType) {
  EXPECT_THAT(round_trip<std::int8_t>("|i1"), ElementsAre(0, 100, -128));
  EXPECT_THAT(round_trip<std::int16_t>("<i2"), ElementsAre(0, 100, -32768));
  EXPECT_THAT(round_trip<std::int32_t>("<i4"), ElementsAre(0, 100, -2147483648LL));
  EXPECT_THAT(round_trip<std::int64_t>("<i8"), ElementsAre(0, 100, INT64_MIN));
  EXPECT_THAT(round_trip<std::uint8_t>("|u1"), ElementsAre(0, 100, 0));
  EXPECT_THAT(round_trip<std::uint16_t>("<u2"), ElementsAre(0, 100, 0));
  EXPECT_THAT(round_trip<std::uint32_t>("<u4"), ElementsAre(0, 100, 0));
  EXPECT_THAT(round_trip<std::uint64_t>("<u8"), ElementsAre(0, 100, 0));
}

TEST(Labels, BigEndianBytesAreReversed) {
  const InputFolder folder;
  EXPECT_THAT(labels_in({folder.add("y.npy", test::npy(">i2", "(2,)", {"\x01\x00\xFF\xFE", 4}))}),
              ElementsAre(256, -2));
}

TEST(Labels, AnyRankIsReadInCOrder) {
  const InputFolder folder;
  EXPECT_THAT(labels_in({folder.add("y.npy", npy_of<std::int32_t>("<i4", "(2, 2)", {1, 2, 3, 4}))}),
              ElementsAre(1, 2, 3, 4));
}

TEST(Labels, FortranOrderIsRefusedWithTheFix) {
  EXPECT_THAT(labels_error("y.npy", npy_of<std::int32_t>("<i4", "(2, 2)", {1, 2, 3, 4}, true)),
              HasSubstr("numpy.ascontiguousarray(labels)"));
}

TEST(Labels, ARowIsLocatedInItsFile) {
  const InputFolder folder;
  const std::string a = folder.add("a.npy", npy_of<std::int32_t>("<i4", "(3,)", {0, 1, 2}));
  const std::string b = folder.add("b.txt", "5\n6\n");
  const std::string c = folder.add("c.npy", npy_of<std::int32_t>("<i4", "(1,)", {7}));
  const auto labels = open_labels({a, b, c});
  EXPECT_EQ(labels->locate(2), "'" + a + "', row 2 (counted from 0)");
  EXPECT_EQ(labels->locate(3), "'" + b + "', row 0 (counted from 0)");
  EXPECT_EQ(labels->locate(4), "'" + b + "', row 1 (counted from 0)");
  EXPECT_EQ(labels->locate(5), "'" + c + "', row 0 (counted from 0)");
  EXPECT_EQ(open_labels({b})->locate(1), "'" + b + "', row 1 (counted from 0)");
}

TEST(Labels, DeflatedOnesAreReadInAnyOrder) {
  const InputFolder folder;
  const std::string y = npy_of("<i4", "(100000,)", test::counting<std::int32_t>(100'000));
  const auto labels = open_labels({folder.add("y.npz", test::zip({{"y.npy", y, true}}))});
  std::vector<std::int64_t> values(2);
  labels->read(99'998, 2, values.data());
  EXPECT_THAT(values, ElementsAre(99'998, 99'999));
  labels->read(5, 2, values.data());
  EXPECT_THAT(values, ElementsAre(5, 6));
}

TEST(Labels, MoreThanFitInMemoryArePutIntoATemporaryFile) {
  const InputFolder folder;
  constexpr std::int64_t kMany = 2'500'000;
  const std::string y = npy_of("<i4", "(2500000,)", test::counting<std::int32_t>(kMany));
  EXPECT_EQ(labels_in({folder.add("y.npz", test::zip({{"y.npy", y, true}}))}),
            test::counting<std::int64_t>(kMany));
}

TEST(Labels, TextHoldsOneALine) {
  const InputFolder folder;
  EXPECT_THAT(labels_in({folder.add("y.txt", "3\r\n -1 \n+2\n\n")}), ElementsAre(3, -1, 2));
}

TEST(Labels, ACsvMayHaveAHeader) {
  const InputFolder folder;
  EXPECT_THAT(labels_in({folder.add("y.csv", "label\n3\n4\n")}), ElementsAre(3, 4));
}

TEST(Labels, ATxtMayHaveAHeaderThatSaysLabel) {
  const InputFolder folder;
  EXPECT_THAT(labels_in({folder.add("y.txt", "label\n3\n")}), ElementsAre(3));
  EXPECT_THAT(labels_error("y.txt", "word\n3\n"), HasSubstr("line 1: 'word' is not an integer"));
}

std::vector<std::int64_t> named_labels(const std::string& name, const std::string& text,
                                       const std::string& column = "") {
  const InputFolder folder;
  const auto labels =
      open_labels({folder.add(name, text) + column}, {}, {.classes = {"cat", "dog", "polar bear"}});
  std::vector<std::int64_t> values(static_cast<std::size_t>(labels->rows()));
  labels->read(0, labels->rows(), values.data());
  return values;
}

std::string named_error(const std::string& name, const std::string& text,
                        const std::string& column = "") {
  return error_of(ErrorCode::kBadData, [&] { named_labels(name, text, column); });
}

TEST(Labels, MayBeNamesOfClasses) {
  EXPECT_THAT(named_labels("y.csv", "dog\n\"polar bear\"\n0\n"), ElementsAre(1, 2, 0));
  EXPECT_THAT(named_labels("y.txt", "polar bear\ncat\n"), ElementsAre(2, 0));
}

TEST(Labels, MayBeQuoted) {
  EXPECT_THAT(named_labels("y.csv", "\"label\"\n\"2\"\n\"0\"\n"), ElementsAre(2, 0));
}

TEST(Labels, MayFollowPaths) {
  EXPECT_THAT(named_labels("y.txt", "a/1.jpg 2\nb/my photo.jpg 0\n"), ElementsAre(2, 0));
  EXPECT_THAT(named_labels("y.csv", "a/1.jpg,dog\nb/2.jpg,cat\n"), ElementsAre(1, 0));
}

TEST(Labels, OfAPathInTheFolderOfAnotherClassAreRefused) {
  EXPECT_THAT(named_labels("y.txt", "cat/1.jpg 0\ndog/2.jpg 1\n"), ElementsAre(0, 1));
  EXPECT_THAT(named_error("y.txt", "cat/1.jpg 0\ndog/2.jpg 2\n"),
              AllOf(HasSubstr("line 2"), HasSubstr("folder of class 'dog', which is number 1")));
}

TEST(Labels, OfSeveralColumnsAreFoundByTheirName) {
  EXPECT_THAT(named_labels("y.csv", "id,label\n7,2\n9,1\n"), ElementsAre(2, 1));
  EXPECT_THAT(named_labels("y.csv", "id,fine,coarse\n7,2,0\n9,1,0\n", ":fine"), ElementsAre(2, 1));
  EXPECT_THAT(named_labels("y.csv", "7,2\n9,1\n", ":2"), ElementsAre(2, 1));
}

TEST(Labels, OfSeveralColumnsWithoutANameAreAskedFor) {
  EXPECT_THAT(named_error("y.csv", "7,2\n9,1\n"), HasSubstr("y.csv:2'"));
  EXPECT_THAT(named_error("y.csv", "id,fine,coarse\n7,2,0\n"), HasSubstr("y.csv:2'"));
  EXPECT_THAT(named_error("y.csv", "id,fine\n7,2\n", ":coarse"), HasSubstr("no column 'coarse'"));
}

TEST(Labels, ThatAreOneHotRowsNameTheRemedy) {
  EXPECT_THAT(named_error("y.csv", "0,1,0\n1,0,0\n"), HasSubstr("numpy.argmax(labels, axis=1)"));
  EXPECT_THAT(named_error("y.txt", "0 1 0\n1 0 0\n"), HasSubstr("numpy.argmax(labels, axis=1)"));
}

TEST(Labels, WithAMisspeltNameAreRefused) {
  EXPECT_THAT(named_error("y.csv", "label\ncat\nowl\n"),
              HasSubstr("line 3: 'owl' is neither an integer nor the name of a class"));
  EXPECT_THAT(named_error("y.csv", "kat\ncat\n"), HasSubstr("line 1: 'kat' is neither"));
}

TEST(Labels, ThatAreNamesWithoutKnownClassesNameTheRemedy) {
  EXPECT_THAT(labels_error("y.csv", "label\ncat\n"), HasSubstr("--classes"));
}

TEST(Labels, ThatAreTheNumberOfOneClassAndTheNameOfAnotherAreRefused) {
  const InputFolder folder;
  const std::string file = folder.add("y.txt", "1\n2\n");
  EXPECT_THAT(error_of(ErrorCode::kBadData,
                       [&] {
                         open_labels({file}, {}, {.classes = {"1", "2", "3"}});
                       }),
              HasSubstr("name of class 0"));
}

/// Opens int64 labels of this shape beside float scores of that one, classes on axis 1.
std::string heard_of(const std::string& label_shape, const std::vector<std::int64_t>& labels,
                     const std::string& score_shape, std::size_t scores) {
  const InputFolder folder;
  const std::string z =
      folder.add("z.npy", npy_of<float>("<f4", score_shape, std::vector<float>(scores, 0.5F)));
  const std::string y = folder.add("y.npy", npy_of<std::int64_t>("<i8", label_shape, labels));
  const ScoreSet set = open_scores({z}, {.class_axis = 1});
  std::string heard;
  try {
    open_labels({y}, [&](const std::string& said) { heard = "warning: " + said; },
                {.scores = &set});
  } catch (const Error& error) {
    heard = error.what();
  }
  return heard;
}

TEST(Labels, OfAnotherShapeThanThePositionsAreRefused) {
  const std::vector<std::int64_t> y(12, 0);
  EXPECT_EQ(heard_of("(2, 2, 3)", y, "(2, 5, 2, 3)", 60), "");
  EXPECT_EQ(heard_of("(2, 1, 2, 3)", y, "(2, 5, 2, 3)", 60), "");
  EXPECT_EQ(heard_of("(12,)", y, "(2, 5, 2, 3)", 60), "");
  EXPECT_EQ(heard_of("(3, 4)", y, "(12, 5)", 60), "");
  EXPECT_THAT(heard_of("(2, 3, 2)", y, "(2, 5, 2, 3)", 60),
              AllOf(HasSubstr("shape [2, 3, 2]"), HasSubstr("shape [2, 2, 3]")));
}

TEST(Labels, OneForEachClassOfARowAreOneHot) {
  EXPECT_THAT(heard_of("(2, 3)", {0, 1, 0, 1, 0, 0}, "(2, 3)", 6),
              HasSubstr("numpy.argmax(labels, axis=1)"));
}

TEST(Labels, WithoutAZeroAreWarnedOf) {
  EXPECT_THAT(heard_of("(4,)", {1, 2, 1, 2}, "(4, 3)", 12), HasSubstr("no row has label 0"));
  EXPECT_EQ(heard_of("(4,)", {1, 2, 0, 2}, "(4, 3)", 12), "");
  EXPECT_EQ(heard_of("(4,)", {1, 2, 3, 2}, "(4, 3)", 12), "");
}

TEST(Labels, DecimalsAreRefusedByLineWithTheFix) {
  EXPECT_THAT(labels_error("y.txt", "1\n3.0\n"),
              AllOf(HasSubstr("y.txt', line 2: '3.0' is not an integer"), HasSubstr("fmt='%d'")));
}

TEST(Labels, SeveralColumnsAreRefused) {
  EXPECT_THAT(labels_error("y.csv", "1,2\n3,4\n"), HasSubstr("line 1: '1,2'"));
}

TEST(Labels, IntegersTooLargeAreRefused) {
  EXPECT_THAT(labels_error("y.txt", "9223372036854775808\n"), HasSubstr("is not an integer"));
  EXPECT_THAT(labels_error("y.npy", npy_of<std::uint64_t>("<u8", "(2,)", {0, 1ULL << 63})),
              HasSubstr("9223372036854775808 at position 1"));
}

TEST(Labels, FloatsAreRefusedWithTheFix) {
  EXPECT_THAT(labels_error("y.npy", npy_of<float>("<f4", "(2,)", {0, 1})),
              AllOf(HasSubstr("'<f4'"), HasSubstr(".astype('int64')")));
}

TEST(Labels, BooleansAreRefused) {
  EXPECT_THAT(labels_error("y.npy", test::npy("|b1", "(2,)", "ab")), HasSubstr("'|b1'"));
}

TEST(Labels, ASingleNumberIsRefused) {
  EXPECT_THAT(labels_error("y.npy", npy_of<std::int32_t>("<i4", "()", {1})), HasSubstr("shape []"));
}

TEST(Labels, NoneAtAllAreRefused) {
  EXPECT_THAT(labels_error("y.txt", ""), HasSubstr("holds no labels"));
  EXPECT_THAT(labels_error("y.npy", npy_of<std::int32_t>("<i4", "(0,)", {})),
              HasSubstr("holds no labels"));
}

TEST(Labels, AnotherEndingIsRefused) {
  EXPECT_THAT(labels_error("y.pkl", "x"), HasSubstr("expected .npy, .npz, .safetensors, .txt or"));
}

TEST(Labels, SeveralFilesFollowEachOther) {
  const InputFolder folder;
  const auto labels =
      open_labels({folder.add("a.txt", "1\n2\n3\n"), folder.add("b.txt", "4\n"),
                   folder.add("c.npy", npy_of<std::int8_t>("|i1", "(2,)", {5, 6}))});
  EXPECT_EQ(labels->rows(), 6);
  std::vector<std::int64_t> values(4);
  labels->read(2, 4, values.data());
  EXPECT_THAT(values, ElementsAre(3, 4, 5, 6));
}

}  // namespace
}  // namespace p2p
