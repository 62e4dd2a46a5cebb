#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "p2p/correct.hpp"
#include "support/expect_error.hpp"
#include "support/known_prior.hpp"
#include "support/matrices.hpp"

namespace p2p {
namespace {

LogOffset scaled(ScoreKind learned_from) {
  return {.delta = {0, 0}, .scale = {1, 2}, .scale_kind = learned_from};
}

TEST(LogOffset, ScalesOfLogitsFitLogitsAlone) {
  EXPECT_TRUE(scaled(ScoreKind::kLogits).fits(ScoreKind::kLogits));
  EXPECT_FALSE(scaled(ScoreKind::kLogits).fits(ScoreKind::kProbs));
  EXPECT_FALSE(scaled(ScoreKind::kLogits).fits(ScoreKind::kLogProbs));
}

TEST(LogOffset, ScalesOfProbabilitiesFitTheirLogarithmsToo) {
  EXPECT_TRUE(scaled(ScoreKind::kProbs).fits(ScoreKind::kLogProbs));
  EXPECT_TRUE(scaled(ScoreKind::kLogProbs).fits(ScoreKind::kProbs));
  EXPECT_FALSE(scaled(ScoreKind::kProbs).fits(ScoreKind::kLogits));
}

TEST(LogOffset, OneScaleForAllClassesFitsEveryKind) {
  const LogOffset offset{.delta = {0, 0}, .scale = {2, 2}, .scale_kind = ScoreKind::kProbs};
  EXPECT_TRUE(offset.fits(ScoreKind::kLogits));
}

TEST(LogOffset, OfVectorScalingRemembersWhatItsScalesWereLearnedFrom) {
  const test::KnownPrior known({});
  const LogOffset offset = known.correct(test::options_of(Method::kVectorScaling)).offset;
  EXPECT_EQ(offset.scale_kind, ScoreKind::kLogits);
  EXPECT_FALSE(known.correct(test::options_of(Method::kTemperature)).offset.scale_kind);
}

class NoRows final : public RowSink {
 public:
  [[nodiscard]] bool random_access() const override { return false; }
  void write(std::int64_t, std::int64_t, const void*) override { ADD_FAILURE() << "a row"; }
  void commit() override {}
};

TEST(Correct, RefusesScoresThatTheScalesDoNotFit) {
  ScoreSet scores = test::scores({0.25, 0.75}, 2);
  NoRows sink;
  test::expect_bad_data({"learned from probs", "logits", "temperature or bias"}, [&] {
    correct(scores, scaled(ScoreKind::kProbs), {.kind = ScoreKind::kLogits}, sink);
  });
}

}  // namespace
}  // namespace p2p
