#include "io/natural_order.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace p2p::io {
namespace {

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::ranges::sort(names, [](const auto& a, const auto& b) { return natural_order(a, b) < 0; });
  return names;
}

TEST(NaturalOrder, NumbersCountByTheirValue) {
  EXPECT_EQ(sorted({"p10", "p9", "p2", "p1"}), (std::vector<std::string>{"p1", "p2", "p9", "p10"}));
}

TEST(NaturalOrder, LeadingZerosDoNotCount) {
  EXPECT_EQ(sorted({"p010", "p9", "p0001"}), (std::vector<std::string>{"p0001", "p9", "p010"}));
}

TEST(NaturalOrder, EveryNumberOfANameCounts) {
  EXPECT_EQ(sorted({"run2/part10", "run10/part1", "run2/part9"}),
            (std::vector<std::string>{"run2/part9", "run2/part10", "run10/part1"}));
}

TEST(NaturalOrder, TextIsInByteOrderAndShorterNamesComeFirst) {
  EXPECT_EQ(sorted({"b", "a", "B", "a1"}), (std::vector<std::string>{"B", "a", "a1", "b"}));
}

TEST(NaturalOrder, OnlyTheSameNameIsEqual) {
  EXPECT_TRUE(natural_order("a01", "a01") == 0);
  EXPECT_TRUE(natural_order("a01", "a1") != 0);
}

TEST(NaturalOrder, NumbersMayBeOfAnyLength) {
  const std::string large(400, '9');
  EXPECT_TRUE(natural_order("a" + large, "a1" + large) < 0);
}

}  // namespace
}  // namespace p2p::io
