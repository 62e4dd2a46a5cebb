#include "kernels/resample.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "kernel_testing.hpp"

namespace p2p::kernels::testing {
namespace {

class Resample : public EveryTarget {};
P2P_FOR_EVERY_TARGET(Resample);

ReplicateKeys some_keys(unsigned seed) {
  std::mt19937 random(seed);
  ReplicateKeys keys;
  for (PairKey& key : keys) {
    key.first = static_cast<std::uint32_t>(random());
    key.second = static_cast<std::uint32_t>(random());
  }
  return keys;
}

/// Sums with their memory.
struct Sums {
  explicit Sums(std::size_t classes)
      : drawn(classes * kReplicates),
        hits(drawn.size()),
        false_positives(drawn.size()),
        scales(drawn.size()) {
    sums.drawn = drawn.data();
    sums.hits = hits.data();
    sums.false_positives = false_positives.data();
    sums.scales = scales.data();
  }
  std::vector<std::int32_t> drawn, hits;
  std::vector<double> false_positives;
  std::vector<float> scales;
  ReplicateSums sums;
};

struct Rows {
  Rows(std::size_t count, std::int32_t classes, unsigned seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> uniform(0, 1);
    counts.resize(static_cast<std::size_t>(classes));
    for (std::size_t i = 0; i < count; ++i) {
      RowOutcome row;
      row.doubt = uniform(random);
      row.loss = 5 * uniform(random);
      row.brier = 2 * uniform(random);
      // The last class has one row, the one before it none.
      row.label = i == 0 ? classes - 1 : static_cast<std::int32_t>(random()) & 1;
      row.predicted = uniform(random) < 0.6F ? row.label : classes / 2;
      row.row = static_cast<std::uint32_t>(i);
      rows.push_back(row);
      ++counts[static_cast<std::size_t>(row.label)];
    }
    std::ranges::sort(rows, std::ranges::greater(), &RowOutcome::doubt);
    for (std::size_t b = 0; b < 15; ++b) {
      cuts.width_ends[b] = static_cast<std::int64_t>(count * (b + 1) / 15);
      cuts.mass_ends[b] = static_cast<double>(count * (b + 1) / 15);
    }
  }
  std::vector<RowOutcome> rows;
  std::vector<std::int64_t> counts;
  CalibrationCuts cuts;
};

TEST_P(Resample, AgreesWithTheReference) {
  for (const std::size_t count : {1, 2, 20, 700, 30'000}) {
    const Rows data(count, 5, 1);
    const ReplicateKeys keys = some_keys(static_cast<unsigned>(count));
    Sums found(5), expected(5);
    resample(data.rows, data.counts, data.cuts, keys, found.sums);
    reference::resample(data.rows, data.counts, data.cuts, keys, expected.sums);
    EXPECT_EQ(found.drawn, expected.drawn);
    EXPECT_EQ(found.hits, expected.hits);
    const double near = 2e-6 * static_cast<double>(count);
    for (std::size_t i = 0; i < found.false_positives.size(); ++i) {
      ASSERT_NEAR(found.false_positives[i], expected.false_positives[i], near);
    }
    for (std::size_t r = 0; r < kReplicates; ++r) {
      ASSERT_NEAR(found.sums.loss[r], expected.sums.loss[r], 5 * near);
      ASSERT_NEAR(found.sums.brier[r], expected.sums.brier[r], 2 * near);
      ASSERT_NEAR(found.sums.ece[r], expected.sums.ece[r], near);
      // A cut may fall one row earlier or later by rounding.
      ASSERT_NEAR(found.sums.equal_mass[r], expected.sums.equal_mass[r], near + 15);
    }
  }
}

TEST_P(Resample, WeighsTheDrawsOfAClassToItsRows) {
  const Rows data(900, 5, 2);
  Sums found(5);
  resample(data.rows, data.counts, data.cuts, some_keys(1), found.sums);
  for (std::size_t r = 0; r < kReplicates; ++r) {
    double all = 0;
    for (std::size_t c = 0; c < 5; ++c) {
      const std::size_t at = c * kReplicates + r;
      all += found.false_positives[at];
      if (data.counts[c] == 0) continue;
      all += found.hits[at] * static_cast<double>(data.counts[c]) /
             static_cast<double>(found.drawn[at]);
    }
    EXPECT_NEAR(all, 900, 1e-3);
  }
}

TEST_P(Resample, KeepsEveryRowOfAClassThatIsNeverDrawn) {
  const Rows data(40, 5, 3);
  Sums found(5);
  const ReplicateKeys keys = some_keys(4);
  resample(data.rows, data.counts, data.cuts, keys, found.sums);
  int never = 0;
  for (std::size_t r = 0; r < kReplicates; ++r) {
    never += poisson_draw(keys, r, 0) == 0 ? 1 : 0;
    EXPECT_EQ(found.drawn[4 * kReplicates + r], std::max(poisson_draw(keys, r, 0), 1));
  }
  EXPECT_GT(never, 0);
}

TEST_P(Resample, AddsSignedGroups) {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (const std::int64_t count : {0, 1, 7, 260}) {
    std::vector<float> groups(static_cast<std::size_t>(count * kGroupCells));
    std::vector<float> signs(static_cast<std::size_t>(count * kGroupReplicates));
    std::vector<float> base(kGroupCells);
    for (float& value : groups) value = uniform(random);
    for (float& sign : signs) sign = uniform(random) < 0 ? -1.0F : 1.0F;
    for (float& value : base) value = uniform(random);
    std::array<float, kGroupCells * kGroupReplicates> found{}, expected{};
    add_signed_groups(groups.data(), count, signs.data(), base.data(), found.data());
    reference::add_signed_groups(groups.data(), count, signs.data(), base.data(), expected.data());
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-4);
  }
}

TEST(PoissonDraw, HasThePoissonFrequencies) {
  constexpr std::uint32_t kRows = 100'000;
  std::array<double, 16> frequency{};
  const ReplicateKeys keys = some_keys(6);
  for (const std::size_t r : {6, 7}) {
    for (std::uint32_t row = 0; row < kRows; ++row) {
      frequency[static_cast<std::size_t>(poisson_draw(keys, r, row))] += 0.5 / kRows;
    }
  }
  double expected = std::exp(-1.0);
  for (int k = 0; k < 7; expected /= ++k) {
    EXPECT_NEAR(frequency[static_cast<std::size_t>(k)], expected,
                5 * std::sqrt(expected / (2 * kRows)) + 2e-5)
        << k;
  }
}

// Correlations of 100,000 pairs have a standard deviation of 0.0032.
TEST(PoissonDraw, IsUncorrelatedBetweenReplicatesAndBetweenRows) {
  constexpr std::uint32_t kRows = 100'000;
  const ReplicateKeys keys = some_keys(7);
  const auto correlation = [&](std::size_t r, std::size_t s, std::uint32_t apart) {
    double sum = 0;
    for (std::uint32_t row = 0; row < kRows; ++row) {
      sum += (poisson_draw(keys, r, row) - 1) * (poisson_draw(keys, s, row + apart) - 1);
    }
    return sum / kRows;
  };
  EXPECT_NEAR(correlation(3, 3, 0), 1, 0.03);
  for (std::size_t s = 0; s < kReplicates; ++s) {
    if (s == 3) continue;
    EXPECT_NEAR(correlation(3, s, 0), 0, 0.015) << s;
  }
  for (const std::uint32_t apart : {1, 2, 3, 16, 64, 256, 4096, 65536}) {
    EXPECT_NEAR(correlation(3, 3, apart), 0, 0.015) << apart;
  }
}

// By the definition in docs/metrics.md, in Python.
TEST(PoissonDraw, IsTheSameForEver) {
  ReplicateKeys keys{};
  keys[0] = {0x01234567, 0x89abcdef};
  std::string draws;
  for (std::uint32_t row = 0; row < 24; ++row) {
    draws += std::to_string(poisson_draw(keys, 0, row));
    draws += std::to_string(poisson_draw(keys, 1, row));
  }
  EXPECT_EQ(draws, "160012011112203100211113111211100232113110102101");
}

}  // namespace
}  // namespace p2p::kernels::testing
