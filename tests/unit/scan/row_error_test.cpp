#include "scan/row_error.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/expect_error.hpp"
#include "support/matrices.hpp"

namespace p2p {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void expect_sentence(const std::vector<double>& row, DType dtype, ScoreKind kind,
                     std::initializer_list<const char*> parts) {
  const auto data = test::encoded(row, dtype);
  test::expect_bad_data(parts, [&] {
    throw_bad_row("scores.npy", 17, data.get(), dtype, static_cast<std::int64_t>(row.size()), kind);
  });
}

TEST(ThrowBadRow, NamesTheFirstNan) {
  expect_sentence({1, 2, kNaN, kNaN}, DType::kF32, ScoreKind::kLogits,
                  {"scores.npy", "row 17, column 2", "NaN"});
}

TEST(ThrowBadRow, NamesPlusInfinity) {
  expect_sentence({1, kInf, 2}, DType::kF64, ScoreKind::kLogits, {"row 17, column 1", "+inf"});
}

TEST(ThrowBadRow, SpeaksOfOverflowInFloat16) {
  expect_sentence({1, kInf, 2}, DType::kF16, ScoreKind::kLogits,
                  {"column 1", "overflowed float16", "float32"});
}

TEST(ThrowBadRow, NamesARowWithoutAnyClass) {
  expect_sentence({-kInf, -kInf}, DType::kBF16, ScoreKind::kLogits,
                  {"row 17", "-inf in all 2 classes", "drop the row"});
  expect_sentence({-kInf, -kInf}, DType::kF32, ScoreKind::kLogProbs, {"-inf in all 2 classes"});
  expect_sentence({0, 0, 0}, DType::kF32, ScoreKind::kProbs, {"row 17", "0 in all 3 classes"});
}

TEST(ThrowBadRow, NamesANegativeProbability) {
  expect_sentence({0.5, 0.75, -0.25}, DType::kF32, ScoreKind::kProbs,
                  {"column 2", "-0.25", "cannot be negative", "--input logits"});
}

TEST(ThrowBadRow, ExplainsARowThatTheOffsetRulesOut) {
  expect_sentence({-kInf, 2}, DType::kF32, ScoreKind::kLogits,
                  {"row 17", "only for classes that the offset rules out"});
}

}  // namespace
}  // namespace p2p
