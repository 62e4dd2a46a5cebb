#include <gtest/gtest.h>

#include <string>

#include "p2p/correction.hpp"
#include "p2p/estimate.hpp"
#include "p2p/inspect.hpp"
#include "p2p/metrics.hpp"
#include "p2p/open.hpp"
#include "support/matrices.hpp"

namespace p2p {
namespace {

// Reference numbers: scripts/reference_numbers.py (float64 NumPy), 12 digits.
constexpr double kTolerance = 1e-9;       // float64 metrics of rounded scores
constexpr double kPriorTolerance = 4e-6;  // posteriors of float32 scores, kSoftmaxTolerance

const std::string kFile = P2P_SOURCE_DIR "/data/cifar10-lt100-resnet20-ce-mixup.npz:";

ClassPrior estimated() {
  ScoreSet scores = open_scores({kFile + "train_logits"});
  EstimateOptions options;
  options.counts = read_vector(kFile + "counts");
  options.threads = 2;
  return estimate_prior(scores, nullptr, options).prior;
}

// Metrics of the test scores after a correction, written in `dtype`.
Metrics corrected(Method method, DType dtype = DType::kF64) {
  ScoreSet scores = open_scores({kFile + "test_logits"});
  CorrectionOptions options;
  options.method = method;
  test::MemorySink sink(dtype, scores.rows(), scores.classes());
  correct(scores, make_correction(estimated(), options).offset, {.dtype = dtype, .threads = 2},
          sink);
  ScoreSet written = test::scores(sink.values(), scores.classes(), dtype);
  const auto labels = open_labels({kFile + "test_labels"});
  EvaluateOptions evaluation;
  evaluation.counts = read_vector(kFile + "counts");
  return evaluate(written, *labels, evaluation);
}

struct Expected {
  double accuracy, many, medium, nll, brier, ece, slope;
};

void expect_near(const MetricValues& values, const Expected& expected, double tolerance) {
  EXPECT_NEAR(values.accuracy, expected.accuracy, 1e-12);
  EXPECT_NEAR(values.many.value(), expected.many, 1e-12);
  EXPECT_NEAR(values.medium.value(), expected.medium, 1e-12);
  EXPECT_FALSE(values.few.has_value());
  EXPECT_NEAR(values.nll, expected.nll, tolerance);
  EXPECT_NEAR(values.brier, expected.brier, tolerance);
  EXPECT_NEAR(values.ece, expected.ece, tolerance);
  EXPECT_NEAR(values.residual_slope.value(), expected.slope, tolerance);
}

TEST(SamplePrior, IsTheReferencePrior) {
  const ClassPrior prior = estimated();
  const std::vector<double> q = {0.399110184545,   0.240772766561,  0.145586898412, 0.0896294226495,
                                 0.0495033421591,  0.0331078601517, 0.021637042173, 0.0118959725704,
                                 0.00520648641905, 0.00355002435958};
  const std::vector<double> log_q_stderr = {
      0.0097092583797, 0.0146085788706, 0.0171790491086, 0.0216393365223, 0.0296207510628,
      0.032852753505,  0.0448934281579, 0.0544324486558, 0.0673913828611, 0.0593802126173};
  EXPECT_EQ(prior.n_rows, 12'406);
  for (std::size_t c = 0; c < q.size(); ++c) {
    EXPECT_NEAR(prior.effective[c], q[c], kPriorTolerance * q[c]) << c;
    EXPECT_NEAR(prior.log_q_stderr[c], log_q_stderr[c], 1e-4 * log_q_stderr[c]) << c;
  }
}

TEST(SamplePrior, IsNotFarFromTheClassFrequencies) {
  const PriorInspection result = inspect_prior(estimated());
  EXPECT_NEAR(result.distance->tv, 0.00917623513103, 1e-7);
  EXPECT_NEAR(result.distance->kl, 0.000634344659232, 1e-7);
  EXPECT_NEAR(result.distance->max_ratio, 1.2849954079, 1e-5);
  EXPECT_EQ(result.gap, GapVerdict::kNoGap);
}

TEST(SamplePrior, ComesFromAModelOfThisTrainingAccuracy) {
  ScoreSet scores = open_scores({kFile + "train_logits"});
  const auto labels = open_labels({kFile + "train_labels"});
  EXPECT_NEAR(evaluate(scores, *labels, {}).values.accuracy, 0.911172013542, 1e-12);
}

TEST(SampleCorrection, NoneLeavesTheReferenceMetrics) {
  expect_near(corrected(Method::kNone).values,
              {.accuracy = 0.5862,
               .many = 0.70175,
               .medium = 0.124,
               .nll = 1.32625626529,
               .brier = 0.580723332848,
               .ece = 0.147741421145,
               .slope = 0.532824550637},
              kTolerance);
}

TEST(SampleCorrection, EmpiricalHasTheReferenceMetrics) {
  expect_near(corrected(Method::kEmpirical).values,
              {.accuracy = 0.7214,
               .many = 0.728125,
               .medium = 0.6945,
               .nll = 0.828383331102,
               .brier = 0.391976283772,
               .ece = 0.0250623667626,
               .slope = 0.007211087765},
              kTolerance);
}

constexpr Expected kP2P = {.accuracy = 0.7222,
                           .many = 0.72275,
                           .medium = 0.72,
                           .nll = 0.824747087534,
                           .brier = 0.390629383778,
                           .ece = 0.0262071943641,
                           .slope = -0.00519076681073};

TEST(SampleCorrection, P2PHasTheReferenceMetrics) {
  expect_near(corrected(Method::kP2P).values, kP2P, 1e-6);
}

TEST(SampleCorrection, P2PHasTheReferenceMetricsInTheTypeOfTheFile) {
  expect_near(corrected(Method::kP2P, DType::kF32).values, kP2P, 1e-6);
}

}  // namespace
}  // namespace p2p
