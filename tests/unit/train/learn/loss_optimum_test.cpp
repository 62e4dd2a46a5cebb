#include <gtest/gtest.h>

#include <array>
#include <cctype>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "learn/loss.hpp"
#include "p2p/correction.hpp"
#include "p2p/matrix_source.hpp"
#include "p2p/prior_accumulator.hpp"

namespace p2p::learn {
namespace {

// A problem whose answer is known: x has six values, p(x | c) is given, and so is the score of
// every x at which the expected loss over the training distribution pi_c p(x | c) is least.
constexpr std::size_t kClasses = 4;
constexpr std::size_t kValues = 6;
const std::vector<std::int64_t> kCounts = {500, 120, 33, 7};
constexpr double kAll = 660;
constexpr std::array<std::array<double, kClasses>, kValues> kLikelihood = {{
    {0.40, 0.15, 0.05, 0.10},
    {0.25, 0.10, 0.15, 0.05},
    {0.15, 0.40, 0.10, 0.10},
    {0.10, 0.20, 0.35, 0.15},
    {0.05, 0.10, 0.25, 0.20},
    {0.05, 0.05, 0.10, 0.40},
}};

double pi(std::size_t c) { return static_cast<double>(kCounts[c]) / kAll; }

// Log of what softmax(z) is proportional to at the optimum: f(c) + log(pi_c p(x | c)).
struct Optimum {
  const char* loss;
  std::function<double(std::size_t)> extra;
};

double effective_number(std::size_t c, double beta) {
  double sum = 0;
  for (std::int64_t i = 0; i < kCounts[c]; ++i) sum += std::pow(beta, static_cast<double>(i));
  return sum;
}

const std::vector<Optimum> kOptima = {
    {"ce", [](std::size_t) { return 0.0; }},
    {"la", [](std::size_t c) { return -std::log(pi(c)); }},
    {"la:0.5", [](std::size_t c) { return -0.5 * std::log(pi(c)); }},
    {"balanced-softmax", [](std::size_t c) { return -std::log(pi(c) * kAll); }},
    {"vs:0:1", [](std::size_t c) { return -std::log(pi(c)); }},
    {"vs:0:1.25", [](std::size_t c) { return -1.25 * std::log(pi(c)); }},
    {"cb", [](std::size_t c) { return -std::log(effective_number(c, 0.9999)); }},
    {"cb:0.9", [](std::size_t c) { return -std::log(effective_number(c, 0.9)); }},
};

class AtTheOptimum : public testing::TestWithParam<Optimum> {};

TEST_P(AtTheOptimum, EstimateAndCorrectGiveTheBalancedPosterior) {
  const Loss loss = parse_loss(GetParam().loss, kCounts);
  std::vector<double> z;
  std::vector<double> weight_of_x;
  for (const auto& likelihood : kLikelihood) {
    double weight = 0;
    for (std::size_t c = 0; c < kClasses; ++c) {
      z.push_back(GetParam().extra(c) + std::log(pi(c) * likelihood[c]));
      weight += pi(c) * likelihood[c];
    }
    weight_of_x.push_back(weight);
  }

  EstimateOptions options;
  options.kind = ScoreKind::kLogits;
  options.kind_stated = true;
  options.counts.assign(kCounts.begin(), kCounts.end());
  options.training = {.loss = Training::Loss::kOffset, .values = loss.training_offset};
  PriorAccumulator rows(kClasses, options);
  ScoreSet scores = matrix_scores(z, kClasses, "x");
  rows.update(scores, nullptr, weight_of_x);
  const Correction correction = make_correction(rows.finish().prior, {});

  for (std::size_t x = 0; x < kValues; ++x) {
    const double sum = std::accumulate(kLikelihood[x].begin(), kLikelihood[x].end(), 0.0);
    double total = 0;
    std::array<double, kClasses> posterior{};
    for (std::size_t c = 0; c < kClasses; ++c) {
      posterior[c] = std::exp(z[x * kClasses + c] + correction.offset.delta[c]);
      total += posterior[c];
    }
    for (std::size_t c = 0; c < kClasses; ++c) {
      EXPECT_NEAR(posterior[c] / total, kLikelihood[x][c] / sum, 1e-9)
          << "x " << x << ", class " << c;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Losses, AtTheOptimum, testing::ValuesIn(kOptima), [](const auto& info) {
  std::string name = info.param.loss;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
});

}  // namespace
}  // namespace p2p::learn
