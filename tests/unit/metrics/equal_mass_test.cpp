#include "metrics/equal_mass.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace p2p::metrics {
namespace {

using kernels::RowOutcome;

// Sorts all rows and cuts them as numpy.array_split does.
double by_sorting(std::vector<RowOutcome> rows) {
  std::ranges::sort(rows, [](const RowOutcome& a, const RowOutcome& b) {
    return a.doubt != b.doubt ? a.doubt > b.doubt : a.row < b.row;
  });
  double error = 0;
  std::size_t at = 0;
  for (std::size_t k = 0; k < 15; ++k) {
    double gap = 0;
    const std::size_t end = at + rows.size() / 15 + (k < rows.size() % 15 ? 1 : 0);
    for (; at < end; ++at) {
      const double confidence = 1 - static_cast<double>(rows[at].doubt);
      gap += confidence - (rows[at].label == rows[at].predicted ? 1 : 0);
    }
    error += std::abs(gap);
  }
  return error / static_cast<double>(rows.size());
}

std::vector<RowOutcome> random_rows(std::size_t count, int levels) {
  std::mt19937 random(7);
  std::vector<RowOutcome> rows(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto level = random() % static_cast<unsigned>(levels);
    rows[i].doubt = std::pow(static_cast<float>(level) / static_cast<float>(levels), 3.0F);
    rows[i].predicted = random() % 3 == 0 ? 1 : 0;
    rows[i].row = static_cast<std::uint32_t>(i);
  }
  return rows;
}

TEST(EqualMass, EqualsSortingAllRows) {
  for (const std::size_t count : {1, 14, 15, 16, 1000, 200'000}) {
    const std::vector<RowOutcome> rows = random_rows(count, 100'000);
    EXPECT_NEAR(ece_equal_mass(rows, 1), by_sorting(rows), 1e-9) << count;
  }
}

TEST(EqualMass, OrdersRowsOfOneConfidenceByTheirNumber) {
  for (const int levels : {1, 2, 5}) {
    const std::vector<RowOutcome> rows = random_rows(5000, levels);
    EXPECT_NEAR(ece_equal_mass(rows, 2), by_sorting(rows), 1e-9) << levels;
  }
}

TEST(EqualMass, IsTheSameForAnyNumberOfThreads) {
  const std::vector<RowOutcome> rows = random_rows(300'000, 1000);
  EXPECT_EQ(ece_equal_mass(rows, 1), ece_equal_mass(rows, 3));
}

}  // namespace
}  // namespace p2p::metrics
