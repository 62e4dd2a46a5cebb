#include "metrics/calibration_bins.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace p2p::metrics {
namespace {

TEST(CalibrationBins, EdgeBelongsToTheBinBelow) {
  for (int k = 1; k <= kBins; ++k) EXPECT_EQ(bin_of(kBinEdges[static_cast<std::size_t>(k)]), k - 1);
}

TEST(CalibrationBins, JustAboveAnEdgeIsTheNextBin) {
  for (int k = 1; k < kBins; ++k) {
    EXPECT_EQ(bin_of(std::nextafter(kBinEdges[static_cast<std::size_t>(k)], 2.0)), k);
  }
}

TEST(CalibrationBins, ZeroIsInTheFirstAndRoundingAboveOneInTheLast) {
  EXPECT_EQ(bin_of(0.0), 0);
  EXPECT_EQ(bin_of(1e-300), 0);
  EXPECT_EQ(bin_of(std::nextafter(1.0, 2.0)), kBins - 1);
}

TEST(CalibrationBins, EdgesAreTheDoublesOfNumpyLinspace) {
  EXPECT_EQ(kBinEdges[1], 0x1.1111111111111p-4);
  EXPECT_EQ(kBinEdges[3], 0x1.999999999999ap-3);
  EXPECT_EQ(kBinEdges[7], 0x1.ddddddddddddep-2);
  EXPECT_EQ(kBinEdges[13], 0x1.bbbbbbbbbbbbcp-1);
}

}  // namespace
}  // namespace p2p::metrics
