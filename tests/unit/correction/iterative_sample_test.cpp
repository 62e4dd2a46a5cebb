#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "p2p/correction.hpp"
#include "p2p/estimate.hpp"
#include "p2p/metrics.hpp"
#include "p2p/open.hpp"
#include "support/matrices.hpp"

namespace p2p {
namespace {

const std::string kFile = P2P_SOURCE_DIR "/data/cifar10-lt100-resnet20-ce-mixup.npz:";

ClassPrior estimated() {
  ScoreSet scores = open_scores({kFile + "train_logits"});
  EstimateOptions options;
  options.counts = read_vector(kFile + "counts");
  return estimate_prior(scores, nullptr, options).prior;
}

// Accuracy and NLL of the test scores after a correction, from the training rows as held-out rows
// and the test rows as unlabelled ones. Reference numbers: float64 NumPy.
void expect_metrics(const CorrectionOptions& options, double accuracy, double nll) {
  ScoreSet train = open_scores({kFile + "train_logits"});
  ScoreSet target = open_scores({kFile + "test_logits"});
  Evidence evidence;
  evidence.holdout.scores = &train;
  evidence.unlabelled.scores = &target;
  evidence.threads = 2;
  const LogOffset offset = make_correction(estimated(), options, evidence).offset;
  ScoreSet scores = open_scores({kFile + "test_logits"});
  test::MemorySink sink(DType::kF64, scores.rows(), scores.classes());
  correct(scores, offset, {.dtype = DType::kF64, .threads = 2}, sink);
  ScoreSet written = test::scores(sink.values(), scores.classes());
  const auto labels = open_labels({kFile + "test_labels"});
  const MetricValues found = evaluate(written, *labels, {}).values;
  EXPECT_NEAR(found.accuracy, accuracy, 1e-12);
  EXPECT_NEAR(found.nll, nll, 2e-6);
}

CorrectionOptions options_of(Method method, MatchTo to = MatchTo::kSource) {
  CorrectionOptions options;
  options.method = method;
  options.match_to = to;
  return options;
}

TEST(IterativeSample, MatchOnTheTrainingRows) {
  expect_metrics(options_of(Method::kMatch), 0.7216, 0.8235849344);
}

TEST(IterativeSample, MatchOnTheUnlabelledTestRows) {
  expect_metrics(options_of(Method::kMatch, MatchTo::kTarget), 0.7213, 0.8222419617);
}

TEST(IterativeSample, Gala) { expect_metrics(options_of(Method::kGala), 0.6692, 0.9473424127); }

// Textbook EM from the effective prior; float64 NumPy after 200 rounds (it stands still by then).
TEST(IterativeSample, PlainEmInTwoHundredRounds) {
  CorrectionOptions options = options_of(Method::kEm);
  options.em_damping = 0;
  options.largest_weight = std::numeric_limits<double>::infinity();
  options.max_rounds = 200;
  options.tolerance = 1e-300;
  options.allow_unconverged = true;
  expect_metrics(options, 0.7207, 0.8307602824);
}

TEST(IterativeSample, EmStandsWherePlainEmDoes) {
  expect_metrics(options_of(Method::kEm), 0.7207, 0.8307602824);
}

TEST(IterativeSample, EmTakesFewerPassesThanPlainEm) {
  ScoreSet target = open_scores({kFile + "test_logits"});
  Evidence evidence;
  evidence.unlabelled.scores = &target;
  CorrectionOptions options = options_of(Method::kEm);
  const std::size_t guarded = make_correction(estimated(), options, evidence).rounds.size();
  options.em_damping = 0;
  options.largest_weight = std::numeric_limits<double>::infinity();
  const std::size_t plain = make_correction(estimated(), options, evidence).rounds.size();
  EXPECT_LE(2 * guarded, plain);
}

}  // namespace
}  // namespace p2p
