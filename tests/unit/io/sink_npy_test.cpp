#include <fcntl.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "p2p/interrupt.hpp"
#include "support/written_file.hpp"

namespace p2p {
namespace {

using test::bytes_of;
using test::counting;
using test::error_of;
using test::OutputFolder;
using test::read_file;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// numpy.save(numpy.zeros((3, 2), 'f4')): the header is 128 bytes long.
const std::string kHeader3x2 = std::string("\x93NUMPY\x01\x00\x76\x00", 10) +
                               "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }" +
                               std::string(58, ' ') + "\n";

SinkSpec spec_of(DType dtype, std::vector<std::int64_t> shape, int class_axis) {
  return {.dtype = dtype, .shape = std::move(shape), .class_axis = class_axis, .class_names = {}};
}

TEST(NpySink, WritesTheHeaderOfNumpyAndTheRows) {
  const OutputFolder folder;
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  test::write_all(folder.path("a.npy"), spec_of(DType::kF32, {3, 2}, 1), values, 3);
  EXPECT_EQ(read_file(folder.path("a.npy")), kHeader3x2 + bytes_of(values));
}

TEST(NpySink, TakesTheEndingInAnyCase) {
  const OutputFolder folder;
  test::write_all(folder.path("a.NPY"), spec_of(DType::kF32, {3, 2}, 1), counting<float>(6), 3);
  EXPECT_EQ(read_file(folder.path("a.NPY")).substr(0, 128), kHeader3x2);
}

TEST(NpySink, NamesEachElementType) {
  const OutputFolder folder;
  const std::vector<double> zeros(6);
  for (const auto& [dtype, name] :
       {std::pair{DType::kF16, "'<f2'"}, {DType::kF32, "'<f4'"}, {DType::kF64, "'<f8'"}}) {
    test::write_all(folder.path("a.npy"), spec_of(dtype, {3, 2}, 1), zeros, 3);
    const std::string bytes = read_file(folder.path("a.npy"));
    EXPECT_THAT(bytes, HasSubstr(name));
    EXPECT_EQ(bytes.size(), 128 + 6 * item_size(dtype));
  }
}

TEST(NpySink, WritesLabelsAsInt64OfTheGivenShape) {
  const OutputFolder folder;
  const std::vector<std::int64_t> labels{4, 0, 2, 1};
  test::write_all(folder.path("a.npy"), spec_of(DType::kI64, {4}, -1), labels, 4);
  test::write_all(folder.path("b.npy"), spec_of(DType::kI64, {2, 1, 2}, -1), labels, 4);
  const std::string a = read_file(folder.path("a.npy"));
  const std::string b = read_file(folder.path("b.npy"));
  EXPECT_THAT(a, HasSubstr("'descr': '<i8', 'fortran_order': False, 'shape': (4,), "));
  EXPECT_THAT(b, HasSubstr("'shape': (2, 1, 2), "));
  EXPECT_EQ(a.substr(128), bytes_of(labels));
  EXPECT_EQ(b.substr(128), bytes_of(labels));
}

/// The array that rows 0, 1, 2, ... of consecutive numbers give, by the definition of a row.
std::vector<float> expected_array(const std::vector<std::int64_t>& shape, int class_axis) {
  std::int64_t outer = 1;
  std::int64_t inner = 1;
  for (int a = 0; a < class_axis; ++a) outer *= shape[static_cast<std::size_t>(a)];
  for (std::size_t a = static_cast<std::size_t>(class_axis) + 1; a < shape.size(); ++a) {
    inner *= shape[a];
  }
  const std::int64_t classes = shape[static_cast<std::size_t>(class_axis)];
  std::vector<float> array(static_cast<std::size_t>(outer * classes * inner));
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t c = 0; c < classes; ++c) {
      for (std::int64_t i = 0; i < inner; ++i) {
        array[static_cast<std::size_t>((o * classes + c) * inner + i)] =
            static_cast<float>((o * inner + i) * classes + c);
      }
    }
  }
  return array;
}

struct Axis {
  std::vector<std::int64_t> shape;
  int class_axis;
};

class NpySinkClassAxis : public testing::TestWithParam<Axis> {};

TEST_P(NpySinkClassAxis, PutsEachElementInItsPlaceHoweverRowsAreGrouped) {
  const auto& [shape, class_axis] = GetParam();
  const std::vector<float> array = expected_array(shape, class_axis);
  const auto classes = shape[static_cast<std::size_t>(class_axis)];
  const auto rows = static_cast<std::int64_t>(array.size()) / classes;
  const std::vector<float> values = counting<float>(rows * classes);
  for (const std::int64_t step : {rows, std::int64_t{7}, std::int64_t{4096}, std::int64_t{1}}) {
    if (rows / step > 2000) continue;
    const OutputFolder folder;
    const auto sink = create_sink(folder.path("a.npy"), spec_of(DType::kF32, shape, class_axis));
    for (std::int64_t first = 0; first < rows; first += step) {
      sink->write(first, std::min(step, rows - first), values.data() + first * classes);
    }
    sink->commit();
    EXPECT_TRUE(read_file(folder.path("a.npy")).substr(128) == bytes_of(array)) << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, NpySinkClassAxis,
                         testing::Values(Axis{{5, 3}, 1}, Axis{{3, 5}, 0}, Axis{{4, 3, 1, 1}, 1},
                                         Axis{{6, 3, 4}, 1}, Axis{{2, 3, 5, 7}, 1},
                                         Axis{{2, 3, 5, 7}, 2}, Axis{{2, 19, 150, 101}, 1},
                                         Axis{{3, 70000}, 0}, Axis{{1, 4, 300, 300}, 1},
                                         Axis{{70000, 2, 2}, 1}));

TEST(NpySink, GivesTheSameBytesFromFourThreads) {
  constexpr std::int64_t kRows = 4 * 2 * 5000;
  constexpr std::int64_t kClasses = 11;
  const std::vector<float> values = counting<float>(kRows * kClasses);
  for (const auto& [shape, axis] :
       {std::pair{std::vector<std::int64_t>{kRows, kClasses}, 1}, {{8, kClasses, 50, 100}, 1}}) {
    const OutputFolder folder;
    test::write_all(folder.path("one.npy"), spec_of(DType::kF32, shape, axis), values, kRows);
    const auto sink = create_sink(folder.path("four.npy"), spec_of(DType::kF32, shape, axis));
    ASSERT_TRUE(sink->random_access());
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&sink, &values, t] {
        constexpr std::int64_t kStep = 321;
        for (std::int64_t first = (3 - t) * kStep; first < kRows; first += 4 * kStep) {
          sink->write(first, std::min(kStep, kRows - first), values.data() + first * kClasses);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    sink->commit();
    EXPECT_TRUE(read_file(folder.path("one.npy")) == read_file(folder.path("four.npy")));
  }
}

TEST(NpySink, ShowsNothingBeforeCommitAndLeavesNothingWithoutIt) {
  const OutputFolder folder;
  {
    const auto sink = create_sink(folder.path("a.npy"), spec_of(DType::kF32, {3, 2}, 1));
    sink->write(0, 3, counting<float>(6).data());
    EXPECT_FALSE(std::filesystem::exists(folder.path("a.npy")));
  }
  EXPECT_THAT(folder.list(), IsEmpty());
}

TEST(NpySink, WritesToStandardOutputInOrder) {
  const std::vector<float> values = counting<float>(6);
  const std::string text = test::standard_output_of([&] {
    const auto sink = create_sink("-", spec_of(DType::kF32, {3, 2}, 1));
    EXPECT_FALSE(sink->random_access());
    sink->write(0, 1, values.data());
    sink->write(1, 2, values.data() + 2);
    sink->commit();
  });
  EXPECT_EQ(text, kHeader3x2 + bytes_of(values));
}

TEST(NpySink, LeavesStandardOutputEmptyWhenNoRowCame) {
  EXPECT_EQ(test::standard_output_of([] {
              create_sink("-", spec_of(DType::kF32, {3, 2}, 1));
            }),
            "");
}

TEST(NpySink, RefusesStandardOutputWhenTheClassAxisIsNotLast) {
  const std::string message = error_of(ErrorCode::kBadData, [] {
    create_sink("-", spec_of(DType::kF32, {2, 3, 4, 5}, 1));
  });
  EXPECT_THAT(message, HasSubstr("standard output"));
  EXPECT_THAT(message, HasSubstr("axis 1 of 4"));
  EXPECT_THAT(message, HasSubstr("name a regular .npy"));
}

TEST(NpySink, RefusesATerminalAndSaysHowToRedirect) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) GTEST_SKIP() << "no terminals";
  const int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
  if (terminal < 0) GTEST_SKIP() << "no terminals here";
  std::string message;
  {
    const test::RedirectedOutput redirected(terminal);
    message = error_of(ErrorCode::kUsage, [] {
      create_sink("-", spec_of(DType::kF32, {3, 2}, 1));
    });
  }
  close(terminal);
  close(master);
  EXPECT_THAT(message, HasSubstr("terminal"));
  EXPECT_THAT(message, HasSubstr("-o - > scores.npy"));
}

TEST(NpySink, SaysThatTheReaderOfAPipeIsGone) {
  report_failed_writes_as_errors();
  int ends[2] = {-1, -1};
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  std::string message;
  {
    const test::RedirectedOutput redirected(ends[1]);
    message = error_of(ErrorCode::kBadData, [] {
      create_sink("-", spec_of(DType::kF32, {3, 2}, 1))->write(0, 3, counting<float>(6).data());
    });
  }
  close(ends[1]);
  std::signal(SIGPIPE, SIG_DFL);
  EXPECT_THAT(message, HasSubstr("to standard output: the reading end was closed"));
}

TEST(NpySink, WritesIntoAFifoWithoutReplacingIt) {
  const OutputFolder folder;
  const std::string path = folder.path("fifo.npy");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::string received;
  std::thread reader([&] { received = read_file(path); });
  test::write_all(path, spec_of(DType::kF32, {3, 2}, 1), counting<float>(6), 3);
  reader.join();
  EXPECT_EQ(received, kHeader3x2 + bytes_of(counting<float>(6)));
  EXPECT_TRUE(std::filesystem::is_fifo(path));
}

TEST(NpySink, WritesIntoTheNullDeviceWithoutReplacingIt) {
  test::write_all("/dev/null", spec_of(DType::kF32, {3, 2}, 1), counting<float>(6), 3);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST(NpySink, SaysThatADeviceIsFull) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "there is no /dev/full here";
  const std::string message = error_of(ErrorCode::kBadData, [] {
    create_sink("/dev/full", spec_of(DType::kF32, {3, 2}, 1))
        ->write(0, 3, counting<float>(6).data());
  });
  EXPECT_THAT(message, HasSubstr("'/dev/full': the disk is full"));
}

TEST(CreateSink, RefusesAnUnknownEnding) {
  const OutputFolder folder;
  const std::string message = error_of(ErrorCode::kUsage, [&] {
    create_sink(folder.path("a.pkl"), spec_of(DType::kF32, {3, 2}, 1));
  });
  EXPECT_THAT(message, HasSubstr("a.pkl"));
  EXPECT_THAT(message, HasSubstr(".npy, .npz, .safetensors or .csv"));
  EXPECT_THAT(folder.list(), IsEmpty());
}

TEST(CreateSink, ReplacesAnExistingFileOfAnyLength) {
  const OutputFolder folder;
  test::write_file(folder.path("a.npy"), std::string(10000, 'x'));
  test::write_all(folder.path("a.npy"), spec_of(DType::kF32, {3, 2}, 1), counting<float>(6), 3);
  EXPECT_EQ(read_file(folder.path("a.npy")), kHeader3x2 + bytes_of(counting<float>(6)));
  EXPECT_THAT(folder.list(), ElementsAre("a.npy"));
}

TEST(SinkDtype, WidensBfloat16OutsideSafetensors) {
  EXPECT_EQ(sink_dtype("a.safetensors", DType::kBF16), DType::kBF16);
  for (const char* path : {"a.npy", "a.npz", "a.csv", "-"}) {
    EXPECT_EQ(sink_dtype(path, DType::kBF16), DType::kF32) << path;
  }
}

TEST(SinkDtype, KeepsOtherTypes) {
  for (const DType dtype : {DType::kF16, DType::kF32, DType::kF64, DType::kI64}) {
    EXPECT_EQ(sink_dtype("a.npy", dtype), dtype);
  }
}

}  // namespace
}  // namespace p2p
