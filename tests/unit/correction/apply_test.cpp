#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "p2p/correct.hpp"
#include "support/expect_error.hpp"
#include "support/matrices.hpp"
#include "support/naive_prior.hpp"

namespace p2p {
namespace {

using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr std::int64_t kClasses = 5;
const Values kDelta = {-1.5, 0.25, 0, 0.5, 0.75};

// Random scores as `kind` and what they are in `dtype`.
Values input_of(ScoreKind kind, DType dtype, std::int64_t rows) {
  std::mt19937 random(3);
  std::normal_distribution<double> normal(0, 2);
  Values values(static_cast<std::size_t>(rows * kClasses));
  for (double& v : values) v = normal(random);
  for (std::size_t i = 0; kind != ScoreKind::kLogits && i < values.size(); i += kClasses) {
    const Values p = test::naive_posterior(values.data() + i, kClasses);
    for (std::size_t c = 0; c < kClasses; ++c) {
      values[i + c] = kind == ScoreKind::kProbs ? p[c] : std::log(p[c]);
    }
  }
  return test::rounded(values, dtype);
}

test::MemorySink corrected(const Values& values, DType dtype, const LogOffset& offset,
                           ApplyOptions options, bool random_access = true) {
  ScoreSet set =
      test::scores(values, static_cast<std::int64_t>(offset.delta.size()), dtype, "test.npy");
  options.dtype = dtype;
  const bool labels = options.output == OutputKind::kLabels;
  test::MemorySink sink(labels ? DType::kI64 : dtype, set.rows(), labels ? 1 : set.classes(),
                        random_access);
  correct(set, offset, options, sink);
  return sink;
}

// z / T + delta as each output kind, in float64.
Values expected_of(const Values& values, ScoreKind kind, const LogOffset& offset,
                   OutputKind output) {
  Values result;
  for (std::size_t i = 0; i < values.size(); i += kClasses) {
    const Values p = test::naive_posterior(values.data() + i, kClasses,
                                           {kind, offset.temperature, offset.delta});
    for (std::size_t c = 0; c < kClasses; ++c) {
      if (output == OutputKind::kProbs) {
        result.push_back(p[c]);
      } else if (output == OutputKind::kLogits && kind != ScoreKind::kProbs) {
        result.push_back(values[i + c] / offset.temperature + offset.delta[c]);
      } else {
        result.push_back(std::log(p[c]));
      }
    }
  }
  return result;
}

// Half a unit in the last place of numbers near `value`, and what the arithmetic may add.
double tolerance_of(DType dtype, double value) {
  const double unit = dtype == DType::kF64   ? 1e-13
                      : dtype == DType::kF32 ? 0x1p-24
                      : dtype == DType::kF16 ? 0x1p-11
                                             : 0x1p-8;
  return unit * std::max(std::abs(value), 1.0) * 1.01;
}

class Correct : public ::testing::TestWithParam<std::tuple<ScoreKind, OutputKind, DType>> {};

TEST_P(Correct, WritesEveryKindFromEveryKind) {
  const auto [kind, output, dtype] = GetParam();
  const Values values = input_of(kind, dtype, 700);
  for (const double temperature : {1.0, 1.6}) {
    const LogOffset offset{.delta = kDelta, .temperature = temperature, .capped = {}};
    const test::MemorySink sink =
        corrected(values, dtype, offset, {.kind = kind, .output = output});
    EXPECT_FALSE(sink.committed());
    if (output == OutputKind::kLabels) {
      const std::vector<std::int64_t> labels = sink.labels();
      for (std::size_t i = 0; i < labels.size(); ++i) {
        const Values p = test::naive_posterior(values.data() + i * kClasses, kClasses,
                                               {kind, temperature, kDelta});
        const double best = *std::ranges::max_element(p);
        EXPECT_NEAR(p.at(static_cast<std::size_t>(labels[i])), best, 1e-15 + 1e-12 * best);
      }
      continue;
    }
    const Values written = sink.values();
    const Values expected = expected_of(values, kind, offset, output);
    ASSERT_EQ(written.size(), expected.size());
    for (std::size_t i = 0; i < written.size(); ++i) {
      ASSERT_NEAR(written[i], expected[i], tolerance_of(dtype, expected[i])) << i;
    }
  }
}

// Takes rows where they belong instead of by write().
class PlacingSink final : public RowSink {
 public:
  PlacingSink(std::size_t bytes, std::int64_t row_bytes) : bytes_(bytes), row_bytes_(row_bytes) {}
  [[nodiscard]] bool random_access() const override { return true; }
  [[nodiscard]] void* place(std::int64_t first, std::int64_t /*count*/) override {
    return bytes_.data() + first * row_bytes_;
  }
  void write(std::int64_t, std::int64_t, const void*) override { ADD_FAILURE(); }
  void commit() override {}
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
  std::int64_t row_bytes_;
};

TEST_P(Correct, PutsTheSameBytesWhereASinkWantsThem) {
  const auto [kind, output, dtype] = GetParam();
  const Values values = input_of(kind, dtype, 700);
  const LogOffset none{.delta = std::vector<double>(kClasses), .temperature = 1, .capped = {}};
  for (const LogOffset& offset :
       {LogOffset{.delta = kDelta, .temperature = 1, .capped = {}}, none}) {
    const std::vector<std::byte> expected =
        corrected(values, dtype, offset, {.kind = kind, .output = output}).bytes();
    PlacingSink sink(expected.size(), static_cast<std::int64_t>(expected.size()) / 700);
    ScoreSet set = test::scores(values, kClasses, dtype, "test.npy");
    correct(set, offset, {.kind = kind, .output = output, .dtype = dtype, .threads = 2}, sink);
    EXPECT_EQ(sink.bytes(), expected);
  }
}

// scale * z / T + delta of every kind: the exponents, in float64.
Values exponents_of(const Values& values, ScoreKind kind, const LogOffset& offset) {
  Values x(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double z = kind == ScoreKind::kProbs ? std::log(values[i]) : values[i];
    const std::size_t c = i % offset.delta.size();
    x[i] = (offset.scale.empty() ? 1 : offset.scale[c]) * z / offset.temperature + offset.delta[c];
  }
  return x;
}

// Expects `sink` to hold `output` of the exponents x; logits up to a constant of the row.
void expect_output(const test::MemorySink& sink, const Values& x, OutputKind output, DType dtype) {
  const std::vector<std::int64_t> labels =
      output == OutputKind::kLabels ? sink.labels() : std::vector<std::int64_t>();
  const Values written = output == OutputKind::kLabels ? Values() : sink.values();
  for (std::size_t i = 0; i < x.size(); i += kClasses) {
    const Values p = test::naive_posterior(x.data() + i, kClasses);
    const double best = *std::ranges::max_element(p);
    if (output == OutputKind::kLabels) {
      ASSERT_NEAR(p.at(static_cast<std::size_t>(labels[i / kClasses])), best, 1e-12);
      continue;
    }
    const double constant = output == OutputKind::kLogits ? written[i] - std::log(p[0]) : 0;
    for (std::size_t c = 0; c < kClasses; ++c) {
      const double exact = output == OutputKind::kProbs ? p[c] : std::log(p[c]) + constant;
      double bound = tolerance_of(dtype, exact);
      if (output == OutputKind::kLogits) bound += tolerance_of(dtype, written[i]);
      ASSERT_NEAR(written[i + c], exact, bound) << i << " " << c;
    }
  }
}

TEST_P(Correct, AppliesAScaleForEachClass) {
  const auto [kind, output, dtype] = GetParam();
  const Values values = input_of(kind, dtype, 700);
  const LogOffset offset{.delta = kDelta, .temperature = 1.6, .scale = {1.5, 0, -0.5, 1, 2}};
  const test::MemorySink sink = corrected(values, dtype, offset, {.kind = kind, .output = output});
  expect_output(sink, exponents_of(values, kind, offset), output, dtype);
}

TEST_P(Correct, AddsTheScoresOfASecondModel) {
  const auto [kind, output, dtype] = GetParam();
  const Values first = input_of(kind, dtype, 700);
  const LogOffset offset{.delta = kDelta,
                         .temperature = 1.6,
                         .scale = {1.5, 0, -0.5, 1, 2},
                         .second_temperature = 0.7};
  for (const ScoreKind second_kind :
       {ScoreKind::kLogits, ScoreKind::kProbs, ScoreKind::kLogProbs}) {
    Values second = input_of(second_kind, DType::kF64, 701);
    second.erase(second.begin(), second.begin() + kClasses);
    ScoreSet other = test::scores(second, kClasses, DType::kF64, "second.npy");
    const test::MemorySink sink =
        corrected(first, dtype, offset,
                  {.kind = kind, .output = output, .second = &other, .second_kind = second_kind});
    Values x = exponents_of(first, kind, offset);
    const Values more = exponents_of(
        second, second_kind, {.delta = Values(kClasses, 0.0), .temperature = 0.7, .scale = {}});
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += more[i];
    expect_output(sink, x, output, dtype);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Correct,
    ::testing::Combine(::testing::Values(ScoreKind::kLogits, ScoreKind::kProbs,
                                         ScoreKind::kLogProbs),
                       ::testing::Values(OutputKind::kLogits, OutputKind::kProbs,
                                         OutputKind::kLogProbs, OutputKind::kLabels),
                       ::testing::Values(DType::kF16, DType::kBF16, DType::kF32, DType::kF64)));

LogOffset identity(std::size_t classes) {
  return {.delta = Values(classes, 0.0), .temperature = 1, .capped = {}};
}

TEST(CorrectIdentity, KeepsTheBitsOfEveryKindAndType) {
  for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32, DType::kF64}) {
    const Values logits = {-0.0, 0.0, -kInf, 1e-7, 3, -7.25, 0.1, 1e4, -1e4, 42};
    const Values probs = {0.3, 0.1, 0.2, 0, 0.4, 0, 1, 0, 0, 0};
    const Values log_probs = {0, -kInf, -kInf, -kInf, -kInf, -kInf, 0, -kInf, -kInf, -30};
    const auto keeps = [&](const Values& values, ScoreKind kind, OutputKind output) {
      const test::MemorySink sink =
          corrected(values, dtype, identity(5), {.kind = kind, .output = output});
      const auto before = test::encoded(values, dtype);
      return std::memcmp(sink.bytes().data(), before.get(), sink.bytes().size()) == 0;
    };
    EXPECT_TRUE(keeps(logits, ScoreKind::kLogits, OutputKind::kLogits)) << dtype_name(dtype);
    EXPECT_TRUE(keeps(probs, ScoreKind::kProbs, OutputKind::kProbs)) << dtype_name(dtype);
    EXPECT_TRUE(keeps(log_probs, ScoreKind::kLogProbs, OutputKind::kLogProbs)) << dtype_name(dtype);
  }
}

TEST(CorrectIdentity, StillRefusesBadRows) {
  test::expect_bad_data({"test.npy", "row 1, column 0", "NaN"}, [] {
    corrected({1, 2, std::nan(""), 4}, DType::kF32, identity(2), {});
  });
}

TEST(CorrectIdentity, ScalesOfOneKeepTheBits) {
  LogOffset ones = identity(2);
  ones.scale = {1, 1};
  const Values z = {-0.0, 0.1, 3, -kInf};
  EXPECT_EQ(corrected(z, DType::kF32, ones, {}).bytes(),
            corrected(z, DType::kF32, identity(2), {}).bytes());
}

TEST(CorrectScale, KeepsMaskedClassesMaskedWhateverTheScale) {
  const LogOffset offset{.delta = {1, 1, 0}, .temperature = 2, .scale = {0, -1, 1}};
  for (const DType dtype : {DType::kF16, DType::kF32, DType::kF64}) {
    EXPECT_EQ(corrected({-kInf, -kInf, 2}, dtype, offset, {}).values(), (Values{-kInf, -kInf, 1}));
    EXPECT_EQ(corrected({-kInf, -kInf, 2}, dtype, offset, {.output = OutputKind::kLabels}).labels(),
              (std::vector<std::int64_t>{2}));
  }
}

TEST(CorrectScale, RefusesLogitsThatANegativeScaleLiftsBeyondFloat16) {
  const LogOffset offset{.delta = {0, 0}, .temperature = 1, .scale = {-2, 1}};
  test::expect_bad_data({"test.npy", "row 1", "120000", "65504", "float32"}, [&] {
    corrected({1, 2, -60000, 1}, DType::kF16, offset, {});
  });
}

TEST(CorrectScale, AcceptsLogitsThatTheScaleBringsIntoTheRangeOfTheOutput) {
  ScoreSet set = test::scores({1e6, 5e5}, 2, DType::kF32, "test.npy");
  test::MemorySink sink(DType::kF16, 1, 2);
  correct(set, {.delta = {0, 0}, .temperature = 1, .scale = {0.001, 0.001}}, {.dtype = DType::kF16},
          sink);
  EXPECT_EQ(sink.values(), (Values{1000, 500}));
}

TEST(CorrectScale, RefusesRowsWhoseEveryLogitFallsBelowFloat16) {
  const LogOffset offset{.delta = {0, 0}, .temperature = 1, .scale = {2, 2}};
  test::expect_bad_data({"row 0", "-80000", "65504"}, [&] {
    corrected({-40000, -50000}, DType::kF16, offset, {});
  });
  EXPECT_EQ(corrected({-40000, 5}, DType::kF16, offset, {}).values(), (Values{-kInf, 10}));
}

TEST(CorrectScale, RefusesScalesOfAnotherNumberOfClasses) {
  test::expect_bad_data({"3 scales", "2 offsets"}, [] {
    corrected({1, 2}, DType::kF32, {.delta = {0, 0}, .temperature = 1, .scale = {1, 1, 1}}, {});
  });
}

const LogOffset kSum{.delta = {-1, 1}, .temperature = 1, .scale = {}, .second_temperature = 2};

TEST(CorrectSecond, AddsLogitsExactlyAndRoundsOnce) {
  ScoreSet second = test::scores({4, -2, -kInf, 8}, 2, DType::kF16, "second.npy");
  EXPECT_EQ(corrected({1, 2, 3, 4}, DType::kF32, kSum, {.second = &second}).values(),
            (Values{2, 2, -kInf, 9}));
}

TEST(CorrectSecond, ReadsFilesThatAreCutElsewhere) {
  const Values first = input_of(ScoreKind::kLogits, DType::kF32, kBlockRows + 900);
  const Values second = input_of(ScoreKind::kLogits, DType::kF64, kBlockRows + 900);
  const LogOffset offset{.delta = kDelta, .temperature = 1, .scale = {}, .second_temperature = 2};
  ScoreSet whole = test::scores(second, kClasses);
  const auto cut = [&](std::int64_t from, std::int64_t to) {
    return test::source(Values(second.begin() + from * kClasses, second.begin() + to * kClasses),
                        kClasses);
  };
  ScoreSet parts = test::set_of(cut(0, 13), cut(13, 4500), cut(4500, kBlockRows + 900));
  EXPECT_EQ(corrected(first, DType::kF32, offset, {.second = &parts}).bytes(),
            corrected(first, DType::kF32, offset, {.second = &whole}).bytes());
}

TEST(CorrectSecond, WritesTheSameBytesForAnyNumberOfThreads) {
  const Values first = input_of(ScoreKind::kLogits, DType::kF32, 3 * kBlockRows + 11);
  ScoreSet second = test::scores(first, kClasses);
  const LogOffset offset{.delta = kDelta, .temperature = 1, .scale = {}, .second_temperature = 3};
  const auto one = corrected(first, DType::kF32, offset, {.second = &second});
  EXPECT_EQ(corrected(first, DType::kF32, offset, {.second = &second, .threads = 3}).bytes(),
            one.bytes());
}

TEST(CorrectSecond, IsAskedForWhenMissing) {
  test::expect_usage({"--second"}, [] { corrected({1, 2}, DType::kF32, kSum, {}); });
}

TEST(CorrectSecond, RefusesASumBeyondFloat16) {
  ScoreSet second = test::scores({0, 0, 0, 20000}, 2, DType::kF32, "second.npy");
  test::expect_bad_data({"test.npy", "row 1", "70001", "65504"}, [&] {
    corrected({1, 2, 1, 60000}, DType::kF16, kSum, {.second = &second});
  });
}

TEST(Correct, GivesClassesOfTargetZeroNothing) {
  const LogOffset offset{.delta = {0.5, -kInf, -0.5}, .temperature = 1, .capped = {}};
  const Values z = {1, 9, 2};
  EXPECT_EQ(corrected(z, DType::kF32, offset, {}).values(), (Values{1.5, -kInf, 1.5}));
  EXPECT_EQ(corrected(z, DType::kF32, offset, {.output = OutputKind::kProbs}).values(),
            (Values{0.5, 0, 0.5}));
  EXPECT_EQ(corrected(z, DType::kF32, offset, {.output = OutputKind::kLogProbs}).values()[1],
            -kInf);
  EXPECT_EQ(corrected(z, DType::kF32, offset, {.output = OutputKind::kLabels}).labels()[0], 0);
}

TEST(Correct, KeepsMaskedClassesMasked) {
  const LogOffset offset{.delta = {0.5, 1, -1.5}, .temperature = 2, .capped = {}};
  EXPECT_EQ(corrected({1, -kInf, 2}, DType::kF16, offset, {}).values()[1], -kInf);
}

TEST(Correct, BreaksTiesToTheLowestClass) {
  const LogOffset offset{.delta = {-1, 1, 0}, .temperature = 1, .capped = {}};
  EXPECT_EQ(corrected({2, 0, 1}, DType::kF64, offset, {.output = OutputKind::kLabels}).labels()[0],
            0);
}

TEST(Correct, RefusesLogitsBeyondFloat16) {
  const LogOffset offset{.delta = {-40, 40}, .temperature = 1, .capped = {}};
  test::expect_bad_data({"test.npy", "row 1", "65504", "float32", "--output probs"}, [&] {
    corrected({1, 2, 3, 65472}, DType::kF16, offset, {});
  });
  const LogOffset cold{.delta = {0, 0}, .temperature = 0.5, .capped = {}};
  test::expect_bad_data({"row 0", "65504"}, [&] { corrected({40000, 2}, DType::kF16, cold, {}); });
}

TEST(Correct, RefusesLogitsThatTheOutputTypeCannotHold) {
  for (const double delta : {0.0, 1.0}) {
    ScoreSet set = test::scores({1, 2, 3, 1e6}, 2, DType::kF32, "test.npy");
    test::MemorySink sink(DType::kF16, 2, 2);
    const LogOffset offset{.delta = {-delta, delta}, .temperature = 1, .capped = {}};
    test::expect_bad_data({"test.npy", "row 1", "65504"}, [&] {
      correct(set, offset, {.kind = ScoreKind::kLogits, .dtype = DType::kF16}, sink);
    });
  }
}

TEST(Correct, RefusesSaturatedFloat16Scores) {
  test::expect_bad_data({"row 0", "saturated"}, [] {
    corrected({65504, 2}, DType::kF16, identity(2), {});
  });
}

TEST(Correct, NamesABadRowDeepInALaterFile) {
  Values values(static_cast<std::size_t>(kBlockRows + 300) * 2, 1.0);
  values[static_cast<std::size_t>(kBlockRows + 200) * 2 + 1] = kInf;
  for (const auto output : {OutputKind::kLogits, OutputKind::kProbs, OutputKind::kLabels}) {
    ScoreSet set = test::set_of(test::source({1, 2}, 2, DType::kF32, "a.npy"),
                                test::source(values, 2, DType::kF32, "b.npy"));
    const bool labels = output == OutputKind::kLabels;
    test::MemorySink sink(labels ? DType::kI64 : DType::kF32, set.rows(), labels ? 1 : 2);
    const LogOffset offset{.delta = {-1, 1}, .temperature = 1, .capped = {}};
    test::expect_bad_data({"'b.npy', row 4296, column 1", "+inf"}, [&] {
      correct(set, offset, {.output = output, .dtype = DType::kF32, .threads = 2}, sink);
    });
  }
}

TEST(Correct, RefusesRowsOfAnotherKind) {
  const LogOffset offset{.delta = {-1, 1}, .temperature = 1, .capped = {}};
  test::expect_bad_data({"row 1"}, [&] {
    corrected({0.5, 0.5, 3, 4}, DType::kF32, offset,
              {.kind = ScoreKind::kProbs, .output = OutputKind::kProbs});
  });
}

TEST(Correct, RefusesAPriorOfAnotherModel) {
  ScoreSet set = test::scores({1, 2, 3}, 3, DType::kF32, "test.npy");
  test::MemorySink sink(DType::kF32, 1, 3);
  test::expect_bad_data({"test.npy", "3 classes", "prior has 2"},
                        [&] { correct(set, identity(2), {}, sink); });
}

TEST(Correct, WritesTheSameBytesForAnyNumberOfThreads) {
  const Values values = input_of(ScoreKind::kLogits, DType::kF32, 3 * kBlockRows + 11);
  const LogOffset offset{.delta = kDelta, .temperature = 1.25, .capped = {}};
  for (const auto output : {OutputKind::kLogits, OutputKind::kProbs, OutputKind::kLabels}) {
    const auto one = corrected(values, DType::kF32, offset, {.output = output, .threads = 1});
    for (const int threads : {0, 2, 7}) {
      const auto many =
          corrected(values, DType::kF32, offset, {.output = output, .threads = threads});
      EXPECT_EQ(one.bytes(), many.bytes()) << threads;
    }
  }
}

TEST(Correct, WritesASequentialSinkInOrder) {
  const Values values = input_of(ScoreKind::kLogits, DType::kF32, 3 * kBlockRows + 11);
  const LogOffset offset{.delta = kDelta, .temperature = 1, .capped = {}};
  const auto sink = corrected(values, DType::kF32, offset, {.threads = 4}, false);
  EXPECT_TRUE(sink.in_order());
  EXPECT_EQ(sink.bytes(), corrected(values, DType::kF32, offset, {}).bytes());
}

TEST(Correct, WidensTheFilesOfADataSetToOneType) {
  ScoreSet set = test::set_of(test::source({1.5, 2.5}, 2, DType::kF16),
                              test::source({0.1, 7}, 2, DType::kF32));
  test::MemorySink sink(DType::kF32, 2, 2);
  correct(set, {.delta = {-0.5, 0.5}, .temperature = 1, .capped = {}}, {.dtype = DType::kF32},
          sink);
  EXPECT_EQ(sink.values(), (Values{1, 3, static_cast<double>(0.1F - 0.5F), 7.5}));
}

TEST(Correct, CountsProgressInRows) {
  std::atomic<std::int64_t> done{0};
  corrected(input_of(ScoreKind::kLogits, DType::kF32, 5000), DType::kF32, identity(5),
            {.rows_done = &done});
  EXPECT_EQ(done.load(), 5000);
}

}  // namespace
}  // namespace p2p
