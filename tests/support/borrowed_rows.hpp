#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "p2p/evidence.hpp"

/// Evidence that borrows a score set, and offsets compared class by class.
namespace p2p::test {

inline Evidence holdout(ScoreSet& scores, int threads = 1) {
  Evidence evidence;
  evidence.holdout.scores = &scores;
  evidence.threads = threads;
  return evidence;
}

inline Evidence unlabelled(ScoreSet& scores, int threads = 1) {
  Evidence evidence;
  evidence.unlabelled.scores = &scores;
  evidence.threads = threads;
  return evidence;
}

inline void expect_near(const std::vector<double>& values, const std::vector<double>& expected,
                        double tolerance) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t c = 0; c < values.size(); ++c) {
    if (std::isinf(expected[c])) {
      EXPECT_EQ(values[c], expected[c]) << "class " << c;
    } else {
      EXPECT_NEAR(values[c], expected[c], tolerance) << "class " << c;
    }
  }
}

}  // namespace p2p::test
