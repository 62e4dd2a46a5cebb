// KindCheck against the rules of ARCHITECTURE.md, "Logits or probabilities", in plain float64, on
// rows near every threshold.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"
#include "p2p/error.hpp"
#include "p2p/posterior_sum.hpp"
#include "scan/kind_check.hpp"
#include "support/matrices.hpp"

namespace p2p {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const std::vector<DType> kTypes = {DType::kF16, DType::kBF16, DType::kF32, DType::kF64};

struct Look {
  bool probs, log_probs, in_unit, one_value;
};

Look oracle_look(const std::vector<double>& row, DType dtype) {
  const bool half = dtype == DType::kF16 || dtype == DType::kBF16;
  const double range = half ? 1e-2 : 1e-5;
  const double tolerance = half ? 2e-2 : 1e-3;
  const auto [low, high] = std::ranges::minmax(row);
  double sum = 0;
  double exponentials = 0;
  for (const double value : row) {
    sum += value;
    exponentials += std::exp(value);
  }
  Look look{};
  look.in_unit = low >= 0 && high <= 1 + range;
  look.one_value = low == high;
  look.probs = look.in_unit && std::abs(sum - 1) <= tolerance;
  look.log_probs = high <= range && std::abs(exponentials - 1) <= tolerance;
  return look;
}

// What must be said of a block: part of the sentence, or nothing.
std::string oracle_verdict(const std::vector<std::vector<double>>& rows, ScoreKind kind,
                           DType dtype) {
  std::int64_t probs = 0, log_probs = 0, in_unit = 0;
  bool varied = false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Look look = oracle_look(rows[i], dtype);
    if (kind == ScoreKind::kLogProbs && !look.log_probs) {
      return "row " + std::to_string(i) + " (counted from 0) has exponentials";
    }
    probs += look.probs ? 1 : 0;
    log_probs += look.log_probs ? 1 : 0;
    in_unit += look.in_unit ? 1 : 0;
    varied |= look.in_unit && !look.one_value;
  }
  const auto count = static_cast<std::int64_t>(rows.size());
  if (kind == ScoreKind::kLogProbs || count < 16) return "";
  const std::int64_t most = std::max(probs, log_probs);
  if (20 * (most - 3) > count || 2 * most >= count) {
    return std::to_string(most) + " of " + std::to_string(count) + " rows hold " +
           (probs >= log_probs ? "probabilities" : "log-probabilities");
  }
  return in_unit == count && varied ? "all lie in [0, 1]" : "";
}

std::string sentence(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void expect_oracle(std::vector<std::vector<double>> rows, ScoreKind kind, DType dtype) {
  std::vector<double> values;
  for (std::vector<double>& row : rows) {
    row = test::rounded(row, dtype);
    values.insert(values.end(), row.begin(), row.end());
  }
  const auto classes = static_cast<std::int64_t>(rows.front().size());
  const auto count = static_cast<std::int64_t>(rows.size());
  const auto data = test::encoded(values, dtype);
  const std::string expected = oracle_verdict(rows, kind, dtype);
  // The pass of an estimate, whose kernel finds the sums of exponentials, and one that does not.
  const std::string fused = sentence([&] {
    PosteriorSum sums(classes,
                      {.kind = kind, .temperature = 1, .offset = {}, .kind_stated = false});
    sums.update({.data = data.get(), .dtype = dtype, .count = count});
    sums.end_block();
  });
  const std::string apart = sentence([&] {
    std::vector<float> max, sum;
    for (const std::vector<double>& row : rows) {
      max.push_back(static_cast<float>(*std::ranges::max_element(row)));
      double total = 0;
      for (const double value : row) total += value;
      sum.push_back(static_cast<float>(total));
    }
    KindCheck check(kind, classes, false);
    check.rows(data.get(), dtype, count, max.data(), sum.data(), "scores", 0);
    check.end_block();
  });
  EXPECT_EQ(fused, apart);
  if (expected.empty()) {
    EXPECT_EQ(fused, "") << dtype_name(dtype) << " C=" << classes;
  } else {
    EXPECT_NE(fused.find(expected), std::string::npos)
        << dtype_name(dtype) << " C=" << classes << ": " << fused << "\nexpected: " << expected;
  }
}

class MadeUpRows {
 public:
  explicit MadeUpRows(unsigned seed) : engine_(seed) {}

  double uniform(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(engine_);
  }
  std::vector<double> normal(std::size_t classes, double mean, double deviation) {
    std::normal_distribution<double> draw(mean, deviation);
    std::vector<double> row(classes);
    for (double& value : row) value = draw(engine_);
    return row;
  }
  // Logarithms of numbers that sum to `total`.
  std::vector<double> logs(std::size_t classes, double total) {
    std::vector<double> row = normal(classes, 0, 1.5);
    double sum = 0;
    for (const double value : row) sum += std::exp(value);
    for (double& value : row) value += std::log(total / sum);
    return row;
  }
  std::vector<double> powers(std::size_t classes, double total) {
    std::vector<double> row = logs(classes, total);
    for (double& value : row) value = std::exp(value);
    return row;
  }
  // 1 and a little more or less than the tolerance, or as far as rounding in float32 goes.
  double near_tolerance(DType dtype) {
    const double tolerance = dtype == DType::kF32 || dtype == DType::kF64 ? 1e-3 : 2e-2;
    const double spread = uniform(0, 1) < 0.5 ? 3e-5 : 3e-7;
    const double distance = tolerance + uniform(-spread, spread);
    return uniform(0, 1) < 0.5 ? 1 - distance : 1 + distance;
  }

 private:
  std::mt19937_64 engine_;
};

using Rows = std::vector<std::vector<double>>;

// 40 rows, each made by one of `makers` in turn.
template <class... Maker>
Rows block(const Maker&... makers) {
  Rows rows;
  while (rows.size() < 40) (rows.push_back(makers()), ...);
  return rows;
}

void for_every_shape(
    const std::function<void(MadeUpRows& made, std::size_t classes, DType dtype)>& use) {
  unsigned seed = 0;
  for (const DType dtype : kTypes) {
    for (const std::size_t classes : {1U, 2U, 3U, 10U, 17U, 65U, 100U, 1000U}) {
      for (int repeat = 0; repeat < 5; ++repeat) {
        MadeUpRows made(++seed);
        use(made, classes, dtype);
      }
    }
  }
}

TEST(KindOracle, AgreesOnRowsWhosePowersSumToNearly1) {
  for_every_shape([](MadeUpRows& made, std::size_t classes, DType dtype) {
    const auto close = [&] { return made.logs(classes, made.near_tolerance(dtype)); };
    const auto far = [&] { return made.logs(classes, made.uniform(0.1, 3)); };
    expect_oracle(block(close), ScoreKind::kLogits, dtype);
    expect_oracle(block(close, far), ScoreKind::kLogits, dtype);
    expect_oracle({close()}, ScoreKind::kLogProbs, dtype);
    expect_oracle({made.logs(classes, 1), close()}, ScoreKind::kLogProbs, dtype);
  });
}

TEST(KindOracle, AgreesOnRowsThatSumToNearly1) {
  for_every_shape([](MadeUpRows& made, std::size_t classes, DType dtype) {
    const auto close = [&] { return made.powers(classes, made.near_tolerance(dtype)); };
    const auto far = [&] { return made.powers(classes, made.uniform(0.5, 1.5)); };
    const auto negative = [&] {
      std::vector<double> row = close();
      row.front() = -1e-7;
      return row;
    };
    expect_oracle(block(close), ScoreKind::kLogits, dtype);
    expect_oracle(block(close, far), ScoreKind::kLogits, dtype);
    expect_oracle(block(far, far, far, far, far, far, far, negative), ScoreKind::kLogits, dtype);
    expect_oracle(block(close, negative), ScoreKind::kLogits, dtype);
  });
}

TEST(KindOracle, AgreesOnLogitsOfEveryShape) {
  for_every_shape([](MadeUpRows& made, std::size_t classes, DType dtype) {
    const double least = -std::log(static_cast<double>(classes));
    for (const double mean : {0.0, 5.0, -5.0, -60.0, 60.0, least, least - 1}) {
      expect_oracle(block([&] { return made.normal(classes, mean, 2); }), ScoreKind::kLogits,
                    dtype);
      expect_oracle(block([&] {
                      std::vector<double> row = made.normal(classes, mean, 2);
                      for (std::size_t c = 1; c < classes; c += 2) row[c] = -kInf;
                      return row;
                    }),
                    ScoreKind::kLogits, dtype);
    }
  });
}

TEST(KindOracle, AgreesOnConstantRows) {
  for_every_shape([](MadeUpRows& made, std::size_t classes, DType dtype) {
    const auto width = static_cast<double>(classes);
    const auto varied = [&] { return made.powers(classes, 0.5); };
    for (const double value : {0.0, -0.0, 0.5, 1.0, 1.005, 1.5, -2.0, 1e-40, -1e-40, 1 / width,
                               1.0005 / width, 1.015 / width, -std::log(width), 1e-6, 5e-3}) {
      const auto constant = [&] { return std::vector<double>(classes, value); };
      expect_oracle(block(constant), ScoreKind::kLogits, dtype);
      expect_oracle(block(constant, varied), ScoreKind::kLogits, dtype);
      expect_oracle({constant()}, ScoreKind::kLogProbs, dtype);
    }
  });
}

TEST(KindOracle, AgreesOnTheLargestScoreOfAKind) {
  for_every_shape([](MadeUpRows& made, std::size_t classes, DType dtype) {
    for (const double top : {0.9e-5, 1.1e-5, 0.99e-2, 1.01e-2}) {
      const auto almost_certain = [&] {
        std::vector<double> row(classes, -30);
        row[classes / 2] = top;
        return row;
      };
      const auto almost_one = [&] {
        std::vector<double> row(classes, 0);
        row[classes / 2] = 1 + top;
        return row;
      };
      expect_oracle(block(almost_certain), ScoreKind::kLogits, dtype);
      expect_oracle({almost_certain()}, ScoreKind::kLogProbs, dtype);
      expect_oracle(block(almost_one), ScoreKind::kLogits, dtype);
      expect_oracle(block(almost_one, [&] { return made.normal(classes, 0, 3); }),
                    ScoreKind::kLogits, dtype);
    }
  });
}

}  // namespace
}  // namespace p2p
