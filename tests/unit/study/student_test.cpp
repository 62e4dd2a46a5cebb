#include "study/student.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace p2p::study {
namespace {

// scipy.stats.t.ppf(0.9875, freedom), scipy 1.17.1.
TEST(StudentQuantile, AgreesWithScipy) {
  EXPECT_NEAR(student_quantile_of_two(4), 3.4954059325164417, 3e-3);
  EXPECT_NEAR(student_quantile_of_two(6), 2.9686866834541867, 4e-4);
  EXPECT_NEAR(student_quantile_of_two(10), 2.6337669157116004, 3e-5);
  EXPECT_NEAR(student_quantile_of_two(50), 2.3109139355649053, 1e-8);
}

TEST(StudentQuantile, IsNormalForManyDegrees) {
  EXPECT_NEAR(student_quantile_of_two(std::numeric_limits<double>::infinity()), 2.241402727604947,
              1e-15);
}

}  // namespace
}  // namespace p2p::study
