#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>

#include "generators.hpp"

namespace p2p {
namespace {

using test::applied;
using test::assert_near;
using test::DataSet;
using test::draw_data;
using test::estimate;

Method draw_method() { return *rc::gen::element(Method::kP2P, Method::kEmpirical); }
double draw_strength() { return *rc::gen::inRange(1, 21) / 10.0; }

ClassPrior drawn_prior(const DataSet& data) {
  EstimateOptions options;
  options.counts = data.counts;
  return estimate(data.scores, data.classes, options);
}

RC_GTEST_PROP(Offset, LowersTheClassOfTheLargestResidual, ()) {
  const DataSet data = draw_data();
  const ClassPrior prior = drawn_prior(data);
  CorrectionOptions options;
  options.strength = draw_strength();
  const LogOffset offset = make_correction(prior, options).offset;
  const auto head = std::ranges::max_element(prior.residual) - prior.residual.begin();
  const auto lowest = std::ranges::min_element(offset.delta) - offset.delta.begin();
  RC_ASSERT(head == lowest);
  RC_ASSERT(offset.delta[static_cast<std::size_t>(head)] <= 0);
}

RC_GTEST_PROP(Offset, OrdersClassesAgainstTheEmpiricalPrior, ()) {
  const DataSet data = draw_data();
  CorrectionOptions options;
  options.method = Method::kEmpirical;
  const LogOffset offset = make_correction(drawn_prior(data), options).offset;
  for (std::size_t c = 1; c < data.classes; ++c) {
    RC_ASSERT((data.counts[c] < data.counts[c - 1]) == (offset.delta[c] > offset.delta[c - 1]));
  }
}

RC_GTEST_PROP(Offset, HasMeanZero, ()) {
  const DataSet data = draw_data();
  CorrectionOptions options;
  options.method = draw_method();
  options.strength = draw_strength();
  const LogOffset offset = make_correction(drawn_prior(data), options).offset;
  const double sum = std::accumulate(offset.delta.begin(), offset.delta.end(), 0.0);
  RC_ASSERT(std::abs(sum) < 1e-10);
}

RC_GTEST_PROP(Offset, IsTheIdentityAtStrengthZeroAndForMethodNone, ()) {
  const DataSet data = draw_data(50);
  const DType dtype = test::draw_dtype();
  CorrectionOptions options;
  options.target = data.counts;
  options.method = draw_method();
  if (*rc::gen::arbitrary<bool>()) {
    options.strength = 0;
  } else {
    options.method = Method::kNone;
  }
  const LogOffset offset = make_correction(drawn_prior(data), options).offset;
  RC_ASSERT(offset.is_identity());
  RC_ASSERT(applied(data.scores, offset, OutputKind::kLogits, dtype) ==
            test::rounded(data.scores, dtype));
}

RC_GTEST_PROP(Offset, RecoversScoresWhenTakenBack, ()) {
  const DataSet data = draw_data(100);
  CorrectionOptions options;
  options.method = draw_method();
  options.strength = draw_strength();
  LogOffset offset = make_correction(drawn_prior(data), options).offset;
  for (const auto& [dtype, unit] : {std::pair{DType::kF64, 0x1p-52}, {DType::kF32, 0x1p-23}}) {
    const std::vector<double> before = test::rounded(data.scores, dtype);
    const std::vector<double> there = applied(before, offset, OutputKind::kLogits, dtype);
    LogOffset back = offset;
    for (double& d : back.delta) d = -d;
    // Errors are relative to the largest number on the way: |z| + |delta|, below 64 here.
    assert_near(applied(there, back, OutputKind::kLogits, dtype), before, 64 * unit);
  }
}

RC_GTEST_PROP(Offset, AimedAtTheEffectivePriorChangesNothing, ()) {
  const DataSet data = draw_data();
  const ClassPrior prior = drawn_prior(data);
  RC_PRE(prior.floored.empty());
  CorrectionOptions options;
  options.target = prior.effective;
  assert_near(make_correction(prior, options).offset.delta, std::vector<double>(data.classes, 0.0),
              1e-12);
}

RC_GTEST_PROP(Offset, MovesTheMeanPosteriorTowardsTheTarget, ()) {
  // The mean posterior of the corrected rows is nearer to uniform than before.
  const DataSet data = draw_data();
  RC_PRE(data.rows >= 20U);
  const ClassPrior prior = drawn_prior(data);
  const ClassPrior after =
      estimate(applied(data.scores, make_correction(prior, {}).offset), data.classes);
  const auto largest = [](const ClassPrior& p) { return *std::ranges::max_element(p.effective); };
  RC_ASSERT(largest(after) <= largest(prior) + 1e-12);
}

}  // namespace
}  // namespace p2p
