#include "core/exact_sum.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "support/expect_error.hpp"

namespace p2p {
namespace {

using test::expect_bad_data;

constexpr double kUnit = 0x1p-80;

std::string hex_of(double term) {
  ExactSums sums(1);
  sums.add(0, term);
  return to_hex(sums.get(0));
}

TEST(ExactSums, HoldsMultiplesOfTheUnitExactly) {
  EXPECT_EQ(hex_of(0.0), "0");
  EXPECT_EQ(hex_of(kUnit), "1");
  EXPECT_EQ(hex_of(-31 * kUnit), "-1f");
  EXPECT_EQ(hex_of(1.0), "1" + std::string(20, '0'));
}

TEST(ExactSums, RoundsHalvesToTheEvenUnit) {
  EXPECT_EQ(hex_of(0.5 * kUnit), "0");
  EXPECT_EQ(hex_of(1.5 * kUnit), "2");
  EXPECT_EQ(hex_of(2.5 * kUnit), "2");
  EXPECT_EQ(hex_of(-1.5 * kUnit), "-2");
  EXPECT_EQ(hex_of(-0.5 * kUnit), "0");
}

TEST(ExactSums, RoundsOthersToTheNearestUnit) {
  EXPECT_EQ(hex_of(std::nextafter(0.5 * kUnit, 1)), "1");
  EXPECT_EQ(hex_of(std::nextafter(0.5 * kUnit, 0)), "0");
  EXPECT_EQ(hex_of(std::nextafter(1.5 * kUnit, 0)), "1");
  EXPECT_EQ(hex_of(0.25 * kUnit), "0");
}

TEST(ExactSums, RoundsSubnormalsToZero) {
  EXPECT_EQ(hex_of(std::numeric_limits<double>::denorm_min()), "0");
  EXPECT_EQ(hex_of(-std::numeric_limits<double>::min()), "0");
}

TEST(ExactSums, DoesNotDependOnTheOrderOfTerms) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> exponent(-90, 40);
  std::vector<double> terms(1000);
  for (double& term : terms) term = (random() % 2 == 0 ? 1 : -1) * std::exp2(exponent(random));
  ExactSums forwards(1);
  for (const double term : terms) forwards.add(0, term);
  std::ranges::shuffle(terms, random);
  ExactSums shuffled(1);
  for (const double term : terms) shuffled.add(0, term);
  EXPECT_EQ(to_hex(forwards.get(0)), to_hex(shuffled.get(0)));
}

TEST(ExactSums, KeepsSmallTermsBesideLargeOnes) {
  ExactSums sums(1);
  sums.add(0, 0x1p45);
  sums.add(0, kUnit);
  sums.add(0, -0x1p45);
  EXPECT_EQ(sums.value(0), kUnit);
}

TEST(ExactSums, AddsOneTermToEachSum) {
  ExactSums sums(3);
  sums.add(std::vector<double>{1, -2, 0.5});
  sums.add(std::vector<double>{1, -2, 0.5});
  EXPECT_EQ(sums.values(), (std::vector<double>{2, -4, 1}));
}

TEST(ExactSums, MergesElementByElement) {
  ExactSums a(2), b(2);
  a.add(std::vector<double>{1, kUnit});
  b.add(std::vector<double>{0.5, -3 * kUnit});
  a.merge(b);
  EXPECT_EQ(a.values(), (std::vector<double>{1.5, -2 * kUnit}));
}

TEST(ExactSums, GivesTheNearestDoubleOfALongSum) {
  ExactSums sums(1);
  sums.add(0, 1);
  sums.add(0, 0x1p-53);  // a tie, to even: 1
  EXPECT_EQ(sums.value(0), 1.0);
  sums.add(0, kUnit);
  EXPECT_EQ(sums.value(0), 1 + 0x1p-52);
}

TEST(ExactSums, ReadsTheHexadecimalTextItWrites) {
  for (const double term : {0.0, 1.0, -1.0, 0.1, -1e-9, 12345.678, 0x1.fffffffffffffp45}) {
    ExactSums sums(1);
    sums.set(0, from_hex(hex_of(term)));
    EXPECT_EQ(to_hex(sums.get(0)), hex_of(term));
    EXPECT_NEAR(sums.value(0), term, kUnit);
  }
}

TEST(ExactSums, ReadsTheTextOfItsLargestSums) {
  for (const double term : {0x1.fffffffffffffp45, -0x1p45}) {
    ExactSums sums(1), copy(1);
    sums.add(0, term);
    sums.add(0, term);  // beyond 2^44, whose text has 31 digits
    copy.set(0, from_hex(to_hex(sums.get(0))));
    EXPECT_EQ(copy.value(0), 2 * term);
  }
  ExactSums sums(1);
  sums.set(0, from_hex("7fffffffffffffffffffffffffffffff"));
  EXPECT_EQ(to_hex(sums.get(0)), "7fffffffffffffffffffffffffffffff");
  sums.set(0, from_hex("-80000000000000000000000000000000"));
  EXPECT_EQ(to_hex(sums.get(0)), "-80000000000000000000000000000000");
  EXPECT_EQ(sums.value(0), -0x1p47);
}

TEST(ExactSums, RefusesTextThatIsNoSum) {
  ExactSums sums(1);
  for (const char* text : {"", "-", "0x1", "1F", " 1", "1 ", "+1", "--1", "g", "1.0",
                           "80000000000000000000000000000000", "-80000000000000000000000000000001",
                           "100000000000000000000000000000000"}) {
    expect_bad_data({"hexadecimal"}, [&] { sums.set(0, from_hex(text)); });
  }
}

TEST(ExactSums, RefusesTermsBeyondItsRange) {
  for (const double term : {0x1p46, -0x1p46, 1e300, std::numeric_limits<double>::infinity(),
                            std::numeric_limits<double>::quiet_NaN()}) {
    ExactSums sums(1);
    expect_bad_data({"2^46", "weights"}, [&] { sums.add(0, term); });
  }
}

TEST(ExactSums, RefusesASumBeyondItsRange) {
  for (const double sign : {1.0, -1.0}) {
    ExactSums sums(1);
    for (int i = 0; i < 3; ++i) sums.add(0, sign * 0x1p45);
    sums.add(0, sign * (0x1p45 - 1));  // 2^47 - 1 in magnitude
    EXPECT_EQ(sums.value(0), sign * (0x1p47 - 1));
    expect_bad_data({"2^47"}, [&] { sums.add(0, sign * 2); });
  }
}

TEST(ExactSums, RefusesAMergeBeyondItsRange) {
  ExactSums a(1), b(1);
  for (int i = 0; i < 3; ++i) a.add(0, 0x1p45);
  b.merge(a);
  expect_bad_data({"2^47"}, [&] { a.merge(b); });
}

}  // namespace
}  // namespace p2p
