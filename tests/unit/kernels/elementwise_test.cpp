#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernel_testing.hpp"

namespace p2p::kernels::testing {
namespace {

class AddOffset : public EveryTarget {};
class Convert : public EveryTarget {};
P2P_FOR_EVERY_TARGET(AddOffset);
P2P_FOR_EVERY_TARGET(Convert);

TEST_P(AddOffset, GivesTheBitsOfTheReferenceForEveryTypeAndWidth) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      const std::int64_t rows = classes > 100 ? 2 : 5;
      Scores scores = Scores::normal(dtype, rows, classes, 5.0);
      if (classes > 1) scores.set(1, classes - 1, -kInfinity);
      const Offsets offsets = Offsets::uniform(classes, -9.0, 9.0);
      for (const double inv_temperature : {1.0, 0.7}) {
        const SoftmaxParams params = offsets.params(inv_temperature);
        std::vector<char> out(scores.bytes()), expected(scores.bytes());
        Facts facts(rows), expected_facts(rows);
        ASSERT_EQ(
            add_offset(scores.data(), dtype, rows, classes, params, out.data(), facts.pointers()),
            -1);
        reference::add_offset(scores.data(), dtype, rows, classes, params, expected.data(),
                              expected_facts.pointers());
        ASSERT_EQ(out, expected) << dtype_name(dtype) << " " << classes;
        ASSERT_EQ(facts.max, expected_facts.max);
      }
    }
  }
}

TEST_P(AddOffset, GivesTheBitsOfTheReferenceWithScales) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      const std::int64_t rows = classes > 100 ? 2 : 5;
      const std::vector<double> scales = mixed_scales(classes);
      Scores scores = Scores::normal(dtype, rows, classes, 5.0);
      if (classes > 1) scores.set(1, classes - 1, -kInfinity);
      const Offsets offsets = Offsets::uniform(classes, -9.0, 9.0);
      for (const SoftmaxParams& params :
           {with_scale({}, scales), with_scale(offsets.params(0.7), scales)}) {
        std::vector<char> out(scores.bytes()), expected(scores.bytes());
        Facts facts(rows), expected_facts(rows);
        ASSERT_EQ(
            add_offset(scores.data(), dtype, rows, classes, params, out.data(), facts.pointers()),
            -1);
        reference::add_offset(scores.data(), dtype, rows, classes, params, expected.data(),
                              expected_facts.pointers());
        ASSERT_EQ(out, expected) << dtype_name(dtype) << " " << classes;
        ASSERT_EQ(facts.max, expected_facts.max);
      }
    }
  }
}

TEST_P(AddOffset, KeepsMinusInfinityWhateverTheScale) {
  for (const DType dtype : kTypes) {
    Scores scores(dtype, 1, 21);
    scores.fill_row(0, 1.0);
    std::vector<double> scales(21, 3.0);
    for (const std::int64_t c : {2, 7, 20}) scores.set(0, c, -kInfinity);
    scales[2] = 0;
    scales[7] = -2;
    std::vector<char> out(scores.bytes());
    Facts facts(1);
    ASSERT_EQ(add_offset(scores.data(), dtype, 1, 21, with_scale({}, scales), out.data(),
                         facts.pointers()),
              -1);
    for (std::int64_t c = 0; c < 21; ++c) {
      const bool masked = c == 2 || c == 7 || c == 20;
      EXPECT_EQ(reference::load(out.data(), dtype, c), masked ? -kInfinity : 3.0) << c;
    }
  }
}

TEST_P(AddOffset, WorksInPlace) {
  Scores scores = Scores::normal(DType::kF16, 19, 33, 5.0);
  const Offsets offsets = Offsets::uniform(33, -1.0, 1.0);
  std::vector<char> out(scores.bytes());
  std::vector<char> in_place(scores.data(), scores.data() + scores.bytes());
  Facts facts(19);
  add_offset(scores.data(), DType::kF16, 19, 33, offsets.params(), out.data(), facts.pointers());
  add_offset(in_place.data(), DType::kF16, 19, 33, offsets.params(), in_place.data(),
             facts.pointers());
  EXPECT_EQ(in_place, out);
}

TEST_P(AddOffset, NamesTheFirstRowThatHoldsNaNOrInfinity) {
  for (const double bad : {kNaN, kInfinity}) {
    for (const std::int64_t c : {0, 7, 16}) {
      Scores scores = Scores::normal(DType::kF32, 6, 17, 1.0);
      scores.set(4, c, bad);
      scores.set(5, 0, bad);
      std::vector<char> out(scores.bytes());
      Facts facts(6);
      EXPECT_EQ(add_offset(scores.data(), DType::kF32, 6, 17, {}, out.data(), facts.pointers()), 4);
    }
  }
}

TEST_P(AddOffset, StaysInsideItsMemory) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : {1, 5, 10, 17, 33}) {
      const Scores scores = Scores::normal(dtype, 19, classes, 1.0);
      const Offsets offsets = Offsets::uniform(classes, -1.0, 1.0);
      const GuardedMemory in(scores.bytes()), out(scores.bytes());
      std::memcpy(in.at_end(), scores.data(), scores.bytes());
      Facts facts(19);
      EXPECT_EQ(add_offset(in.at_end(), dtype, 19, classes, offsets.params(), out.at_end(),
                           facts.pointers()),
                -1);
      const GuardedMemory scales(static_cast<std::size_t>(classes) * sizeof(double));
      std::memcpy(scales.at_end(), offsets.f64.data(), offsets.f64.size() * sizeof(double));
      SoftmaxParams params = offsets.params();
      params.scale = reinterpret_cast<const double*>(scales.at_end());
      EXPECT_EQ(add_offset(in.at_end(), dtype, 19, classes, params, out.at_end(), facts.pointers()),
                -1);
    }
  }
}

TEST_P(Convert, GivesTheBitsOfTheReferenceBetweenAllTypes) {
  std::vector<double> values = {
      0.0,       -0.0,    1.0,    -1.0,   kInfinity, -kInfinity, 65504.0,
      65519.9,   65520.0, 1e30,   -1e300, 0x1p-14,   0x1p-24,    0x1p-25,
      0x1.8p-25, 6e-8,    1e-40,  1e-310, 0.1,       1.0 / 3.0,  1.0 + 0x1p-8,
      3.0e38,    2049.0,  2051.0, 3.4e38, 3.5e38,    0x3p-134,   0x3p-134 + 0x1p-180,
      0x1p-134};
  const Scores random = Scores::normal(DType::kF64, 1, 1000, 100.0);
  for (std::int64_t i = 0; i < 1000; ++i) values.push_back(random.get(0, i));
  const auto n = static_cast<std::int64_t>(values.size());
  for (const DType from : kTypes) {
    std::vector<char> in(values.size() * item_size(from));
    reference::convert(values.data(), DType::kF64, n, in.data(), from);
    for (const DType to : kTypes) {
      std::vector<char> out(values.size() * item_size(to)), expected(out.size());
      convert(in.data(), from, n, out.data(), to);
      reference::convert(in.data(), from, n, expected.data(), to);
      ASSERT_EQ(out, expected) << dtype_name(from) << " to " << dtype_name(to);
    }
  }
}

TEST_P(Convert, KeepsNaN) {
  for (const DType from : kTypes) {
    for (const DType to : kTypes) {
      Scores in(from, 1, 3), out(to, 1, 3);
      in.fill_row(0, kNaN);
      std::vector<char> bytes(out.bytes());
      convert(in.data(), from, 3, bytes.data(), to);
      EXPECT_TRUE(std::isnan(reference::load(bytes.data(), to, 2)));
    }
  }
}

TEST_P(Convert, HandlesEveryLengthInsideItsMemory) {
  for (const DType from : kTypes) {
    for (const DType to : kTypes) {
      for (std::int64_t n = 0; n <= 40; ++n) {
        const Scores values = Scores::normal(from, 1, n, 1.0);
        const GuardedMemory in(values.bytes());
        const GuardedMemory out(static_cast<std::size_t>(n) * item_size(to));
        std::memcpy(in.at_end(), values.data(), values.bytes());
        convert(in.at_end(), from, n, out.at_end(), to);
        std::vector<char> expected(static_cast<std::size_t>(n) * item_size(to));
        reference::convert(values.data(), from, n, expected.data(), to);
        ASSERT_EQ(std::memcmp(out.at_end(), expected.data(), expected.size()), 0);
      }
    }
  }
}

}  // namespace
}  // namespace p2p::kernels::testing
