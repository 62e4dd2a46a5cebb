#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernel_testing.hpp"

namespace p2p::kernels::testing {
namespace {

class SoftmaxRows : public EveryTarget {};
class ArgmaxRows : public EveryTarget {};
P2P_FOR_EVERY_TARGET(SoftmaxRows);
P2P_FOR_EVERY_TARGET(ArgmaxRows);

void expect_rows_near_reference(const Scores& scores, const SoftmaxParams& params) {
  const std::int64_t rows = scores.rows();
  const std::int64_t classes = scores.classes();
  const auto size = static_cast<std::size_t>(rows * classes);
  for (const bool log_out : {false, true}) {
    std::vector<double> out(size), expected(size);
    Facts facts(rows), expected_facts(rows);
    ASSERT_EQ(softmax_rows(scores.data(), scores.dtype(), rows, classes, params, log_out,
                           out.data(), facts.pointers()),
              -1);
    reference::softmax_rows(scores.data(), scores.dtype(), rows, classes, params, log_out,
                            expected.data(), expected_facts.pointers());
    for (std::size_t i = 0; i < size; ++i) {
      const double unit =
          log_out ? std::max(1.0, std::abs(expected[i])) : std::max(expected[i], 0x1p-20);
      if (out[i] == expected[i]) continue;
      ASSERT_LE(std::abs(out[i] - expected[i]), kSoftmaxToleranceF64 * unit)
          << dtype_name(scores.dtype()) << " C=" << classes << " element " << i;
    }
    ASSERT_EQ(facts.max, expected_facts.max);
    for (std::size_t i = 0; i < facts.sum.size(); ++i) {
      ASSERT_FLOAT_EQ(facts.sum[i], expected_facts.sum[i]);
    }
  }
}

TEST_P(SoftmaxRows, KeepsItsToleranceForEveryTypeWidthAndParameter) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      const std::int64_t rows = classes > 100 ? 2 : 5;
      const Scores scores = Scores::normal(dtype, rows, classes, 5.0);
      const Offsets offsets = Offsets::uniform(classes, -9.0, 9.0);
      expect_rows_near_reference(scores, {});
      expect_rows_near_reference(scores, offsets.params());
      expect_rows_near_reference(scores, offsets.params(0.7));
      const Scores probabilities = Scores::probabilities(dtype, rows, classes);
      expect_rows_near_reference(probabilities, offsets.params(0.7, true));
    }
  }
}

TEST_P(SoftmaxRows, KeepsItsToleranceWithScales) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      const std::int64_t rows = classes > 100 ? 2 : 5;
      const std::vector<double> scales = mixed_scales(classes);
      Scores scores = Scores::normal(dtype, rows, classes, 5.0);
      if (classes > 1) scores.set(1, classes / 3, -kInfinity);
      const Offsets offsets = Offsets::uniform(classes, -9.0, 9.0);
      expect_rows_near_reference(scores, with_scale({}, scales));
      expect_rows_near_reference(scores, with_scale(offsets.params(0.7), scales));
      Scores probabilities = Scores::probabilities(dtype, rows, classes);
      if (classes > 1) probabilities.set(1, classes / 3, 0.0);
      expect_rows_near_reference(probabilities, with_scale(offsets.params(0.7, true), scales));
    }
  }
}

TEST_P(SoftmaxRows, ARowHasTheSameBitsWhateverIsBesideIt) {
  for (const std::int64_t classes : {2, 10, 100, 511, 512, 513}) {
    const Scores scores = Scores::normal(DType::kF32, 19, classes, 5.0);
    const Offsets offsets = Offsets::uniform(classes, -9.0, 9.0);
    std::vector<double> all(static_cast<std::size_t>(19 * classes)), alone(all);
    Facts facts(19);
    for (const bool log_out : {false, true}) {
      softmax_rows(scores.data(), DType::kF32, 19, classes, offsets.params(), log_out, all.data(),
                   facts.pointers());
      for (std::int64_t i = 0; i < 19; ++i) {
        softmax_rows(scores.row(i), DType::kF32, 1, classes, offsets.params(), log_out,
                     alone.data() + i * classes, facts.pointers());
      }
      ASSERT_EQ(all, alone) << classes;
    }
  }
}

TEST_P(SoftmaxRows, MaskedClassesStayZeroWhateverTheScale) {
  for (const DType dtype : kTypes) {
    for (const bool probabilities : {false, true}) {
      Scores scores(dtype, 1, 19);
      scores.fill_row(0, 0.25);
      std::vector<double> scales(19, 1.0);
      for (const std::int64_t c : {4, 9, 18}) {
        scores.set(0, c, probabilities ? 0.0 : -kInfinity);
      }
      scales[4] = 0;
      scales[18] = -1;
      SoftmaxParams params = with_scale({}, scales);
      params.probabilities = probabilities;
      std::vector<double> p(19);
      Facts facts(1);
      ASSERT_EQ(
          softmax_rows(scores.data(), dtype, 1, 19, params, false, p.data(), facts.pointers()), -1);
      for (std::size_t c = 0; c < 19; ++c) {
        EXPECT_NEAR(p[c], c == 4 || c == 9 || c == 18 ? 0.0 : 1.0 / 16, 1e-15) << c;
      }
    }
  }
}

TEST_P(SoftmaxRows, MaskedClassesAreExactlyZero) {
  Scores scores = Scores::normal(DType::kF32, 1, 19, 3.0);
  scores.set(0, 4, -kInfinity);
  Offsets offsets(std::vector<double>(19, 0.5));
  offsets.f64[18] = -kInfinity;
  std::vector<double> p(19), log_p(19);
  Facts facts(1);
  ASSERT_EQ(softmax_rows(scores.data(), DType::kF32, 1, 19, offsets.params(), false, p.data(),
                         facts.pointers()),
            -1);
  softmax_rows(scores.data(), DType::kF32, 1, 19, offsets.params(), true, log_p.data(),
               facts.pointers());
  for (const std::size_t c : {4, 18}) {
    EXPECT_EQ(p[c], 0.0);
    EXPECT_EQ(log_p[c], -kInfinity);
  }
  EXPECT_EQ(facts.sum[0], -std::numeric_limits<float>::infinity());
}

TEST_P(SoftmaxRows, HugeScoresDoNotOverflow) {
  for (const double huge : {1e30, 3e38, -3e38}) {
    Scores scores(DType::kF32, 1, 40);
    scores.fill_row(0, huge);
    expect_rows_near_reference(scores, {});
  }
  Scores scores(DType::kF64, 1, 40);
  scores.fill_row(0, 1.5e308);
  expect_rows_near_reference(scores, {});
}

TEST_P(SoftmaxRows, NamesTheFirstRefusedRow) {
  for (const double bad : {kNaN, kInfinity}) {
    for (const std::int64_t c : {0, 9, 18}) {
      Scores scores = Scores::normal(DType::kBF16, 4, 19, 1.0);
      scores.set(2, c, bad);
      std::vector<double> p(4 * 19);
      Facts facts(4);
      EXPECT_EQ(
          softmax_rows(scores.data(), DType::kBF16, 4, 19, {}, false, p.data(), facts.pointers()),
          2);
    }
  }
  Scores masked = Scores::normal(DType::kF64, 4, 19, 1.0);
  masked.fill_row(3, -kInfinity);
  std::vector<double> p(4 * 19);
  Facts facts(4);
  EXPECT_EQ(softmax_rows(masked.data(), DType::kF64, 4, 19, {}, false, p.data(), facts.pointers()),
            3);
}

TEST_P(SoftmaxRows, StaysInsideItsMemory) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : {1, 5, 10, 17, 33}) {
      const Scores scores = Scores::normal(dtype, 19, classes, 1.0);
      const GuardedMemory in(scores.bytes());
      const GuardedMemory out(static_cast<std::size_t>(19 * classes) * sizeof(double));
      std::memcpy(in.at_end(), scores.data(), scores.bytes());
      Facts facts(19);
      EXPECT_EQ(softmax_rows(in.at_end(), dtype, 19, classes, {}, false,
                             reinterpret_cast<double*>(out.at_end()), facts.pointers()),
                -1);
    }
  }
}

TEST_P(ArgmaxRows, AgreesWithTheReferenceForEveryTypeWidthAndParameter) {
  for (const DType dtype : kTypes) {
    for (const std::int64_t classes : kWidths) {
      const std::int64_t rows = classes > 100 ? 3 : 20;
      const Scores scores = Scores::normal(dtype, rows, classes, 5.0);
      const Offsets offsets = Offsets::uniform(classes, -9.0, 9.0);
      const std::vector<double> scales = mixed_scales(classes);
      for (const SoftmaxParams& params :
           {SoftmaxParams{}, offsets.params(0.7), with_scale(offsets.params(0.7), scales)}) {
        std::vector<std::int64_t> labels(static_cast<std::size_t>(rows)), expected(labels);
        Facts facts(rows);
        ASSERT_EQ(argmax_rows(scores.data(), dtype, rows, classes, params, labels.data(),
                              facts.pointers()),
                  -1);
        reference::argmax_rows(scores.data(), dtype, rows, classes, params, expected.data(),
                               facts.pointers());
        ASSERT_EQ(labels, expected);
      }
    }
  }
}

TEST_P(ArgmaxRows, TiesGoToTheLowestIndex) {
  for (const std::int64_t classes : kWidths) {
    for (const std::int64_t first : {std::int64_t{0}, classes / 2, classes - 1}) {
      Scores scores(DType::kF32, 1, classes);
      scores.fill_row(0, -1.0);
      for (std::int64_t c = first; c < classes; ++c) scores.set(0, c, 2.0);
      std::int64_t label = -1;
      Facts facts(1);
      argmax_rows(scores.data(), DType::kF32, 1, classes, {}, &label, facts.pointers());
      EXPECT_EQ(label, first);
    }
  }
}

TEST_P(ArgmaxRows, DecidesInFloat64WhatFloat32CannotTellApart) {
  for (const double level : {0.0, 1.0, -1e6}) {
    Scores scores(DType::kF32, 1, 700);
    scores.fill_row(0, level);
    Offsets offsets(std::vector<double>(700, 0.25));
    offsets.f64[533] = 0.25 + 1e-9;
    offsets.f64[699] = 0.25 + 5e-10;
    std::int64_t label = -1;
    Facts facts(1);
    argmax_rows(scores.data(), DType::kF32, 1, 700, offsets.params(), &label, facts.pointers());
    EXPECT_EQ(label, 533) << level;
  }
}

TEST_P(ArgmaxRows, FindsTheLargestBesideMaskedAndHugeScores) {
  for (const double huge : {3e38, -3e38, -kInfinity}) {
    Scores scores(DType::kF32, 1, 700);
    scores.fill_row(0, huge);
    scores.set(0, 612, huge > 0 ? 3.4e38 : -2.0);
    std::int64_t label = -1;
    Facts facts(1);
    ASSERT_EQ(argmax_rows(scores.data(), DType::kF32, 1, 700, {}, &label, facts.pointers()), -1);
    EXPECT_EQ(label, 612) << huge;
    EXPECT_EQ(facts.max[0], static_cast<float>(scores.get(0, 612)));
    EXPECT_EQ(std::isfinite(facts.sum[0]), std::isfinite(huge)) << huge;
  }
}

TEST_P(ArgmaxRows, NeverPicksAMaskedClass) {
  Scores scores = Scores::normal(DType::kF16, 1, 11, 1.0);
  scores.set(0, 3, 100.0);
  Offsets offsets(std::vector<double>(11, 0.0));
  offsets.f64[3] = -kInfinity;
  std::int64_t label = -1;
  Facts facts(1);
  argmax_rows(scores.data(), DType::kF16, 1, 11, offsets.params(), &label, facts.pointers());
  EXPECT_NE(label, 3);
}

TEST_P(ArgmaxRows, NeverPicksAMaskedClassWhateverTheScale) {
  for (const double scale : {-3.0, 0.0}) {
    Scores scores(DType::kF32, 1, 11);
    scores.fill_row(0, -5.0);
    scores.set(0, 3, -kInfinity);
    std::vector<double> scales(11, 1.0);
    scales[3] = scale;
    std::int64_t label = -1;
    Facts facts(1);
    argmax_rows(scores.data(), DType::kF32, 1, 11, with_scale({}, scales), &label,
                facts.pointers());
    EXPECT_EQ(label, 0);
  }
}

TEST_P(ArgmaxRows, NamesTheFirstRefusedRow) {
  for (const std::int64_t classes : {19, 700}) {
    for (const double bad : {kNaN, kInfinity}) {
      Scores scores = Scores::normal(DType::kF32, 4, classes, 1.0);
      scores.set(1, classes - 1, bad);
      std::vector<std::int64_t> labels(4);
      Facts facts(4);
      EXPECT_EQ(
          argmax_rows(scores.data(), DType::kF32, 4, classes, {}, labels.data(), facts.pointers()),
          1);
    }
  }
}

}  // namespace
}  // namespace p2p::kernels::testing
