#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "p2p/estimate.hpp"
#include "p2p/track.hpp"
#include "support/expect_error.hpp"
#include "support/matrices.hpp"
#include "support/synthetic.hpp"

namespace p2p {
namespace {

using test::expect_bad_data;
using test::expect_usage;
using Vector = std::vector<double>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

const Vector kLongTail = test::long_tail(4, 20);
const Vector kReversed(kLongTail.rbegin(), kLongTail.rend());

/// r = model prior / exp(b), as an estimate over very many rows would find it.
ClassPrior known_prior(const Vector& pi, const Vector& b = {}, double temperature = 1) {
  ClassPrior prior;
  prior.n_rows = 1'000'000;
  prior.effective = prior.empirical = pi;
  prior.settings.temperature = temperature;
  prior.settings.training_offset = b.empty() ? Vector(pi.size(), 0.0) : b;
  for (std::size_t c = 0; c < pi.size(); ++c) {
    prior.settings.counts.push_back(1e6 * pi[c]);
    prior.residual.push_back(pi[c] / std::exp(prior.settings.training_offset[c]));
  }
  prior.residual = normalised(prior.residual, "residual");
  return prior;
}

Vector rows_of(const Vector& labels, std::int64_t rows, std::uint64_t seed, const Vector& b = {},
               const Vector& pi = kLongTail) {
  return test::synthetic({.rows = rows,
                          .rows_prior = labels,
                          .model_prior = pi,
                          .training_offset = b,
                          .seed = seed})
      .scores;
}

TrackStep feed(PriorTracker& tracker, const Vector& rows, int threads = 1,
               std::int64_t classes = 4) {
  ScoreSet batch = test::scores(rows, classes);
  return tracker.update(batch, {.kind_stated = true, .threads = threads});
}

/// Batches of 100 rows whose labels follow `labels`.
TrackStep feed_many(PriorTracker& tracker, const Vector& labels, int batches, std::uint64_t seed,
                    const Vector& b = {}) {
  TrackStep last;
  for (int i = 0; i < batches; ++i) {
    last = feed(tracker, rows_of(labels, 100, seed + static_cast<std::uint64_t>(i), b));
  }
  return last;
}

double tv(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t c = 0; c < a.size(); ++c) sum += std::abs(a[c] - b[c]) / 2;
  return sum;
}

Vector log_of(const Vector& values) {
  Vector logs;
  for (const double v : values) logs.push_back(std::log(v));
  return logs;
}

class Tracker : public testing::TestWithParam<bool> {
 protected:
  /// b = 0 or b = log pi.
  const Vector b_ = GetParam() ? log_of(kLongTail) : Vector{};
};
INSTANTIATE_TEST_SUITE_P(TrainingOffset, Tracker, testing::Bool(),
                         [](const auto& info) { return info.param ? "LogPi" : "Zero"; });

TEST_P(Tracker, FindsAPriorThatTheModelWasNotTrainedOn) {
  PriorTracker tracker(known_prior(kLongTail, b_), {.half_life = 3000});
  const TrackStep last = feed_many(tracker, kReversed, 250, 1, b_);
  EXPECT_GT(tv(kLongTail, kReversed), 0.7);
  EXPECT_LT(tv(last.target, kReversed), 0.03);
}

TEST_P(Tracker, FollowsAPriorThatDrifts) {
  PriorTracker tracker(known_prior(kLongTail, b_), {.half_life = 1500});
  Vector moving(4);
  double behind = 0;
  for (int i = 0; i <= 300; ++i) {
    const double share = i / 300.0;
    for (std::size_t c = 0; c < 4; ++c) {
      moving[c] = (1 - share) * kLongTail[c] + share * kReversed[c];
    }
    const auto step = feed(tracker, rows_of(moving, 100, static_cast<std::uint64_t>(i), b_));
    if (i >= 100) behind = std::max(behind, tv(step.target, moving));
  }
  // It lags by about the rows of one half-life over ln 2 and what EM leaves: 0.73 per 30,000 rows.
  EXPECT_LT(behind, 0.2);
}

TEST_P(Tracker, OffsetIsTheLogRatioOfTrackedAndResidualPriorWithMeanZero) {
  const ClassPrior prior = known_prior(kLongTail, b_);
  PriorTracker tracker(prior, {.half_life = 100});
  const TrackStep step = feed(tracker, rows_of(kReversed, 500, 3, b_));
  double mean = 0;
  for (std::size_t c = 0; c < 4; ++c) mean += std::log(step.target[c] / prior.residual[c]) / 4;
  for (std::size_t c = 0; c < 4; ++c) {
    EXPECT_NEAR(step.offset.delta[c], std::log(step.target[c] / prior.residual[c]) - mean, 1e-12);
  }
}

TEST_P(Tracker, OneBatchAgreesWithTheFormula) {
  const ClassPrior prior = known_prior(kLongTail, b_, 1.7);
  const Vector& r = prior.residual;
  const Vector t0{0.4, 0.3, 0.2, 0.1};
  PriorTracker tracker(prior, {.target = t0, .half_life = 200});
  Vector t = t0;
  double drift = 0;
  for (const std::uint64_t seed : {5U, 6U, 7U}) {
    const Vector rows = rows_of(kReversed, 90, seed, b_);
    Vector mean(4);
    double gain = 0;
    for (std::size_t i = 0; i < 90; ++i) {
      Vector likelihood(4);
      double with_t = 0;
      double with_t0 = 0;
      for (std::size_t c = 0; c < 4; ++c) {
        likelihood[c] = std::exp(rows[i * 4 + c] / 1.7) / r[c];
        with_t += likelihood[c] * t[c];
        with_t0 += likelihood[c] * t0[c];
      }
      for (std::size_t c = 0; c < 4; ++c) mean[c] += likelihood[c] * t[c] / with_t / 90;
      gain += std::log(with_t / with_t0);
    }
    const TrackStep step = feed(tracker, rows);
    drift = std::max(0.0, drift - gain);
    const double eta = 1 - std::pow(2, -90.0 / 200);
    for (std::size_t c = 0; c < 4; ++c) {
      t[c] = (1 - eta) * t[c] + eta * mean[c];
      EXPECT_NEAR(step.target[c], t[c], 1e-12);
    }
    EXPECT_NEAR(step.gain, gain / 90, 1e-12);
    EXPECT_NEAR(step.drift, drift, 1e-10);
  }
}

TEST(PriorTracker, BeginsWithoutAnyCorrection) {
  const PriorTracker tracker(known_prior(kLongTail, log_of(kLongTail)));
  for (const double d : tracker.offset().delta) EXPECT_NEAR(d, 0, 1e-12);
}

TEST(PriorTracker, BeginsAtTheTargetItIsGiven) {
  const PriorTracker tracker(known_prior(kLongTail), {.target = {1, 1, 1, 1}});
  EXPECT_EQ(tracker.target(), Vector(4, 0.25));
  EXPECT_GT(tracker.offset().delta[3] - tracker.offset().delta[0], std::log(19.9));
}

TEST(PriorTracker, SizeOfBatchesDoesNotMatterToFirstOrder) {
  const Vector rows = rows_of(kReversed, 4000, 11);
  std::vector<Vector> found;
  for (const std::size_t size : {20U, 400U}) {
    PriorTracker tracker(known_prior(kLongTail), {.half_life = 5000});
    for (std::size_t at = 0; at < 4000; at += size) {
      feed(tracker, {rows.begin() + static_cast<std::ptrdiff_t>(4 * at),
                     rows.begin() + static_cast<std::ptrdiff_t>(4 * (at + size))});
    }
    found.push_back(tracker.target());
  }
  EXPECT_GT(tv(found[0], kLongTail), 0.1);
  EXPECT_LT(tv(found[0], found[1]), 0.01);
}

TEST(PriorTracker, ForgetsHalfOfAPriorInAHalfLife) {
  PriorTracker tracker(known_prior({0.5, 0.5}), {.half_life = 100});
  Vector sure;
  for (int i = 0; i < 100; ++i) sure.insert(sure.end(), {80.0, 0.0});
  EXPECT_NEAR(feed(tracker, sure, 1, 2).target[1], 0.25, 1e-12);
}

TEST(PriorTracker, SameBitsForAnyNumberOfThreads) {
  const Vector rows = rows_of(kReversed, 20'000, 13);
  std::vector<TrackStep> steps;
  for (const int threads : {1, 3}) {
    PriorTracker tracker(known_prior(kLongTail));
    feed(tracker, rows, threads);
    steps.push_back(feed(tracker, rows, threads));
  }
  EXPECT_EQ(steps[0].target, steps[1].target);
  EXPECT_EQ(steps[0].gain, steps[1].gain);
  EXPECT_EQ(steps[0].drift, steps[1].drift);
}

TEST(PriorTracker, ScheduledResetForgetsEverythingBeforeTheBatch) {
  PriorTracker tracker(known_prior(kLongTail), {.half_life = 500, .reset_every = 3});
  PriorTracker fresh(known_prior(kLongTail), {.half_life = 500});
  for (std::uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(feed(tracker, rows_of(kReversed, 200, i)).reset, TrackReset::kNone);
  }
  const Vector rows = rows_of(kLongTail, 200, 9);
  const TrackStep fourth = feed(tracker, rows);
  EXPECT_EQ(fourth.reset, TrackReset::kSchedule);
  EXPECT_EQ(fourth.target, feed(fresh, rows).target);
  EXPECT_EQ(fourth.batch, 4);
  EXPECT_EQ(fourth.total_rows, 800);
}

TEST(PriorTracker, ResetsWhenTheStoredPriorExplainsTheRowsBetterAgain) {
  PriorTracker tracker(known_prior(kLongTail), {.half_life = 5000});
  feed_many(tracker, kReversed, 100, 1);
  const Vector back = rows_of(kLongTail, 200, 777);
  const TrackStep step = feed(tracker, back);
  EXPECT_EQ(step.reset, TrackReset::kDrift);
  EXPECT_LT(step.gain * 200, -20);
  EXPECT_EQ(step.drift, 0);
  PriorTracker fresh(known_prior(kLongTail), {.half_life = 5000});
  EXPECT_EQ(step.target, feed(fresh, back).target);
}

TEST(PriorTracker, SmallBatchesAddUpToADriftReset) {
  PriorTracker tracker(known_prior(kLongTail), {.half_life = 5000});
  feed_many(tracker, kReversed, 100, 1);
  std::int64_t rows = 0;
  while (rows < 400 &&
         feed(tracker, rows_of(kLongTail, 1, 1000 + static_cast<std::uint64_t>(rows))).reset ==
             TrackReset::kNone) {
    ++rows;
  }
  EXPECT_GT(rows, 5);
  EXPECT_LT(rows, 200);
}

TEST(PriorTracker, NeverResetsWhileTheTrackedPriorIsTheBetterOne) {
  PriorTracker tracker(known_prior(kLongTail), {.half_life = 5000, .reset_every = 0});
  for (std::uint64_t i = 0; i < 300; ++i) {
    const TrackStep step = feed(tracker, rows_of(kReversed, 100, i));
    EXPECT_EQ(step.reset, TrackReset::kNone);
    EXPECT_GE(step.gain, i > 0 ? 1e-9 : 0);
  }
}

TEST(PriorTracker, AnInfiniteLimitNeverResetsOnDrift) {
  PriorTracker tracker(known_prior(kLongTail), {.half_life = 5000, .drift_limit = kInfinity});
  feed_many(tracker, kReversed, 100, 1);
  EXPECT_EQ(feed(tracker, rows_of(kLongTail, 2000, 5)).reset, TrackReset::kNone);
}

TEST(PriorTracker, AClassThatIsNeverSeenKeepsALeastShare) {
  PriorTracker tracker(known_prior({0.5, 0.5}), {.half_life = 10, .largest_weight = 100});
  Vector sure;
  for (int i = 0; i < 1000; ++i) sure.insert(sure.end(), {80.0, 0.0});
  for (int i = 0; i < 5; ++i) feed(tracker, sure, 1, 2);
  EXPECT_NEAR(tracker.target()[1], 0.005, 1e-4);
}

TEST(PriorTracker, AThousandClassesKeepWithinTheLargestWeight) {
  const Vector pi = test::long_tail(1000, 500);
  PriorTracker tracker(known_prior(pi), {.half_life = 50, .largest_weight = 10});
  Vector reversed(pi.rbegin(), pi.rend());
  for (std::uint64_t i = 0; i < 5; ++i) {
    feed(tracker, rows_of(reversed, 100, i, {}, pi), 1, 1000);
  }
  double total = 0;
  for (std::size_t c = 0; c < 1000; ++c) {
    // The cut comes before the shares are normalised.
    EXPECT_GT(tracker.target()[c] / pi[c], 0.1 / 3);
    EXPECT_LT(tracker.target()[c] / pi[c], 10 * 3);
    total += tracker.target()[c];
  }
  EXPECT_NEAR(total, 1, 1e-12);
}

TEST(PriorTracker, ExactlyZeroPosteriorsDoNoHarm) {
  PriorTracker tracker(known_prior({0.5, 0.3, 0.2}), {.half_life = 10});
  const TrackStep step = feed(tracker, {0, -kInfinity, -kInfinity, 1, 2, -kInfinity}, 1, 3);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_TRUE(std::isfinite(step.offset.delta[c]));
    EXPECT_GT(step.target[c], 0);
  }
}

TEST(PriorTracker, AClassWhoseTargetIsZeroStaysSwitchedOff) {
  PriorTracker tracker(known_prior(kLongTail), {.target = {1, 1, 1, 0}, .half_life = 100});
  const TrackStep step = feed(tracker, rows_of(kReversed, 300, 2));
  EXPECT_EQ(step.target[3], 0);
  EXPECT_EQ(step.offset.delta[3], -kInfinity);
}

TEST(PriorTracker, ExcludedClassesAndClassesWithoutImagesKeepTheirScore) {
  ClassPrior prior = known_prior({0.3, 0.3, 0.2, 0.1, 0.1});
  prior.settings.excluded = {0};
  prior.settings.counts[4] = 0;
  prior.residual[0] = prior.residual[4] = kNaN;
  const double total = 0.6;
  for (const std::size_t c : {1U, 2U, 3U}) prior.residual[c] /= total;
  PriorTracker tracker(prior, {.half_life = 100});
  Vector rows;
  for (int i = 0; i < 50; ++i) rows.insert(rows.end(), {0, 3, 0, 0, -5});
  const TrackStep step = feed(tracker, rows, 1, 5);
  EXPECT_EQ(step.offset.delta[0], 0);
  EXPECT_EQ(step.offset.delta[4], 0);
  EXPECT_TRUE(std::isnan(step.target[0]) && std::isnan(step.target[4]));
  EXPECT_GT(step.target[1], 0.5);
  EXPECT_NEAR(step.target[1] + step.target[2] + step.target[3], 1, 1e-12);
}

TEST(PriorTracker, RowsOfAnExcludedClassTeachNothing) {
  ClassPrior prior = known_prior({0.5, 0.3, 0.2});
  prior.settings.excluded = {0};
  prior.residual = {kNaN, 0.6, 0.4};
  PriorTracker tracker(prior, {.half_life = 10});
  Vector background;
  for (int i = 0; i < 1000; ++i) background.insert(background.end(), {60, 1, 0});
  const TrackStep step = feed(tracker, background, 1, 3);
  EXPECT_NEAR(step.target[1], 0.6, 1e-9);
}

TEST(PriorTracker, GoesOnFromASavedStateWithTheSameBits) {
  const TrackOptions options{.half_life = 700, .reset_every = 7};
  PriorTracker whole(known_prior(kLongTail), options);
  PriorTracker before(known_prior(kLongTail), options);
  feed_many(whole, kReversed, 5, 1);
  feed_many(before, kReversed, 5, 1);
  PriorTracker after(known_prior(kLongTail), options);
  after.load(parse_tracker_state(write_tracker_state(before.save()), "state"), "state");
  for (std::uint64_t i = 0; i < 6; ++i) {
    const Vector rows = rows_of(kLongTail, 50, i);
    const TrackStep a = feed(whole, rows);
    const TrackStep b = feed(after, rows);
    EXPECT_EQ(a.target, b.target);
    EXPECT_EQ(a.drift, b.drift);
    EXPECT_EQ(a.gain, b.gain);
    EXPECT_EQ(a.reset, b.reset);
    EXPECT_EQ(a.batch, b.batch);
    EXPECT_EQ(a.total_rows, b.total_rows);
  }
}

TEST(PriorTracker, KeepsSourceAndPositionForTheCaller) {
  PriorTracker::State state = PriorTracker(known_prior(kLongTail)).save();
  state.source = "a \"file\"\n.npy";
  state.position = 12345678901;
  const auto found = parse_tracker_state(write_tracker_state(state), "state");
  EXPECT_EQ(found.source, state.source);
  EXPECT_EQ(found.position, state.position);
}

TEST(PriorTracker, RefusesTheStateOfAnotherPrior) {
  PriorTracker tracker(known_prior(kLongTail));
  expect_bad_data({"'s.json'", "another prior"},
                  [&] { tracker.load(PriorTracker(known_prior(kReversed)).save(), "s.json"); });
  expect_bad_data({"'s.json'", "another prior"}, [&] {
    tracker.load(PriorTracker(known_prior(kLongTail, {}, 2)).save(), "s.json");
  });
}

TEST(PriorTracker, RefusesTheStateOfAnotherTarget) {
  PriorTracker tracker(known_prior(kLongTail));
  const PriorTracker uniform(known_prior(kLongTail), {.target = {1, 1, 1, 1}});
  expect_bad_data({"'s.json'", "--target"}, [&] { tracker.load(uniform.save(), "s.json"); });
}

TEST(PriorTracker, RefusesADamagedState) {
  PriorTracker tracker(known_prior(kLongTail));
  for (const Vector& target : {Vector{0.5, 0.5}, Vector{0.5, 0.5, 0.5, 0.5}, Vector{1, 0, 0, 0},
                               Vector{kNaN, 0.5, 0.3, 0.2}, Vector{-1, 1, 0.5, 0.5}}) {
    PriorTracker::State state = tracker.save();
    state.target = target;
    expect_bad_data({"'s.json'", "damaged"}, [&] { tracker.load(state, "s.json"); });
  }
}

TEST(TrackerState, NamesTheKeyThatIsWrong) {
  const std::string good = write_tracker_state(PriorTracker(known_prior(kLongTail)).save());
  const auto without = [&](const std::string& text, const std::string& instead) {
    std::string bad = good;
    bad.replace(bad.find(text), text.size(), instead);
    return bad;
  };
  const auto parse = [](const std::string& text) {
    static_cast<void>(parse_tracker_state(text, "s.json"));
  };
  expect_bad_data({"'s.json'", "not a tracker state"}, [&] { parse(good.substr(0, 40)); });
  expect_bad_data({"not a tracker state"}, [&] { parse("[]"); });
  expect_bad_data({"\"rows\""}, [&] { parse(without("\"rows\": 0", "\"rows\": -1")); });
  expect_bad_data({"\"batches\""}, [&] { parse(without("\"batches\": 0", "\"batches\": 0.5")); });
  expect_bad_data({"\"version\""}, [&] { parse(without("\"version\": 1", "\"version\": 2")); });
  expect_bad_data({"\"drift\""}, [&] { parse(without("\"drift\": 0", "\"drift\": null")); });
  expect_bad_data({"\"target\""}, [&] { parse(without("\"target\": [", "\"target\": [\"a\", ")); });
  expect_bad_data({"\"position\""}, [&] { parse(without("\"position\"", "\"place\"")); });
}

TEST(PriorTracker, ABadRowIsNamedAndChangesNothing) {
  PriorTracker tracker(known_prior(kLongTail), {.half_life = 100, .reset_every = 1});
  feed(tracker, rows_of(kReversed, 100, 1));
  const Vector before = tracker.target();
  Vector rows = rows_of(kReversed, 5000, 2);
  rows[4 * 4800 + 2] = kNaN;
  expect_bad_data({"row 4800", "column 2", "NaN"}, [&] { feed(tracker, rows, 2); });
  EXPECT_EQ(tracker.target(), before);
  EXPECT_EQ(tracker.rows(), 100);
  EXPECT_EQ(tracker.batches(), 1);
}

TEST(PriorTracker, RefusesScoresOfAnotherModel) {
  PriorTracker tracker(known_prior(kLongTail));
  expect_bad_data({"5 classes", "4"}, [&] { feed(tracker, Vector(10, 0.0), 1, 5); });
}

TEST(PriorTracker, RefusesScoresOfAnotherKind) {
  PriorTracker tracker(known_prior(kLongTail));
  ScoreSet probabilities = test::scores(Vector(400, 0.25), 4);
  expect_bad_data({"probabilities"}, [&] { tracker.update(probabilities, {}); });
  EXPECT_EQ(tracker.update(probabilities, {.kind = ScoreKind::kProbs}).rows, 100);
}

TEST(PriorTracker, RefusesOptionsOutOfRange) {
  const auto make = [](const TrackOptions& options) {
    const PriorTracker tracker(known_prior(kLongTail), options);
  };
  expect_usage({"--half-life"}, [&] { make({.half_life = 0}); });
  expect_usage({"--half-life"}, [&] { make({.half_life = kInfinity}); });
  expect_usage({"--reset-every"}, [&] { make({.reset_every = -1}); });
  expect_usage({"--drift"}, [&] { make({.drift_limit = 0}); });
  expect_usage({"--drift"}, [&] { make({.drift_limit = kNaN}); });
  expect_usage({"weight"}, [&] { make({.largest_weight = 0.5}); });
  expect_bad_data({"2 values for 4 classes"}, [&] { make({.target = {1, 1}}); });
  expect_bad_data({"target"}, [&] { make({.target = {0, 0, 0, 0}}); });
}

}  // namespace
}  // namespace p2p
