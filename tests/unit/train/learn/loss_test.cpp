#include "learn/loss.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "support/expect_error.hpp"
#include "unit/train/learn/tensors.hpp"

namespace p2p::learn {
namespace {

using test::expect_usage;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::Pointwise;

const std::vector<std::int64_t> kCounts = {500, 120, 33, 7};
constexpr double kAll = 660;
constexpr std::size_t kClasses = 4;
constexpr double kTolerance = 1e-5;

// The losses once more, in double, a row at a time.
using Row = std::vector<double>;

double count(std::size_t c) { return static_cast<double>(kCounts[c]); }

Row changed(const std::function<double(std::size_t)>& entry) {
  Row row;
  for (std::size_t c = 0; c < kClasses; ++c) row.push_back(entry(c));
  return row;
}

double log_softmax(const Row& z, std::size_t y) {
  double sum = 0;
  for (const double entry : z) sum += std::exp(entry - z[y]);
  return -std::log(sum);
}

Row cb_weights(double beta) {
  Row weights = changed([&](std::size_t c) {
    double effective_number = 0;  // 1 + beta + beta^2 + ...
    for (std::int64_t i = 0; i < kCounts[c]; ++i) {
      effective_number += std::pow(beta, static_cast<double>(i));
    }
    return 1 / effective_number;
  });
  double sum = 0;
  for (const double w : weights) sum += w;
  for (double& w : weights) w *= kClasses / sum;
  return weights;
}

Row drw_weights() {
  Row weights = cb_weights(0.9999);
  double mean = 0;
  for (std::size_t c = 0; c < kClasses; ++c) mean += count(c) / kAll * weights[c];
  for (double& w : weights) w /= mean;
  return weights;
}

// On scores z of a row of class y, were its class c.
using PlainTerm = std::function<double(const Row& z, std::size_t y, std::size_t c)>;

double ce(const Row& z, std::size_t /*y*/, std::size_t c) { return -log_softmax(z, c); }

PlainTerm la(double tau) {
  return [tau](const Row& z, std::size_t /*y*/, std::size_t c) {
    return -log_softmax(
        changed([&](std::size_t k) { return z[k] + tau * std::log(count(k) / kAll); }), c);
  };
}

double balanced_softmax(const Row& z, std::size_t /*y*/, std::size_t c) {
  return -log_softmax(changed([&](std::size_t k) { return z[k] + std::log(count(k)); }), c);
}

double ldam(const Row& z, std::size_t y, std::size_t c) {
  Row lowered = z;
  lowered[y] -= 30 * 0.5 * std::pow(7 / count(y), 0.25);
  return -log_softmax(lowered, c);
}

PlainTerm vs(double gamma, double tau) {
  return [gamma, tau](const Row& z, std::size_t /*y*/, std::size_t c) {
    return -log_softmax(changed([&](std::size_t k) {
                          return std::pow(count(k) / 500, gamma) * z[k] +
                                 tau * std::log(count(k) / kAll);
                        }),
                        c);
  };
}

PlainTerm focal(double gamma) {
  return [gamma](const Row& z, std::size_t /*y*/, std::size_t c) {
    const double p = std::exp(log_softmax(z, c));
    return -std::pow(1 - p, gamma) * std::log(p);
  };
}

PlainTerm weighted(PlainTerm term, Row weights) {
  return [term = std::move(term), weights = std::move(weights)](
             const Row& z, std::size_t y, std::size_t c) { return weights[y] * term(z, y, c); };
}

struct Case {
  std::string text;
  PlainTerm term;
  double progress = 0;
};

void PrintTo(const Case& of, std::ostream* out) { *out << of.text << " at " << of.progress; }

class EveryLoss : public testing::TestWithParam<std::tuple<Case, double>> {};

std::string case_name(const testing::TestParamInfo<EveryLoss::ParamType>& info) {
  const auto& [of, smoothing] = info.param;
  std::string name = of.text + (of.progress > 0 ? "_at_" + std::to_string(of.progress) : "") +
                     (smoothing > 0 ? "_smoothed" : "");
  std::ranges::replace_if(
      name, [](unsigned char letter) { return std::isalnum(letter) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    Loss, EveryLoss,
    testing::Combine(testing::Values(Case{"ce", ce}, Case{"la", la(1)}, Case{"la:0.5", la(0.5)},
                                     Case{"balanced-softmax", balanced_softmax}, Case{"ldam", ldam},
                                     Case{"ldam-drw", ldam, 0.79},
                                     Case{"ldam-drw", weighted(ldam, drw_weights()), 0.8},
                                     Case{"vs", vs(0.15, 1.25)}, Case{"vs:0.3:0.5", vs(0.3, 0.5)},
                                     Case{"focal", focal(2)}, Case{"focal:0.5", focal(0.5)},
                                     Case{"cb", weighted(ce, cb_weights(0.9999))},
                                     Case{"cb:0.9", weighted(ce, cb_weights(0.9))}),
                     testing::Values(0.0, 0.1)),
    case_name);

// To kTolerance, of the number itself where it is large: scores are floats.
void expect_close(const Row& found, const Row& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], kTolerance * std::max(1.0, std::abs(expected[i]))) << i;
  }
}

TEST_P(EveryLoss, HasTheValuesAndGradientsOfItsFormula) {
  const auto& [of, smoothing] = GetParam();
  const auto plain = [&of = of, smoothing = smoothing](const Row& z, std::size_t y) {
    double sum = 0;
    for (std::size_t c = 0; c < kClasses; ++c) {
      const double target = smoothing / kClasses + (c == y ? 1 - smoothing : 0);
      if (target > 0) sum += target * of.term(z, y, c);
    }
    return sum;
  };
  constexpr std::int64_t kRows = 12;
  const auto scores = (2 * test::normal_tensor({kRows, kClasses}, 3)).requires_grad_();
  const at::Tensor labels = at::arange(kRows) % std::int64_t{kClasses};
  const LossFunction loss(parse_loss(of.text, kCounts), smoothing, at::kCPU);

  const at::Tensor losses = loss(scores, labels, of.progress);
  const at::Tensor gradient = torch::autograd::grad({losses.sum()}, {scores})[0];

  Row values;
  Row slopes;
  const Row numbers = test::numbers_of(scores);
  for (std::size_t row = 0; row < kRows; ++row) {
    const auto begin = numbers.begin() + static_cast<std::ptrdiff_t>(row * kClasses);
    const Row z(begin, begin + kClasses);
    const std::size_t y = row % kClasses;
    values.push_back(plain(z, y));
    for (std::size_t c = 0; c < kClasses; ++c) {
      constexpr double kStep = 1e-5;
      Row up = z;
      Row down = z;
      up[c] += kStep;
      down[c] -= kStep;
      slopes.push_back((plain(up, y) - plain(down, y)) / (2 * kStep));
    }
  }
  expect_close(test::numbers_of(losses), values);
  expect_close(test::numbers_of(gradient), slopes);
}

TEST(Loss, StaysFiniteWhereTheModelIsSure) {
  const at::Tensor scores = at::tensor({80.0F, 0.0F, -80.0F, 0.0F}).view({1, 4}).requires_grad_();
  for (const char* text : {"ce", "focal", "focal:0.5", "vs", "ldam"}) {
    for (const std::int64_t label : {0, 2}) {
      const at::Tensor losses = LossFunction(parse_loss(text, kCounts), 0, at::kCPU)(
          scores, at::full({1}, label, at::kLong), 0);
      const at::Tensor gradient = torch::autograd::grad({losses.sum()}, {scores})[0];
      EXPECT_TRUE(at::isfinite(losses).all().item<bool>()) << text << " " << label;
      EXPECT_TRUE(at::isfinite(gradient).all().item<bool>()) << text << " " << label;
    }
  }
}

TEST(TrainingOffset, IsZeroWhereTheScoresModelTheTrainingPrior) {
  for (const char* text : {"ce", "focal", "ldam"}) {
    EXPECT_THAT(parse_loss(text, kCounts).training_offset, ElementsAre(0, 0, 0, 0)) << text;
  }
}

TEST(TrainingOffset, OfTheLogitAdjustedLossIsTauLogPrior) {
  EXPECT_THAT(parse_loss("la:0.5", kCounts).training_offset,
              Pointwise(DoubleNear(1e-12),
                        changed([](std::size_t c) { return 0.5 * std::log(count(c) / kAll); })));
}

TEST(TrainingOffset, OfTheVsLossIsItsAdditivePart) {
  for (const auto& [text, tau] : {std::pair{"vs", 1.25}, {"vs:0:1", 1.0}, {"vs:0.3:0", 0.0}}) {
    EXPECT_THAT(parse_loss(text, kCounts).training_offset,
                Pointwise(DoubleNear(1e-12), changed([tau = tau](std::size_t c) {
                            return tau * std::log(count(c) / kAll);
                          })))
        << text;
  }
}

TEST(TrainingOffset, OfBalancedSoftmaxIsLogCount) {
  EXPECT_THAT(
      parse_loss("balanced-softmax", kCounts).training_offset,
      Pointwise(DoubleNear(1e-12), changed([](std::size_t c) { return std::log(count(c)); })));
}

TEST(TrainingOffset, OfWeightedLossesIsMinusLogWeightOfTheLastStage) {
  const auto minus_log = [](const Row& weights) {
    return changed([&](std::size_t c) { return -std::log(weights[c]); });
  };
  EXPECT_THAT(parse_loss("cb", kCounts).training_offset,
              Pointwise(DoubleNear(1e-9), minus_log(cb_weights(0.9999))));
  EXPECT_THAT(parse_loss("ldam-drw", kCounts).training_offset,
              Pointwise(DoubleNear(1e-9), minus_log(drw_weights())));
  EXPECT_THAT(parse_loss("cb:0.9", kCounts).training_offset,
              Pointwise(DoubleNear(1e-9), minus_log(cb_weights(0.9))));
}

TEST(TrainedWith, IsTheWordThatEstimateKnowsForTheOffset) {
  const auto word = [](const char* text) { return parse_loss(text, kCounts).trained_with; };
  for (const char* text : {"ce", "focal", "ldam"}) EXPECT_EQ(word(text), "ce") << text;
  EXPECT_EQ(word("la"), "la:1");
  EXPECT_EQ(word("la:0.5"), "la:0.5");
  EXPECT_EQ(word("balanced-softmax"), "balanced-softmax");
  for (const char* text : {"cb", "ldam-drw", "vs"}) EXPECT_EQ(word(text), "offset") << text;
}

TEST(ParseLoss, AsksForACosineHeadWhereThereAreMargins) {
  for (const char* text : {"ldam", "ldam-drw"}) {
    EXPECT_TRUE(parse_loss(text, kCounts).cosine_head) << text;
  }
  for (const char* text : {"ce", "la", "balanced-softmax", "vs", "focal", "cb"}) {
    EXPECT_FALSE(parse_loss(text, kCounts).cosine_head) << text;
  }
}

TEST(ParseLoss, RefusesAnotherNameWithThoseThatThereAre) {
  for (const char* text : {"", "CE", "la2", "softmax", ":1"}) {
    expect_usage({"--loss", text, "ce", "la[:TAU]", "balanced-softmax", "ldam", "ldam-drw",
                  "vs[:GAMMA:TAU]", "focal[:GAMMA]", "cb[:BETA]"},
                 [&] { parse_loss(text, kCounts); });
  }
}

TEST(ParseLoss, RefusesWhatIsNoNumberOf0OrMore) {
  for (const char* text : {"la:", "la:x", "la:1x", "la:-1", "la:nan", "la:inf", "vs:0.1:", "vs::1",
                           "focal:-0.5", "cb:1e999"}) {
    expect_usage({"--loss", text, "number of 0 or more"}, [&] { parse_loss(text, kCounts); });
  }
}

TEST(ParseLoss, RefusesMoreOrFewerNumbersThanTheLossHas) {
  for (const char* text : {"ce:1", "balanced-softmax:1", "ldam:0.5", "la:1:2", "vs:0.1",
                           "vs:0.1:1:1", "focal:1:1", "cb:0.9:1"}) {
    expect_usage({"--loss", text, "vs[:GAMMA:TAU]"}, [&] { parse_loss(text, kCounts); });
  }
}

TEST(ParseLoss, RefusesABetaOf1) {
  for (const char* text : {"cb:1", "cb:1.5"}) {
    expect_usage({"--loss", text, "BETA must be below 1"}, [&] { parse_loss(text, kCounts); });
  }
}

}  // namespace
}  // namespace p2p::learn
