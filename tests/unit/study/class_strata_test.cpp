#include "study/class_strata.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace p2p::study {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ClassStrata, ClassesOfEnoughRowsStandAloneFewestFirst) {
  const ClassStrata strata = class_strata({50, 5, 20}, 5, 20);
  EXPECT_EQ(strata.count, 3);
  EXPECT_THAT(strata.of_class, ElementsAre(2, 0, 1));
  EXPECT_THAT(strata.left_over, IsEmpty());
}

TEST(ClassStrata, ClassesOfFewRowsJoinUntilTheyHaveEnough) {
  // Fewest first: 0 and 1 rows, 2, 2 make 5; 3 and 4 make 7.
  const ClassStrata strata = class_strata({4, 0, 100, 2, 1, 2, 3}, 5, 20);
  EXPECT_EQ(strata.count, 3);
  EXPECT_THAT(strata.of_class, ElementsAre(1, 0, 2, 0, 0, 0, 1));
}

TEST(ClassStrata, WhatIsLeftGoesToTheLastOfTheJoined) {
  const ClassStrata strata = class_strata({2, 3, 4, 100}, 5, 20);
  EXPECT_EQ(strata.count, 2);
  EXPECT_THAT(strata.of_class, ElementsAre(0, 0, 0, 1));
}

TEST(ClassStrata, ALoneClassOfFewRowsJoinsTheNextOne) {
  const ClassStrata strata = class_strata({300, 20, 3}, 5, 20);
  EXPECT_EQ(strata.count, 2);
  EXPECT_THAT(strata.of_class, ElementsAre(1, 0, 0));
}

TEST(ClassStrata, ButNotWhenThatHasManyRows) {
  const ClassStrata strata = class_strata({300, 21, 3, 0}, 5, 20);
  EXPECT_THAT(strata.left_over, ElementsAre(3, 2));
}

TEST(ClassStrata, NoClassHasEnoughRows) {
  EXPECT_THAT(class_strata({1, 0, 2}, 5, 20).left_over, ElementsAre(1, 0, 2));
}

}  // namespace
}  // namespace p2p::study
