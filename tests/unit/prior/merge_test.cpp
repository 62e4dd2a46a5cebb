#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "p2p/class_prior.hpp"
#include "p2p/estimate.hpp"
#include "p2p/matrix_source.hpp"
#include "support/expect_error.hpp"
#include "support/matrices.hpp"
#include "support/naive_prior.hpp"

namespace p2p {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<double> kTail = {0.6, 0.25, 0.1, 0.05};
constexpr std::size_t kFirstRows = 2 * kBlockRows + 100;
constexpr std::size_t kSecondRows = kBlockRows + 7;

// Two files of different element types as one data set.
class MergedParts : public ::testing::Test {
 protected:
  [[nodiscard]] ScoreSet files() const {
    const auto cut = sample_.scores.begin() + static_cast<std::ptrdiff_t>(4 * kFirstRows);
    return test::set_of(test::source({sample_.scores.begin(), cut}, 4, DType::kF32, "a.npy"),
                        test::source({cut, sample_.scores.end()}, 4, DType::kF16, "b.npy"));
  }
  [[nodiscard]] ClassPrior part(std::int64_t k, std::int64_t n, EstimateOptions options = {},
                                bool labelled = false) const {
    ScoreSet set = files();
    VectorLabelSource labels(sample_.labels);
    options.part = k;
    options.parts = n;
    return estimate_prior(set, labelled ? &labels : nullptr, options).prior;
  }

  test::Sample sample_ = test::long_tailed_sample(kFirstRows + kSecondRows, kTail);
};

TEST_F(MergedParts, EqualOnePassByteForByte) {
  const std::string whole = write_prior(part(1, 1));
  for (const std::int64_t parts : {2, 3, 5}) {
    ClassPrior merged = part(1, parts);
    for (std::int64_t k = 2; k <= parts; ++k) merged = merge(merged, part(k, parts));
    EXPECT_EQ(write_prior(merged), whole) << parts;
  }
}

TEST_F(MergedParts, EqualOnePassInAnyOrderAndThroughFiles) {
  const std::string whole = write_prior(part(1, 1));
  std::vector<std::int64_t> order = {1, 2, 3, 4};
  const auto reread = [](const ClassPrior& prior) { return parse_prior(write_prior(prior), "p"); };
  do {
    ClassPrior merged = part(order[0], 4);
    for (std::size_t i = 1; i < 4; ++i) merged = merge(reread(part(order[i], 4)), reread(merged));
    EXPECT_EQ(write_prior(merged), whole);
  } while (std::ranges::next_permutation(order).found && order[0] < 3);
  EXPECT_EQ(write_prior(merge(merge(part(4, 4), part(1, 4)), merge(part(2, 4), part(3, 4)))),
            whole);
}

TEST_F(MergedParts, EqualOnePassWithLabelsCountsSmoothingAndFloor) {
  EstimateOptions options;
  options.counts = {500, 400, 300, 20};
  options.smoothing = 10;
  options.floor = 1e-6;
  options.temperature = 1.5;
  options.training.loss = Training::Loss::kLogitAdjusted;
  options.excluded = {2};
  options.classes = {"a", "b", "c", "d"};
  const ClassPrior merged = merge(part(2, 2, options, true), part(1, 2, options, true));
  EXPECT_EQ(write_prior(merged), write_prior(part(1, 1, options, true)));
}

TEST_F(MergedParts, ListWhatIsMissing) {
  EXPECT_THAT(missing_parts(part(1, 1)), IsEmpty());
  EXPECT_THAT(missing_parts(part(2, 3)), ElementsAre("'a.npy': 2 of 3 parts missing: 1, 3",
                                                     "'b.npy': 2 of 3 parts missing: 1, 3"));
  const ClassPrior two = merge(part(3, 3), part(2, 3));
  EXPECT_THAT(missing_parts(two),
              ElementsAre("'a.npy': 1 of 3 parts missing: 1", "'b.npy': 1 of 3 parts missing: 1"));
  EXPECT_THAT(missing_parts(merge(two, part(1, 3))), IsEmpty());
}

TEST_F(MergedParts, ListAtMostTwentyMissingParts) {
  ClassPrior prior = part(1, 1);
  for (PriorInput& input : prior.inputs) input.parts = 1'000'000'000'000;
  const std::vector<std::string> missing = missing_parts(prior);
  ASSERT_EQ(missing.size(), 2U);
  EXPECT_THAT(missing[0], ::testing::EndsWith("19, 20, 21, ..."));
}

TEST_F(MergedParts, RefuseThePartThatIsThereAlready) {
  test::expect_bad_data({"part 2 of 3", "'a.npy'", "twice"},
                        [&] { merge(part(2, 3), merge(part(1, 3), part(2, 3))); });
  ClassPrior whole = part(1, 1);
  whole.inputs.front().record.sha256 = "ab";
  test::expect_bad_data({"part 1 of 1", "twice"}, [&] { merge(whole, whole); });
}

TEST_F(MergedParts, DoNotTellWholeArraysInMemoryApart) {
  const ClassPrior whole = part(1, 1);
  EXPECT_EQ(merge(whole, whole).n_rows, 2 * whole.n_rows);
}

TEST_F(MergedParts, RefusePartsCutDifferently) {
  test::expect_bad_data({"'a.npy'", "2 parts", "3"}, [&] { merge(part(1, 2), part(2, 3)); });
  test::expect_bad_data({"'a.npy'", "1 parts", "2"}, [&] { merge(part(1, 1), part(2, 2)); });
}

TEST(Merge, RefusesPriorsThatTookSeveralPasses) {
  const auto prior_of = [](const std::string& name, bool iterate) {
    ScoreSet set = test::scores({2, 1, -1, 3, 1, 1}, 2, DType::kF64, name);
    EstimateOptions options;
    options.counts = {2, 1};
    options.iterate = iterate;
    return estimate_prior(set, nullptr, options).prior;
  };
  const ClassPrior once = prior_of("a.npy", false);
  const ClassPrior iterated = prior_of("b.npy", true);
  for (const auto& [a, b] : {std::pair{once, iterated}, {iterated, once}}) {
    test::expect_bad_data({"--iterate", "cannot be merged"}, [&] { merge(a, b); });
  }
}

TEST(Merge, KeepsTheCopiesOfAFileApart) {
  // The same file twice in one data set: half of it is not the whole of one copy.
  const std::vector<double> values =
      test::long_tailed_sample(static_cast<std::size_t>(kBlockRows), kTail).scores;
  const auto part = [&](std::int64_t k, std::int64_t n) {
    ScoreSet set = test::set_of(test::source(values, 4), test::source(values, 4));
    EstimateOptions options;
    options.part = k;
    options.parts = n;
    return estimate_prior(set, nullptr, options).prior;
  };
  EXPECT_THAT(missing_parts(part(1, 2)), ElementsAre("'matrix': 1 of 2 parts missing: 2"));
  EXPECT_EQ(write_prior(merge(part(1, 2), part(2, 2))), write_prior(part(1, 1)));
}

TEST(Merge, PartsOfFilesOfTheSameBytesAreComplete) {
  const auto half = [](std::int64_t part, const std::string& name) {
    ScoreSet set = test::scores({2, 1, -1, 3}, 2, DType::kF64, name);
    ClassPrior prior = estimate_prior(set, nullptr, {}).prior;
    prior.inputs = {{{name, {8192, 2}, "ab"}, part, 2}};
    return prior;
  };
  const ClassPrior merged = merge(half(1, "a.npy"), half(2, "copy-of-a.npy"));
  EXPECT_THAT(missing_parts(merged), IsEmpty());
  test::expect_bad_data({"part 2 of 2", "twice"}, [&] { merge(merged, half(2, "a.npy")); });
}

TEST(Merge, AddsDataSetsThatAreNotPartsOfOne) {
  const test::Sample one = test::long_tailed_sample(500, kTail, 1);
  const test::Sample two = test::long_tailed_sample(700, kTail, 2);
  ScoreSet a = test::scores(one.scores, 4, DType::kF32, "a.npy");
  ScoreSet b = test::scores(two.scores, 4, DType::kF32, "b.npy");
  ScoreSet both = test::set_of(test::source(one.scores, 4, DType::kF32, "a.npy"),
                               test::source(two.scores, 4, DType::kF32, "b.npy"));
  const ClassPrior merged =
      merge(estimate_prior(b, nullptr, {}).prior, estimate_prior(a, nullptr, {}).prior);
  EXPECT_EQ(write_prior(merged), write_prior(estimate_prior(both, nullptr, {}).prior));
}

// Every setting that must agree, and the words that name it.
struct Difference {
  const char* word;
  std::function<void(PriorSettings&)> change;
};
class MergeRefuses : public ::testing::TestWithParam<Difference> {};

TEST_P(MergeRefuses, SettingsThatDiffer) {
  const std::vector<double> values = {1, 2, 3, 4};
  const auto prior = [&](const char* name) {
    ScoreSet set = test::scores(values, 2, DType::kF64, name);
    EstimateOptions options;
    options.counts = {3, 5};
    options.classes = {"x", "y"};
    return estimate_prior(set, nullptr, options).prior;
  };
  ClassPrior other = prior("b.npy");
  EXPECT_NO_THROW(merge(prior("a.npy"), other));
  GetParam().change(other.settings);
  test::expect_bad_data({GetParam().word}, [&] { merge(prior("a.npy"), other); });
  test::expect_bad_data({GetParam().word}, [&] { merge(other, prior("a.npy")); });
}

INSTANTIATE_TEST_SUITE_P(
    Settings, MergeRefuses,
    ::testing::Values(
        Difference{"class names",
                   [](PriorSettings& s) {
                     s.classes = {"y", "x"};
                   }},
        Difference{"counts",
                   [](PriorSettings& s) {
                     s.counts = {3, 6};
                   }},
        Difference{"counts", [](PriorSettings& s) { s.counts = {}; }},
        Difference{"offset",
                   [](PriorSettings& s) {
                     s.training_offset = {0, 1};
                   }},
        Difference{"temperature", [](PriorSettings& s) { s.temperature = 2; }},
        Difference{"how scores were read",
                   [](PriorSettings& s) { s.reading = {.normalise = true}; }},
        Difference{"kind of input", [](PriorSettings& s) { s.input_kind = ScoreKind::kProbs; }},
        Difference{"weighted", [](PriorSettings& s) { s.weighted = true; }},
        Difference{"--rows", [](PriorSettings& s) { s.rows = "holdout"; }},
        Difference{"smoothing", [](PriorSettings& s) { s.smoothing = 1; }},
        Difference{"floor", [](PriorSettings& s) { s.floor = 0.01; }},
        Difference{"excluded", [](PriorSettings& s) { s.excluded = {0}; }},
        Difference{"training loss", [](PriorSettings& s) { s.trained_with = "offset"; }}));

TEST(Merge, RefusesAnotherNumberOfClasses) {
  ScoreSet two = test::scores({1, 2}, 2);
  ScoreSet three = test::scores({1, 2, 3}, 3);
  test::expect_bad_data({"number of classes"}, [&] {
    merge(estimate_prior(two, nullptr, {}).prior, estimate_prior(three, nullptr, {}).prior);
  });
}

}  // namespace
}  // namespace p2p
