#include "p2p/select.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "p2p/estimate.hpp"
#include "p2p/matrix_source.hpp"
#include "support/expect_error.hpp"
#include "support/matrices.hpp"
#include "support/reference_numbers.hpp"
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
  EXPECT_EQ(selection.correction.offset.delta,
            make_correction(setting.prior, {}).offset.delta);  // p2p
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

TEST(Select, JudgesEachCandidateOnRowsThatItWasNotFittedOn) {
  const Setting setting;
  const Selection selection = select_correction(setting.prior, {}, setting.labelled());
  ASSERT_EQ(selection.candidates.size(), 8U);
  for (const Candidate& candidate : selection.candidates) {
    const std::vector<double> expected = test::reference(
        "choice " + candidate.name + ": nll, gain, gain_stderr, behind, behind_stderr");
    const Judgement& nll = candidate.judged[0];
    const std::vector<double> found = {nll.value, nll.gain, nll.gain_stderr, candidate.behind,
                                       candidate.behind_stderr};
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_NEAR(found[i], expected[i], 1e-7) << candidate.name << ' ' << i;
    }
  }
}

TEST(Select, NeedsNoRowsForATargetThatStrengthZeroDoesNotLookAt) {
  const Setting setting;
  SelectOptions options;
  options.correction.strength = 0;
  options.correction.estimated_target = Method::kEm;
  EXPECT_TRUE(select_correction(setting.prior, options, {}).correction.offset.is_identity());
}

TEST(Select, MeasuresHeldOutRowsOfALogitAdjustedModelThatNeverSawAClass) {
  Setting setting;
  setting.prior.settings.counts[9] = 0;
  setting.prior.settings.training_offset[9] = -std::numeric_limits<double>::infinity();
  const Selection selection = select_correction(setting.prior, {}, setting.labelled());
  const auto found = std::ranges::find(selection.candidates, "p2p (held-out)", &Candidate::name);
  ASSERT_NE(found, selection.candidates.end());
  EXPECT_TRUE(std::isfinite(found->judged[0].value)) << found->excluded;
}

TEST(Select, TakesTheSimplestWithinOneStandardError) {
  const Setting setting;
  const Selection selection = select_correction(setting.prior, {}, setting.labelled());
  const auto place = static_cast<std::size_t>(test::reference("choice: place of the chosen")[0]);
  EXPECT_EQ(selection.chosen.name, selection.candidates.at(place).name);
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
  EXPECT_NE(selection.sentence.find("p2p at strength 1 is out (the recall of many falls from"),
            std::string::npos)
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
    if (!a.candidates[i].excluded.empty()) continue;
    for (std::size_t k = 0; k < kObjectives; ++k) {
      EXPECT_EQ(a.candidates[i].judged[k].value, b.candidates[i].judged[k].value);
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

TEST(Select, LeavesOutScalesThatWouldNotFitTheScoresToCorrect) {
  const Setting setting;
  SelectOptions options;
  const auto weighs_scales = [&] {
    const Selection selection = select_correction(setting.prior, options, setting.labelled());
    const bool said = std::ranges::any_of(selection.correction.warnings, [](const auto& warning) {
      return warning.starts_with("vector-scaling was left out");
    });
    const bool weighed = std::ranges::any_of(selection.candidates, [](const Candidate& candidate) {
      return candidate.method == Method::kVectorScaling;
    });
    EXPECT_NE(said, weighed);
    return weighed;
  };
  EXPECT_TRUE(weighs_scales());
  options.applied_to = ScoreKind::kLogits;
  EXPECT_TRUE(weighs_scales());
  options.applied_to = ScoreKind::kLogProbs;
  EXPECT_FALSE(weighs_scales());
}

TEST(Select, StrengthZeroIsTheIdentityAndNoCandidate) {
  const Setting setting;
  SelectOptions options;
  options.correction.strength = 0;
  const Selection selection = select_correction(setting.prior, options, setting.labelled());
  EXPECT_EQ(selection.verdict, Verdict::kLeaveAlone);
  EXPECT_TRUE(selection.candidates.empty());
  EXPECT_TRUE(selection.correction.offset.is_identity());
  EXPECT_NE(selection.sentence.find("--strength 0"), std::string::npos) << selection.sentence;
}

TEST(Select, BadDataOfACandidateEndsTheChoice) {
  const Setting setting;
  std::vector<double> rows(kClasses * 20, 0.5);
  rows[33] = std::nan("");
  ScoreSet unlabelled = test::scores(rows, kClasses, DType::kF64, "target");
  Evidence evidence = setting.labelled();
  evidence.unlabelled.scores = &unlabelled;
  test::expect_bad_data({"'target'", "row 3", "column 3"},
                        [&] { static_cast<void>(select_correction(setting.prior, {}, evidence)); });
}

TEST(Select, ACandidateThatDoesNotConvergeIsOut) {
  const Setting setting;
  SelectOptions options;
  options.correction.max_rounds = 1;
  const Selection selection = select_correction(setting.prior, options, setting.labelled());
  const auto match = std::ranges::find(selection.candidates, "match", &Candidate::name);
  ASSERT_NE(match, selection.candidates.end());
  EXPECT_NE(match->excluded.find("converge"), std::string::npos) << match->excluded;
  EXPECT_EQ(selection.verdict, Verdict::kCorrect);
}

TEST(Select, TheFitOnAllRowsHasToConvergeAsThoseOfTheFoldsDid) {
  const Setting setting;
  SelectOptions options;
  options.choose_method = false;
  options.choose_strength = true;
  options.group_loss = 1;
  options.folds = 2;
  options.correction.method = Method::kBias;
  int chosen = 0;
  for (options.correction.max_rounds = 4; options.correction.max_rounds < 30;
       ++options.correction.max_rounds) {
    bool converges = true;
    try {
      static_cast<void>(make_correction(setting.prior, options.correction, setting.labelled()));
    } catch (const Error&) {
      converges = false;
    }
    const Selection selection = select_correction(setting.prior, options, setting.labelled());
    if (!converges) {
      EXPECT_EQ(selection.verdict, Verdict::kLeaveAlone) << selection.sentence;
    }
    chosen += selection.verdict == Verdict::kCorrect ? 1 : 0;
  }
  EXPECT_GT(chosen, 0);
}

// Rows whose mean loss falls under delta = (1/2, -1/2) although class 1 is then never recognised.
// Class 0 leads by 0.1 in 90 % of its rows and is 10 behind in the others; class 1 leads by 0.9.
struct Traded {
  Traded() {
    std::vector<double> values;
    for (std::int64_t i = 0; i < 2 * kRows; ++i) {
      const bool first = i < kRows;
      const double lead = first ? (i % 10 == 0 ? -10 : 0.1) : -0.9;  // of class 0
      values.insert(values.end(), {lead + 5, 5.0});
      truth.push_back(first ? 0 : 1);
    }
    scores = std::make_unique<ScoreSet>(test::scores(values, 2));
    labels = std::make_unique<VectorLabelSource>(truth);
    ScoreSet rows = test::scores(values, 2);
    EstimateOptions estimate;
    estimate.kind = ScoreKind::kLogits;
    estimate.counts = {500, 500};
    prior = estimate_prior(rows, nullptr, estimate).prior;
    prior.residual = {1 / (1 + std::exp(1.0)), std::exp(1.0) / (1 + std::exp(1.0))};
    options.choose_method = false;
    options.group_loss = 1;
  }
  Selection select() {
    Evidence evidence;
    evidence.holdout.scores = scores.get();
    evidence.holdout.labels = labels.get();
    return select_correction(prior, options, evidence);
  }
  static constexpr std::int64_t kRows = 5000;
  std::vector<std::int64_t> truth;
  std::unique_ptr<ScoreSet> scores;
  std::unique_ptr<VectorLabelSource> labels;
  ClassPrior prior;
  SelectOptions options;
};

double softplus(double x) { return std::log1p(std::exp(x)); }

TEST(Select, RefusesWhatCostsAccuracyThoughTheNllFalls) {
  const Selection selection = Traded().select();
  const Candidate& p2p = selection.candidates.at(1);
  const double before = (0.9 * softplus(-0.1) + 0.1 * softplus(10) + softplus(-0.9)) / 2;
  const double after = (0.9 * softplus(-1.1) + 0.1 * softplus(9) + softplus(0.1)) / 2;
  EXPECT_NEAR(p2p.judged[0].gain, before - after, 1e-12);
  EXPECT_GT(p2p.judged[0].gain, 2 * p2p.judged[0].gain_stderr);
  EXPECT_NE(p2p.excluded.find("the accuracy weighted to the target falls from 0.95 to 0.45"),
            std::string::npos)
      << p2p.excluded;
  EXPECT_EQ(selection.verdict, Verdict::kLeaveAlone);
}

TEST(Select, SaysThatTheBestWasLeftOut) {
  const Selection selection = Traded().select();
  ASSERT_EQ(selection.correction.warnings.size(), 1U);
  EXPECT_NE(selection.correction.warnings[0].find("the best was left out"), std::string::npos)
      << selection.correction.warnings[0];
}

TEST(Select, ErrorsOfAccuraciesArePairedAndStratified) {
  const Selection selection = Traded().select();
  const Candidate& p2p = selection.candidates.at(1);
  // Every row of class 1 is lost, none of class 0 changes: no spread within a class.
  const Judgement& balanced = p2p.judged[static_cast<std::size_t>(Objective::kBalancedAccuracy)];
  EXPECT_DOUBLE_EQ(balanced.value, 0.45);
  EXPECT_DOUBLE_EQ(balanced.gain, -0.5);
  EXPECT_EQ(balanced.gain_stderr, 0);
}

TEST(Select, SaysWhereObjectivesDisagree) {
  // Held-out rows of the long tail: towards uniform, their accuracy falls.
  const Setting setting({}, 6000, kTail);
  SelectOptions options;
  options.group_loss = 1;
  options.choose_method = false;
  const Selection selection = select_correction(setting.prior, options, setting.labelled());
  EXPECT_EQ(selection.verdict, Verdict::kCorrect) << selection.sentence;
  ASSERT_EQ(selection.correction.warnings.size(), 1U);
  const std::string& warning = selection.correction.warnings[0];
  EXPECT_NE(warning.find("objectives disagree"), std::string::npos) << warning;
  EXPECT_NE(warning.find("the accuracy of the rows as they are goes from"), std::string::npos)
      << warning;
}

TEST(Select, JudgesByTheObjectiveThatIsAskedFor) {
  const Setting setting({}, 6000, kTail);
  SelectOptions options;
  options.group_loss = 1;
  options.choose_method = false;
  for (const Objective objective : {Objective::kAccuracy, Objective::kMacroF1}) {
    options.objective = objective;
    const Selection selection = select_correction(setting.prior, options, setting.labelled());
    EXPECT_NE(selection.verdict, Verdict::kCorrect) << selection.sentence;
    EXPECT_EQ(selection.objective, objective);
  }
  options.objective = Objective::kBalancedAccuracy;
  const Selection balanced = select_correction(setting.prior, options, setting.labelled());
  EXPECT_EQ(balanced.verdict, Verdict::kCorrect) << balanced.sentence;
  EXPECT_NE(balanced.sentence.find("raises the held-out balanced accuracy"), std::string::npos)
      << balanced.sentence;
}

TEST(Select, TowardsTheTrainingPriorUndoesClassWeights) {
  // Trained with weights 1 / pi: z is the balanced posterior, and the rows follow the long tail.
  const Setting setting(log_of(kTail), 6000, kTail, log_of(kTail));
  SelectOptions options;
  options.correction.target = kTail;
  const Selection selection = select_correction(setting.prior, options, setting.labelled());
  EXPECT_EQ(selection.verdict, Verdict::kCorrect) << selection.sentence;
  const auto place =
      static_cast<std::size_t>(test::reference("choice towards pi: place of the chosen")[0]);
  EXPECT_EQ(selection.chosen.name, selection.candidates.at(place).name);
  EXPECT_NEAR(selection.chosen.judged[0].value,
              test::reference("choice towards pi: nll of the chosen")[0], 1e-7);
}

TEST(Select, GroupsThatTheTargetWantsLessOfMayFall) {
  const Setting setting(log_of(kTail), 6000, kTail, log_of(kTail));
  SelectOptions options;
  options.correction.target = kTail;
  options.many = 500;
  options.few = 300;  // the three rarest classes
  const Selection selection = select_correction(setting.prior, options, setting.labelled());
  EXPECT_EQ(selection.verdict, Verdict::kCorrect) << selection.sentence;
  const std::vector<double> recall =
      test::reference("choice towards pi: recall of the few, none and the chosen");
  EXPECT_NEAR(selection.candidates.front().few.value(), recall[0], 1e-12);
  EXPECT_NEAR(selection.chosen.few.value(), recall[1], 1e-12);
  // Towards uniform the same fall is refused: these rows then count as the others do.
  options.correction.target = kUniform;
  options.choose_method = false;
  ClassPrior reversed = setting.prior;
  for (double& r : reversed.residual) r = 1 / r;
  const Selection refused = select_correction(reversed, options, setting.labelled());
  EXPECT_NE(refused.candidates.at(1).excluded, "");
}

TEST(UnusedInputs, AMatchOfTheEstimateLeavesHeldOutRowsAside) {
  Setting setting({}, 3000, kTail);
  SelectOptions options;
  options.choose_method = false;
  options.correction.method = Method::kMatch;
  EXPECT_TRUE(unused_inputs(setting.prior, options, setting.labelled()).empty());
  setting.prior.match = PriorMatch{};
  const std::vector<std::string> unused = unused_inputs(setting.prior, options, setting.labelled());
  ASSERT_EQ(unused.size(), 2U);
  EXPECT_EQ(unused[0], "--method match does not look at --holdout");
  EXPECT_NE(unused[1].find("iterated"), std::string::npos);
}

TEST(UnusedInputs, NamesOptionsOfOtherMethods) {
  const Setting setting;
  SelectOptions options;
  options.choose_method = false;
  options.correction.tau = 2;
  options.correction.eps = 0.1;
  options.correction.confusion = Confusion::kHard;
  options.objective = Objective::kAccuracy;
  const std::vector<std::string> unused = unused_inputs(setting.prior, options, {});
  ASSERT_EQ(unused.size(), 4U);
  EXPECT_EQ(unused[0], "--method p2p does not look at --tau");
  EXPECT_EQ(unused[1], "--method p2p does not look at --eps");
  EXPECT_EQ(unused[2], "--method p2p does not look at --confusion");
  EXPECT_NE(unused[3].find("--objective"), std::string::npos);
}

TEST(UnusedInputs, AutoLooksAtWhatOneOfItsCandidatesLooksAt) {
  const Setting setting;
  SelectOptions options;
  options.correction.tau = 2;  // of empirical
  EXPECT_TRUE(unused_inputs(setting.prior, options, setting.labelled()).empty());
  options.correction.match_to = MatchTo::kTarget;  // auto tries both
  ASSERT_EQ(unused_inputs(setting.prior, options, setting.labelled()).size(), 1U);
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

TEST(SelectUnlabelled, LeavesScoresAloneWhoseTrainingCountsNobodyKnows) {
  const test::Synthetic train =
      test::synthetic({.rows = 2000, .rows_prior = kTail, .model_prior = kTail, .seed = 1});
  ScoreSet scores = test::scores(train.scores, train.classes);
  EstimateOptions options;
  options.kind = ScoreKind::kLogits;
  const ClassPrior prior = estimate_prior(scores, nullptr, options).prior;
  const Selection selection = select_correction(prior, {}, {});
  EXPECT_EQ(selection.verdict, Verdict::kLeaveAlone);
  EXPECT_NE(selection.sentence.find("--counts"), std::string::npos) << selection.sentence;
  for (const double delta : selection.correction.offset.delta) EXPECT_EQ(delta, 0);
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
