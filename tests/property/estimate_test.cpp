#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "generators.hpp"

namespace p2p {
namespace {

using test::assert_near;
using test::DataSet;
using test::draw_data;
using test::estimate;

constexpr double kClose = 1e-11;

RC_GTEST_PROP(Estimate, AgreesWithNaiveFloat64, ()) {
  const DataSet data = draw_data();
  const std::vector<double> sums = test::naive_sums(data.scores, data.classes, {}).posterior;
  EstimateOptions options;
  options.floor = 1e-12;
  assert_near(estimate(data.scores, data.classes, options).effective, normalised(sums, "sums"),
              kClose);
}

RC_GTEST_PROP(Estimate, IgnoresAConstantPerRow, ()) {
  const DataSet data = draw_data();
  std::mt19937 random(static_cast<unsigned>(*rc::gen::inRange(0, 1000)));
  std::uniform_real_distribution<double> constant(-50, 50);
  std::vector<double> shifted = data.scores;
  for (std::size_t i = 0; i < data.rows; ++i) {
    const double shift = constant(random);
    for (std::size_t c = 0; c < data.classes; ++c) shifted[i * data.classes + c] += shift;
  }
  assert_near(estimate(shifted, data.classes).effective,
              estimate(data.scores, data.classes).effective, kClose);
}

RC_GTEST_PROP(Estimate, FollowsAPermutationOfClasses, ()) {
  const DataSet data = draw_data();
  std::vector<std::size_t> order(data.classes);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937 random(static_cast<unsigned>(*rc::gen::inRange(0, 1000)));
  std::ranges::shuffle(order, random);
  DataSet permuted = data;
  for (std::size_t c = 0; c < data.classes; ++c) {
    permuted.counts[c] = data.counts[order[c]];
    for (std::size_t i = 0; i < data.rows; ++i) {
      permuted.scores[i * data.classes + c] = data.scores[i * data.classes + order[c]];
    }
  }
  EstimateOptions options;
  options.training.loss = Training::Loss::kLogitAdjusted;
  options.counts = data.counts;
  const ClassPrior prior = estimate(data.scores, data.classes, options);
  options.counts = permuted.counts;
  const ClassPrior other = estimate(permuted.scores, data.classes, options);
  const LogOffset delta = make_correction(prior, {}).offset;
  const LogOffset other_delta = make_correction(other, {}).offset;
  std::vector<double> effective, residual, stderrs, offset;
  for (const std::size_t c : order) {
    effective.push_back(prior.effective[c]);
    residual.push_back(prior.residual[c]);
    stderrs.push_back(prior.log_q_stderr[c]);
    offset.push_back(delta.delta[c]);
  }
  assert_near(other.effective, effective, kClose);
  assert_near(other.residual, residual, kClose);
  assert_near(other.log_q_stderr, stderrs, 1e-6);
  assert_near(other_delta.delta, offset, 1e-9);
}

RC_GTEST_PROP(Estimate, AgreesBetweenLogitsProbabilitiesAndTheirLogarithms, ()) {
  const DataSet data = draw_data();
  std::vector<double> probs, log_probs;
  for (std::size_t i = 0; i < data.scores.size(); i += data.classes) {
    for (const double p : test::naive_posterior(data.scores.data() + i, data.classes)) {
      probs.push_back(p);
      log_probs.push_back(std::log(p));
    }
  }
  EstimateOptions options;
  options.temperature = *rc::gen::inRange(5, 30) / 10.0;
  options.counts = data.counts;
  options.training.loss = Training::Loss::kLogitAdjusted;
  options.training.tau = *rc::gen::inRange(0, 20) / 10.0;
  const ClassPrior logits = estimate(data.scores, data.classes, options);
  options.kind = ScoreKind::kProbs;
  assert_near(estimate(probs, data.classes, options).residual, logits.residual, kClose);
  options.kind = ScoreKind::kLogProbs;
  assert_near(estimate(log_probs, data.classes, options).residual, logits.residual, kClose);
}

RC_GTEST_PROP(Estimate, AgreesBetweenWeightedAndRepeatedRows, ()) {
  // Rows of class c, each m_c times more often: counts say so in one case, the rows in the other.
  const DataSet data = draw_data(100);
  std::vector<std::int64_t> times(data.classes);
  for (auto& t : times) t = *rc::gen::inRange(1, 6);
  std::vector<double> counts(data.classes, 0.0), repeated;
  for (std::size_t i = 0; i < data.rows; ++i) {
    const auto label = static_cast<std::size_t>(data.labels[i]);
    counts[label] += static_cast<double>(times[label]);
    for (std::int64_t t = 0; t < times[label]; ++t) {
      repeated.insert(repeated.end(),
                      data.scores.begin() + static_cast<std::ptrdiff_t>(i * data.classes),
                      data.scores.begin() + static_cast<std::ptrdiff_t>((i + 1) * data.classes));
    }
  }
  EstimateOptions options;
  options.counts = counts;
  options.floor = 1e-12;
  const ClassPrior weighted =
      estimate(data.scores, data.classes, options, DType::kF64, &data.labels);
  EstimateOptions plain;
  plain.floor = 1e-12;
  assert_near(weighted.effective, estimate(repeated, data.classes, plain).effective, kClose);
}

RC_GTEST_PROP(Estimate, OfAnAdjustedModelIsThatOfItsPlainTwin, ()) {
  // A model z trained with la explains the training rows by z + tau log pi, as a plain model does.
  const DataSet data = draw_data();
  const double tau = *rc::gen::inRange(1, 20) / 10.0;
  const std::vector<double> pi = normalised(data.counts, "counts");
  std::vector<double> twin = data.scores;
  for (std::size_t i = 0; i < twin.size(); ++i) twin[i] += tau * std::log(pi[i % data.classes]);
  EstimateOptions options;
  options.counts = data.counts;
  const ClassPrior plain = estimate(twin, data.classes, options);
  options.training.loss = Training::Loss::kLogitAdjusted;
  options.training.tau = tau;
  const ClassPrior adjusted = estimate(data.scores, data.classes, options);
  assert_near(adjusted.effective, plain.effective, kClose);
  std::vector<double> residual(data.classes);
  for (std::size_t c = 0; c < data.classes; ++c) {
    residual[c] = plain.effective[c] / std::pow(pi[c], tau);
  }
  assert_near(adjusted.residual, normalised(residual, "r"), 1e-9);
}

RC_GTEST_PROP(Estimate, HasTheSameBytesForAnyNumberOfThreads, ()) {
  const DataSet data = draw_data(20'000, 4);
  const DType dtype = test::draw_dtype();
  EstimateOptions options;
  options.counts = data.counts;
  const bool labelled = *rc::gen::arbitrary<bool>();
  const auto* labels = labelled ? &data.labels : nullptr;
  const std::string one = write_prior(estimate(data.scores, data.classes, options, dtype, labels));
  for (const int threads : {2, 7}) {
    options.threads = threads;
    RC_ASSERT(write_prior(estimate(data.scores, data.classes, options, dtype, labels)) == one);
  }
}

RC_GTEST_PROP(Estimate, KeepsItsBytesThroughTheFile, ()) {
  const DataSet data = draw_data();
  EstimateOptions options;
  options.counts = data.counts;
  options.smoothing = *rc::gen::inRange(0, 100) / 7.0;
  const std::string text = write_prior(estimate(data.scores, data.classes, options));
  RC_ASSERT(write_prior(parse_prior(text, "prior")) == text);
}

RC_GTEST_PROP(Estimate, SumsToOneAndStaysPositive, ()) {
  const DataSet data = draw_data();
  EstimateOptions options;
  options.temperature = *rc::gen::inRange(1, 50) / 10.0;
  const ClassPrior prior = estimate(data.scores, data.classes, options, test::draw_dtype());
  for (const auto* values : {&prior.effective, &prior.residual}) {
    RC_ASSERT(std::abs(std::accumulate(values->begin(), values->end(), 0.0) - 1) < 1e-12);
    RC_ASSERT(std::ranges::all_of(*values, [](double v) { return v > 0 && v < 1; }));
  }
}

}  // namespace
}  // namespace p2p
