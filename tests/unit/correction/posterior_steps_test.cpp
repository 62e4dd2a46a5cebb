#include "correction/posterior_steps.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/matrices.hpp"

namespace p2p::correction {
namespace {

using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();

Values posteriors(ScoreSet set, std::int64_t classes, const Affine& affine) {
  Values all;
  PosteriorSteps steps(classes, ScoreKind::kLogits, true, affine);
  scan_blocks(set, plan_blocks(set), {}, [&](int, const Chunk& chunk) {
    steps.run(chunk, [&](std::int64_t first, std::int64_t count, const double* p) {
      EXPECT_EQ(static_cast<std::size_t>(chunk.global_row + first) * 2, all.size());
      all.insert(all.end(), p, p + count * classes);
    });
  });
  return all;
}

TEST(PosteriorSteps, VisitsEveryRowOfEveryChunkInOrder) {
  constexpr std::int64_t kRows = 2 * kBlockRows + 5;
  Values scores;
  for (std::int64_t i = 0; i < kRows; ++i) {
    scores.push_back(static_cast<double>(i) / kRows);
    scores.push_back(0);
  }
  const Values p = posteriors(test::scores(scores, 2), 2, {.temperature = 0.5, .offset = {1, 0}});
  ASSERT_EQ(p.size(), scores.size());
  for (std::size_t i = 0; i < p.size(); i += 2) {
    EXPECT_NEAR(p[i], 1 / (1 + std::exp(-2 * scores[i] - 1)), 1e-14);
    EXPECT_NEAR(p[i] + p[i + 1], 1, 1e-15);
  }
}

TEST(PosteriorSteps, KeepsMaskedScoresMaskedUnderAnyScale) {
  EXPECT_EQ(posteriors(test::scores({-kInf, 0, 3, -kInf}, 2), 2, {.scale = {-1, 0}}),
            (Values{0, 1, 1, 0}));
}

}  // namespace
}  // namespace p2p::correction
