#include "p2p/train_head.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "p2p/matrix_source.hpp"
#include "support/expect_error.hpp"
#include "support/matrices.hpp"

namespace p2p {
namespace {

using Values = std::vector<double>;
using Labels = std::vector<std::int64_t>;

constexpr std::int64_t kWidth = 6;

// Features around one point for each class, class c with rows[c] of them.
struct Data {
  Values features;
  Labels labels;
  std::int64_t classes = 0;

  explicit Data(const std::vector<std::int64_t>& rows, double spread = 1.0) {
    classes = static_cast<std::int64_t>(rows.size());
    std::mt19937 random(7);
    std::normal_distribution<double> normal(0, 1);
    std::vector<Values> centres(rows.size(), Values(kWidth));
    for (Values& centre : centres) {
      for (double& x : centre) x = normal(random);
    }
    for (std::size_t c = 0; c < rows.size(); ++c) {
      for (std::int64_t i = 0; i < rows[c]; ++i) {
        for (const double x : centres[c]) features.push_back(x + spread * normal(random));
        labels.push_back(static_cast<std::int64_t>(c));
      }
    }
    features = test::rounded(features, DType::kF32);
  }
};

TrainedHead trained(const Data& data, const HeadOptions& options,
                    const LinearHead* initial = nullptr) {
  ScoreSet features = test::scores(data.features, kWidth, DType::kF32, "features.npy");
  VectorLabelSource labels(data.labels, "labels.npy");
  return train_head(features, labels, data.classes, options, initial);
}

LinearHead some_head(std::int64_t classes, unsigned seed = 3) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  LinearHead head{classes, kWidth, {}, {}};
  for (std::int64_t i = 0; i < classes * kWidth; ++i) head.weights.push_back(normal(random));
  for (std::int64_t i = 0; i < classes; ++i) head.bias.push_back(normal(random));
  return head;
}

double logit(const LinearHead& head, const double* x, std::int64_t c) {
  double z = static_cast<double>(head.bias[static_cast<std::size_t>(c)]);
  for (std::int64_t k = 0; k < kWidth; ++k) {
    z += static_cast<double>(head.weights[static_cast<std::size_t>(c * kWidth + k)]) * x[k];
  }
  return z;
}

Values posterior(const LinearHead& head, const double* x) {
  Values p;
  double sum = 0;
  for (std::int64_t c = 0; c < head.classes; ++c)
    sum += p.emplace_back(std::exp(logit(head, x, c)));
  for (double& value : p) value /= sum;
  return p;
}

struct Gradient {
  double loss = 0;
  Values weights, bias;
};

// Mean cross-entropy against the targets 1 - s + s/C and s/C, and its gradient, written plainly.
Gradient naive(const Data& data, const LinearHead& head, double s) {
  Gradient g{0, Values(head.weights.size()), Values(head.bias.size())};
  const auto n = static_cast<double>(data.labels.size());
  for (std::size_t i = 0; i < data.labels.size(); ++i) {
    const double* x = data.features.data() + i * kWidth;
    const Values p = posterior(head, x);
    for (std::int64_t c = 0; c < head.classes; ++c) {
      const auto at = static_cast<std::size_t>(c);
      const double rest = s / static_cast<double>(head.classes);
      const double target = c == data.labels[i] ? 1 - s + rest : rest;
      g.loss -= target * std::log(p[at]) / n;
      g.bias[at] += (p[at] - target) / n;
      for (std::int64_t k = 0; k < kWidth; ++k) {
        g.weights[at * kWidth + static_cast<std::size_t>(k)] += (p[at] - target) / n * x[k];
      }
    }
  }
  return g;
}

// One step over all rows at once.
HeadOptions one_step(HeadMethod method) {
  HeadOptions options;
  options.method = method;
  options.epochs = 1;
  options.batch = 1 << 20;
  options.learning_rate = 1;
  options.momentum = 0;
  return options;
}

class OneStep : public ::testing::TestWithParam<double> {};

TEST_P(OneStep, FollowsTheGradientOfTheFormula) {
  const double s = GetParam();
  const Data data({40, 20, 7});
  const LinearHead start = some_head(3);
  HeadOptions options = one_step(s > 0 ? HeadMethod::kLort : HeadMethod::kLinear);
  options.smoothing = s;
  const TrainedHead result = trained(data, options, &start);
  const Gradient expected = naive(data, start, s);
  EXPECT_NEAR(result.losses.front(), expected.loss, 1e-5);
  for (std::size_t i = 0; i < start.weights.size(); ++i) {
    EXPECT_NEAR(start.weights[i] - result.head.weights[i], expected.weights[i], 1e-5);
  }
  for (std::size_t c = 0; c < start.bias.size(); ++c) {
    EXPECT_NEAR(start.bias[c] - result.head.bias[c], expected.bias[c], 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Smoothing, OneStep, ::testing::Values(0.0, 0.5, 0.98));

TEST(TrainHead, WeightDecayPullsTheWeightsAndNotTheBias) {
  const Data data({40, 20, 7});
  const LinearHead start = some_head(3);
  HeadOptions options = one_step(HeadMethod::kLinear);
  const TrainedHead plain = trained(data, options, &start);
  options.weight_decay = 0.25;
  const TrainedHead decayed = trained(data, options, &start);
  for (std::size_t i = 0; i < start.weights.size(); ++i) {
    EXPECT_NEAR(plain.head.weights[i] - decayed.head.weights[i], 0.25F * start.weights[i], 1e-6);
  }
  EXPECT_EQ(plain.head.bias, decayed.head.bias);
}

TEST(TrainHead, LwsLearnsOneFactorAClass) {
  const Data data({60, 20, 10});
  const LinearHead start = some_head(3);
  HeadOptions options;
  options.method = HeadMethod::kLws;
  options.epochs = 5;
  const LinearHead head = trained(data, options, &start).head;
  for (std::size_t c = 0; c < 3; ++c) {
    const float factor = head.bias[c] / start.bias[c];
    EXPECT_NE(factor, 1);
    for (std::size_t k = 0; k < kWidth; ++k) {
      EXPECT_NEAR(head.weights[c * kWidth + k], factor * start.weights[c * kWidth + k], 1e-5);
    }
  }
}

TEST(TrainHead, TauNormDividesByThePowerOfTheNormAndDropsTheBias) {
  const Data data({5, 5});
  const LinearHead start = some_head(2);
  for (const double tau : {0.0, 0.7, 1.0}) {
    HeadOptions options;
    options.method = HeadMethod::kTauNorm;
    options.tau = tau;
    const LinearHead head = trained(data, options, &start).head;
    EXPECT_EQ(head.bias, std::vector<float>({0, 0}));
    for (std::size_t c = 0; c < 2; ++c) {
      double squares = 0;
      for (std::size_t k = 0; k < kWidth; ++k) {
        squares += std::pow(static_cast<double>(start.weights[c * kWidth + k]), 2);
      }
      for (std::size_t k = 0; k < kWidth; ++k) {
        const double expected =
            static_cast<double>(start.weights[c * kWidth + k]) / std::pow(std::sqrt(squares), tau);
        EXPECT_NEAR(head.weights[c * kWidth + k], expected, 1e-6);
      }
    }
  }
}

double mean(const Values& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

TEST(TrainHead, BalancedMethodsServeRareClassesBetter) {
  const Data data({800, 80, 8}, 1.6);
  HeadOptions options;
  const double linear = mean(trained(data, options).diagnostics.recall);
  options.method = HeadMethod::kCrt;
  EXPECT_GT(mean(trained(data, options).diagnostics.recall), linear + 0.1);
  options.method = HeadMethod::kPriorityReweighing;
  EXPECT_GT(mean(trained(data, options).diagnostics.recall), linear + 0.1);
}

TEST(TrainHead, GivesTheSameBitsOnAnyNumberOfThreads) {
  std::vector<std::int64_t> rows(130, 12);
  const Data data(rows);
  for (const HeadMethod method : {HeadMethod::kLinear, HeadMethod::kCrt, HeadMethod::kLort,
                                  HeadMethod::kPriorityReweighing}) {
    HeadOptions options;
    options.method = method;
    options.epochs = 2;
    options.rounds = 2;
    options.batch = 2000;
    options.threads = 1;
    const TrainedHead one = trained(data, options);
    options.threads = 3;
    const TrainedHead three = trained(data, options);
    EXPECT_EQ(one.head.weights, three.head.weights);
    EXPECT_EQ(one.losses, three.losses);
  }
}

TEST(TrainHead, TheSeedDecidesTheOrderOfRows) {
  const Data data({50, 50});
  HeadOptions options;
  const TrainedHead a = trained(data, options);
  EXPECT_EQ(trained(data, options).head.weights, a.head.weights);
  options.seed = 1;
  EXPECT_NE(trained(data, options).head.weights, a.head.weights);
}

TEST(TrainHead, IgnoredRowsDoNotCount) {
  Data data({30, 30});
  HeadOptions options = one_step(HeadMethod::kLinear);
  const TrainedHead plain = trained(data, options);
  for (int i = 0; i < 3; ++i) {
    data.features.insert(data.features.begin() + i * kWidth, kWidth, 1e6);
    data.labels.insert(data.labels.begin() + i, 255);
  }
  options.ignore_index = 255;
  const TrainedHead ignoring = trained(data, options);
  for (std::size_t i = 0; i < plain.head.weights.size(); ++i) {
    EXPECT_NEAR(plain.head.weights[i], ignoring.head.weights[i], 1e-6);
  }
}

TEST(TrainHead, DiagnosesTheLogitsOfEachClass) {
  const Data data({30, 12, 0});
  const LinearHead start = some_head(3);
  HeadOptions options;
  options.method = HeadMethod::kTauNorm;
  options.tau = 0;
  const TrainedHead result = trained(data, options, &start);
  Values margins;
  double hits = 0;
  for (std::size_t i = 0; i < data.labels.size(); ++i) {
    if (data.labels[i] != 1) continue;
    const double* x = data.features.data() + i * kWidth;
    Values z;
    for (std::int64_t c = 0; c < 3; ++c) z.push_back(logit(result.head, x, c));
    margins.push_back(z[1] - (z[0] + z[2]) / 2);
    hits += z[1] > z[0] && z[1] > z[2] ? 1 : 0;
  }
  double variance = 0;
  for (const double m : margins) variance += std::pow(m - mean(margins), 2) / 12;
  EXPECT_EQ(result.diagnostics.rows, (std::vector<std::int64_t>{30, 12, 0}));
  EXPECT_NEAR(result.diagnostics.magnitude[1], mean(margins), 1e-5);
  EXPECT_NEAR(result.diagnostics.regularised_std[1], std::sqrt(variance) / mean(margins), 1e-4);
  EXPECT_EQ(result.diagnostics.recall[1], hits / 12);
  EXPECT_TRUE(std::isnan(result.diagnostics.magnitude[2]));
}

TEST(TrainHead, RefusesWhatItCannotTrain) {
  const Data data({5, 5});
  const LinearHead other = some_head(3);
  HeadOptions options;
  options.method = HeadMethod::kLws;
  test::expect_usage({"lws", "--head"}, [&] { trained(data, options); });
  test::expect_bad_data({"3 classes", "2"}, [&] { trained(data, options, &other); });
  options = {};
  options.epochs = 0;
  test::expect_usage({"--epochs"}, [&] { trained(data, options); });
  options = {};
  options.smoothing = 1;
  test::expect_usage({"[0, 1)"}, [&] { trained(data, options); });
  test::expect_usage({"magic", "linear, crt"}, [] { find_head_method("magic"); });
  Data bad({5, 5});
  bad.features[8] = std::numeric_limits<double>::quiet_NaN();
  test::expect_bad_data({"features.npy", "row 1, feature 2"}, [&] { trained(bad, {}); });
  Data wrong({5, 5});
  wrong.labels[3] = 2;
  test::expect_bad_data({"label 2"}, [&] { trained(wrong, {}); });
  Data huge({5, 5});
  for (double& x : huge.features) x *= 1e25;
  test::expect_bad_data({"not finite in step", "--lr"}, [&] { trained(huge, {}); });
}

}  // namespace
}  // namespace p2p
