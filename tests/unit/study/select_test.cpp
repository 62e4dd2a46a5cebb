#include "p2p/select.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "p2p/estimate.hpp"
#include "p2p/matrix_source.hpp"
#include "support/expect_error.hpp"
#include "support/matrices.hpp"
#include "support/synthetic.hpp"

namespace p2p {
namespace {

constexpr std::size_t kClasses = 10;
const std::vector<double> kTail = test::long_tail(kClasses, 100);
const std::vector<double> kUniform(kClasses, 1.0 / kClasses);

std::vector<double> log_of(std::vector<double> values) {
  for (double& v : values) v = std::log(v);
  return values;
}

// A prior from training rows and labelled held-out rows of the same model.
struct Setting {
  explicit Setting(const std::vector<double>& offset = {}, std::int64_t holdout_rows = 3000,
                   const std::vector<double>& holdout_prior = kUniform,
                   const std::vector<double>& stated_offset = {}) {
    const test::Synthetic train = test::synthetic({.rows = 20000,
                                                   .rows_prior = kTail,
                                                   .model_prior = kTail,
                                                   .training_offset = offset,
                                                   .seed = 1});
    ScoreSet scores = test::scores(train.scores, train.classes);
    EstimateOptions options;
    options.kind = ScoreKind::kLogits;
    for (const double p : kTail) options.counts.push_back(std::round(20000 * p));
    if (!stated_offset.empty()) {
      options.training.loss = Training::Loss::kOffset;
      options.training.values = stated_offset;
    }
    prior = estimate_prior(scores, nullptr, options).prior;
    const test::Synthetic rows = test::synthetic({.rows = holdout_rows,
                                                  .rows_prior = holdout_prior,
                                                  .model_prior = kTail,
                                                  .training_offset = offset,
                                                  .seed = 2});
    holdout = std::make_unique<ScoreSet>(test::scores(rows.scores, rows.classes));
    labels = std::make_unique<VectorLabelSource>(rows.labels);
  }
  Evidence labelled(int threads = 1) const {
    Evidence evidence;
    evidence.holdout.scores = holdout.get();
    evidence.holdout.labels = labels.get();
    evidence.threads = threads;
    return evidence;
  }
  Evidence unlabelled() const {
    Evidence evidence;
    evidence.holdout.scores = holdout.get();
    return evidence;
  }

  ClassPrior prior;
  std::unique_ptr<ScoreSet> holdout;
  std::unique_ptr<VectorLabelSource> labels;
};

TEST(Select, CorrectsAModelWithTheLongTailInItsScores) {
  const Setting setting;
  const Selection selection = select_correction(setting.prior, {}, setting.labelled());
  EXPECT_EQ(selection.verdict, Verdict::kCorrect) << selection.sentence;
  EXPECT_GT(selection.chosen.gain, 10 * selection.chosen.gain_stderr);
}

TEST(Select, LeavesABalancedModelAlone) {
  const Setting setting(log_of(kTail), 3000, kUniform, log_of(kTail));
  const Selection selection = select_correction(setting.prior, {}, setting.labelled());
  EXPECT_EQ(selection.verdict, Verdict::kLeaveAlone) << selection.sentence;
  EXPECT_TRUE(selection.correction.offset.is_identity());
}

TEST(Select, LeavesAModelAloneThatWouldBeCorrectedTwice) {
  // A balanced model that is said to be trained with cross-entropy, whose q looks like pi.
  Setting setting(log_of(kTail));
  setting.prior.residual = kTail;
  setting.prior.effective = kTail;
  const Selection selection = select_correction(setting.prior, {}, setting.labelled());
  EXPECT_NE(selection.chosen.name, "p2p") << selection.sentence;
  EXPECT_NE(selection.chosen.name, "empirical") << selection.sentence;
}

TEST(Select, SaysWhenRowsAreTooFewToTell) {
  const Setting setting(log_of(kTail), 60, kUniform, log_of(kTail));
  const Selection selection = select_correction(setting.prior, {}, setting.labelled());
  EXPECT_EQ(selection.verdict, Verdict::kTooFewRows) << selection.sentence;
  EXPECT_TRUE(selection.correction.offset.is_identity());
}

TEST(Select, SaysWhenMostClassesHaveNoRows) {
  const Setting setting({}, 200, {0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0});
  const Selection selection = select_correction(setting.prior, {}, setting.labelled());
  EXPECT_EQ(selection.verdict, Verdict::kTooFewRows);
  EXPECT_NE(selection.sentence.find("8 of 10 classes"), std::string::npos) << selection.sentence;
}

TEST(Select, TakesTheSimplestWithinOneStandardError) {
  const Setting setting;
  const Selection selection = select_correction(setting.prior, {}, setting.labelled());
  for (const Candidate& candidate : selection.candidates) {
    if (candidate.name == selection.chosen.name) break;
    EXPECT_TRUE(!candidate.excluded.empty() || candidate.behind > candidate.behind_stderr)
        << candidate.name;
  }
  EXPECT_LE(selection.chosen.behind, selection.chosen.behind_stderr);
}

TEST(Select, ChoosesTheStrengthOfAMethod) {
  // Scores twice as sharp as they should be: the prior they carry is twice the long tail in log.
  Setting setting;
  for (double& r : setting.prior.residual) r = r * r;  // a prior that is corrected twice too far
  SelectOptions options;
  options.choose_method = false;
  options.choose_strength = true;
  const Selection selection = select_correction(setting.prior, options, setting.labelled());
  EXPECT_EQ(selection.verdict, Verdict::kCorrect) << selection.sentence;
  EXPECT_EQ(selection.chosen.strength, 0.5);
}

TEST(Select, RefusesWhatCostsAGroupTooMuch) {
  const Setting setting;
  SelectOptions options;
  options.group_loss = 0;
  options.many = 3000;
  const Selection selection = select_correction(setting.prior, options, setting.labelled());
  const auto p2p = std::ranges::find(selection.candidates, "p2p", &Candidate::name);
  ASSERT_NE(p2p, selection.candidates.end());
  EXPECT_NE(p2p->excluded.find("many falls from"), std::string::npos) << p2p->excluded;
  EXPECT_EQ(selection.verdict, Verdict::kLeaveAlone);
}

TEST(Select, NamesWhatPutEveryCandidateOut) {
  const Setting setting;
  SelectOptions options;
  options.choose_method = false;
  options.group_loss = 0;
  options.many = 3000;
  const Selection selection = select_correction(setting.prior, options, setting.labelled());
  EXPECT_NE(selection.sentence.find("p2p at strength 1 is out (many falls from"), std::string::npos)
      << selection.sentence;
}

TEST(Select, AGroupThatTheTargetLeavesOutMayFall) {
  const Setting setting;
  SelectOptions options;
  options.many = 500;
  options.correction.target = {1, 1, 1, 1, 1, 1, 0, 0, 0, 0};  // n_c < 500 from class 7 on
  const Selection selection = select_correction(setting.prior, options, setting.labelled());
  EXPECT_EQ(selection.verdict, Verdict::kCorrect) << selection.sentence;
}

TEST(Select, IsTheSameForAnyNumberOfThreads) {
  const Setting setting;
  const Selection a = select_correction(setting.prior, {}, setting.labelled(1));
  const Selection b = select_correction(setting.prior, {}, setting.labelled(3));
  EXPECT_EQ(a.sentence, b.sentence);
  EXPECT_EQ(a.correction.offset.delta, b.correction.offset.delta);
  for (std::size_t i = 0; i < a.candidates.size(); ++i) {
    EXPECT_EQ(a.candidates[i].excluded, b.candidates[i].excluded);
    if (a.candidates[i].excluded.empty()) {
      EXPECT_EQ(a.candidates[i].loss, b.candidates[i].loss);
    }
  }
}

TEST(Select, JudgesByTheTargetThatIsAskedFor) {
  // The rows of the target follow the long tail: nothing needs to be corrected.
  const Setting setting({}, 3000, kTail);
  SelectOptions options;
  options.correction.target = kTail;
  const Selection selection = select_correction(setting.prior, options, setting.labelled());
  EXPECT_EQ(selection.verdict, Verdict::kLeaveAlone) << selection.sentence;
}

TEST(SelectUnlabelled, TakesP2PFromHeldOutRowsWhenGiven) {
  const Setting setting({}, 3000, kTail);
  const Selection selection = select_correction(setting.prior, {}, setting.unlabelled());
  EXPECT_EQ(selection.verdict, Verdict::kCorrect) << selection.sentence;
  EXPECT_EQ(selection.chosen.name, "p2p (held-out)");
}

TEST(SelectUnlabelled, PassesOverHeldOutRowsOfAnotherDistribution) {
  const Setting setting;  // balanced
  const Selection selection = select_correction(setting.prior, {}, setting.unlabelled());
  EXPECT_EQ(selection.chosen.name, "p2p");
  ASSERT_EQ(selection.correction.warnings.size(), 1U);
  EXPECT_NE(selection.correction.warnings[0].find("the held-out rows were not used"),
            std::string::npos);
}

TEST(SelectUnlabelled, ElseFromTheRowsOfThePrior) {
  const Setting setting;
  const Selection selection = select_correction(setting.prior, {}, {});
  EXPECT_EQ(selection.verdict, Verdict::kCorrect);
  EXPECT_EQ(selection.chosen.name, "p2p");
  EXPECT_EQ(selection.correction.offset.delta, make_correction(setting.prior, {}).offset.delta);
}

TEST(SelectUnlabelled, LeavesScoresAloneThatCarryNoLongTail) {
  const Setting setting(log_of(kTail));
  const Selection selection = select_correction(setting.prior, {}, {});
  EXPECT_EQ(selection.verdict, Verdict::kLeaveAlone) << selection.sentence;
  EXPECT_NE(selection.sentence.find("--trained-with"), std::string::npos);
}

TEST(SelectUnlabelled, LeavesScoresAloneWhoseResidualIsTheTarget) {
  const Setting setting;
  SelectOptions options;
  options.correction.target = setting.prior.residual;
  const Selection selection = select_correction(setting.prior, options, {});
  EXPECT_EQ(selection.verdict, Verdict::kLeaveAlone);
  EXPECT_NE(selection.sentence.find("is the target already"), std::string::npos);
}

TEST(SelectUnlabelled, SaysThatMemorisedTrainingRowsTellNothing) {
  const test::Synthetic train = test::synthetic(
      {.rows = 2000, .rows_prior = kTail, .model_prior = kTail, .separation = 40, .seed = 1});
  ScoreSet scores = test::scores(train.scores, train.classes);
  EstimateOptions options;
  options.kind = ScoreKind::kLogits;
  for (const double p : kTail) options.counts.push_back(std::round(2000 * p));
  const ClassPrior prior = estimate_prior(scores, nullptr, options).prior;
  const Selection selection = select_correction(prior, {}, {});
  EXPECT_EQ(selection.verdict, Verdict::kLeaveAlone);
  EXPECT_NE(selection.sentence.find("memorised"), std::string::npos) << selection.sentence;
  EXPECT_NE(selection.sentence.find("--holdout"), std::string::npos);
}

TEST(Select, AStrengthCannotBeChosenWithoutLabels) {
  const Setting setting;
  SelectOptions options;
  options.choose_method = false;
  options.choose_strength = true;
  test::expect_usage({"--strength auto needs labelled held-out scores"},
                     [&] { static_cast<void>(select_correction(setting.prior, options, {})); });
}

TEST(Select, FoldsAreAtLeastTwo) {
  const Setting setting;
  SelectOptions options;
  options.folds = 1;
  test::expect_usage({"--folds must be from 2"}, [&] {
    static_cast<void>(select_correction(setting.prior, options, setting.labelled()));
  });
}

}  // namespace
}  // namespace p2p
