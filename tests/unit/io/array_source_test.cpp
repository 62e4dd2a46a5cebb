#include <gmock/gmock.h>

#include <filesystem>
#include <thread>

#include "support/input_file.hpp"

namespace p2p {
namespace {

using test::all_scores;
using test::InputFolder;
using test::npy_of;
using test::scores_error;
using test::scores_in;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string python_shape(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (const std::int64_t size : shape) text += std::to_string(size) + ",";
  return text + ")";
}

/// What the rows must be, element by element: the value of an element is its place in memory.
std::vector<double> expected_rows(const std::vector<std::int64_t>& shape, std::size_t class_axis) {
  std::int64_t outer = 1;
  std::int64_t inner = 1;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (axis < class_axis) outer *= shape[axis];
    if (axis > class_axis) inner *= shape[axis];
  }
  const std::int64_t classes = shape[class_axis];
  std::vector<double> rows;
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t i = 0; i < inner; ++i) {
      for (std::int64_t c = 0; c < classes; ++c) {
        rows.push_back(static_cast<double>((o * classes + c) * inner + i));
      }
    }
  }
  return rows;
}

class ClassAxis : public testing::TestWithParam<std::vector<std::int64_t>> {};

TEST_P(ClassAxis, MayBeAnyAxis) {
  const std::vector<std::int64_t>& shape = GetParam();
  std::int64_t size = 1;
  for (const std::int64_t s : shape) size *= s;
  const InputFolder folder;
  const std::string file =
      folder.add("a.npy", npy_of("<f4", python_shape(shape), test::counting<float>(size)));
  const int rank = static_cast<int>(shape.size());
  for (int axis = 0; axis < rank; ++axis) {
    if (shape[static_cast<std::size_t>(axis)] < 2) continue;
    const std::vector<double> expected = expected_rows(shape, static_cast<std::size_t>(axis));
    for (const std::int64_t step : {4096, 1000}) {
      EXPECT_EQ(scores_in(file, axis, step), expected) << "axis " << axis << " step " << step;
      EXPECT_EQ(scores_in(file, axis - rank, step), expected);
    }
  }
}

// Small slabs, runs longer than a block, slabs larger than the scratch, one position a slab.
INSTANTIATE_TEST_SUITE_P(ArraySource, ClassAxis,
                         testing::Values(std::vector<std::int64_t>{3, 4},
                                         std::vector<std::int64_t>{3, 4, 5},
                                         std::vector<std::int64_t>{2, 3, 70, 90},
                                         std::vector<std::int64_t>{2, 5, 9000},
                                         std::vector<std::int64_t>{2, 13000, 49},
                                         std::vector<std::int64_t>{5, 3, 1, 1}));

TEST(ArraySource, FortranOrderOfRank2IsReadByColumns) {
  const InputFolder folder;
  const std::string file =
      folder.add("a.npy", npy_of<float>("<f4", "(2, 3)", {1, 4, 2, 5, 3, 6}, true));
  EXPECT_THAT(scores_in(file), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(scores_in(file, 0), ElementsAre(1, 4, 2, 5, 3, 6));
}

TEST(ArraySource, FortranOrderOfRank3IsRefusedWithTheFix) {
  const InputFolder folder;
  const std::string file =
      folder.add("a.npy", npy_of<float>("<f4", "(1, 2, 2)", {1, 2, 3, 4}, true));
  EXPECT_THAT(scores_error(file, 1),
              AllOf(HasSubstr("Fortran order"), HasSubstr("numpy.ascontiguousarray")));
}

TEST(ArraySource, Rank3WithoutClassAxisIsRefusedNamingShapeAndOption) {
  const InputFolder folder;
  const std::string file = folder.add("a.npy", npy_of<float>("<f4", "(1, 2, 2)", {1, 2, 3, 4}));
  EXPECT_THAT(scores_error(file), AllOf(HasSubstr("[1, 2, 2]"), HasSubstr("--class-axis")));
}

TEST(ArraySource, AClassAxisThatDoesNotExistIsRefused) {
  const InputFolder folder;
  const std::string file = folder.add("a.npy", npy_of<float>("<f4", "(2, 2)", {1, 2, 3, 4}));
  EXPECT_THAT(scores_error(file, 2), HasSubstr("there is no axis 2; expected -2 to 1"));
  EXPECT_THAT(scores_error(file, -3), HasSubstr("there is no axis -3"));
}

TEST(ArraySource, ZeroRowsAreRefused) {
  const InputFolder folder;
  EXPECT_THAT(scores_error(folder.add("a.npy", npy_of<float>("<f4", "(0, 3)", {}))),
              HasSubstr("no rows"));
}

TEST(ArraySource, OneClassIsRefused) {
  const InputFolder folder;
  EXPECT_THAT(scores_error(folder.add("a.npy", npy_of<float>("<f4", "(3, 1)", {1, 2, 3}))),
              HasSubstr("gives 1 classes"));
}

TEST(ArraySource, OneAxisIsRefused) {
  const InputFolder folder;
  EXPECT_THAT(scores_error(folder.add("a.npy", npy_of<float>("<f4", "(3,)", {1, 2, 3}))),
              HasSubstr("has shape [3]; expected floats with 2 to 4 axes"));
}

TEST(ArraySource, KnowsShapeAxisAndName) {
  const InputFolder folder;
  const std::string file = folder.add("a.npy", npy_of<float>("<f4", "(1, 2, 2)", {1, 2, 3, 4}));
  const ScoreSet set = open_scores({file}, {-2});
  const RowSource& source = *set.sources().front();
  EXPECT_THAT(source.shape(), ElementsAre(1, 2, 2));
  EXPECT_EQ(source.class_axis(), 1);
  EXPECT_EQ(source.name(), file);
  EXPECT_TRUE(source.random_access());
}

TEST(ArraySource, AFileThatShrinksAfterOpeningIsASentence) {
  const InputFolder folder;
  const std::string file =
      folder.add("a.npy", npy_of("<f4", "(1000, 10)", test::counting<float>(10'000)));
  const ScoreSet set = open_scores({file});
  std::filesystem::resize_file(file, 20'000);
  EXPECT_THAT(
      test::error_of(ErrorCode::kBadData, [&] { all_scores(*set.sources().front()); }),
      AllOf(HasSubstr("a.npy' shrank while being read"), HasSubstr("40128 bytes when opened")));
}

TEST(ArraySource, MayBeReadByManyThreadsAtOnce) {
  const InputFolder folder;
  const std::string file =
      folder.add("a.npy", npy_of("<f4", "(10, 20000)", test::counting<float>(200'000)));
  const ScoreSet set = open_scores({file}, {0});
  const std::vector<double> expected = all_scores(*set.sources().front());
  std::vector<std::vector<double>> found(4);
  std::vector<std::thread> threads;
  for (auto& values : found) {
    threads.emplace_back([&] { values = all_scores(*set.sources().front(), 777); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(found, testing::Each(expected));
}

TEST(ArraySource, ThousandsOfFilesMayBeInputsAtOnce) {
  const InputFolder folder;
  for (int i = 0; i < 1500; ++i) {
    folder.add(std::to_string(10'000 + i) + ".npy",
               npy_of<float>("<f4", "(1, 2)", {static_cast<float>(i), 0}));
  }
  const ScoreSet set = open_scores({folder.path()});
  ASSERT_EQ(set.sources().size(), 1500U);
  EXPECT_THAT(all_scores(*set.sources().back()), ElementsAre(1499, 0));
  std::filesystem::rename(folder.path("10000.npy"), folder.path("11499.npy"));
  EXPECT_THAT(test::error_of(ErrorCode::kBadData, [&] { all_scores(*set.sources().back()); }),
              HasSubstr("was replaced while being read"));
}

TEST(ArraySource, RecordHoldsTheHashOfTheWholeFile) {
  const InputFolder folder;
  const std::string bytes = npy_of<float>("<f4", "(1, 2)", {1, 2});
  const ScoreSet set = open_scores({folder.add("a.npy", bytes)});
  const InputRecord record = set.sources().front()->record();
  EXPECT_EQ(record.name, "a.npy");
  EXPECT_THAT(record.shape, ElementsAre(1, 2));
  EXPECT_FALSE(record.sha256_sampled);
  EXPECT_EQ(record.sha256, "79831cd4aeac023cbe88c9f7aff63917cd33a4427e3a5856bbd2759f3128842b");
}

TEST(ArraySource, RecordOfAMemberNamesIt) {
  const InputFolder folder;
  const std::string file =
      folder.add("a.npz", test::zip({{"s.npy", npy_of<float>("<f4", "(1, 2)", {1, 2})}}));
  EXPECT_EQ(open_scores({file}).sources().front()->record().name, "a.npz:s");
}

TEST(ArraySource, RecordOfALargeFileHoldsTheHashOfASample) {
  const InputFolder folder;
  std::string bytes = test::npy("<f4", "(17000, 1000)", "");
  const std::string file = folder.add("a.npy", bytes);
  std::filesystem::resize_file(file, bytes.size() + 68'000'000);
  const InputRecord record = open_scores({file}).sources().front()->record();
  EXPECT_TRUE(record.sha256_sampled);
  EXPECT_EQ(record.sha256, "80c6c65b09421303bfdd6ac5385a9990c0535b3c7c8ec7a07fe228b855d4244c");
}

}  // namespace
}  // namespace p2p
