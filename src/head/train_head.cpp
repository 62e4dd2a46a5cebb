#include "p2p/train_head.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>

#include "head/sgd.hpp"
#include "p2p/error.hpp"

namespace p2p {
namespace {

using head::Matrix;
using head::TrainingRows;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kLearningRate = 0.1;
constexpr double kLortLearningRate = 5e-4;

constexpr std::array kMethods{
    HeadMethodInfo{HeadMethod::kLinear, "linear", "cross-entropy, every row equally often"},
    HeadMethodInfo{HeadMethod::kCrt, "crt", "cross-entropy, every class equally often"},
    HeadMethodInfo{HeadMethod::kLws, "lws", "a learned factor for each class of --head", true},
    HeadMethodInfo{HeadMethod::kTauNorm, "tau-norm", "weights of --head over their norm^tau", true},
    HeadMethodInfo{HeadMethod::kLort, "lort", "over-smoothed labels"},
    HeadMethodInfo{HeadMethod::kPriorityReweighing, "priority-reweighing",
                   "rounds of weighted fits, rows near the boundary first"},
};

void validate(const HeadOptions& options, std::int64_t classes, std::int64_t width,
              const LinearHead* initial) {
  const auto demand = [](bool good, const std::string& sentence) {
    if (!good) throw_usage(sentence);
  };
  demand(classes >= 2, fmt::format("a head needs 2 classes or more, not {}", classes));
  demand(options.epochs >= 1, fmt::format("--epochs must be at least 1, not {}", options.epochs));
  demand(options.batch >= 1, fmt::format("--batch must be at least 1, not {}", options.batch));
  demand(options.rounds >= 1, fmt::format("--rounds must be at least 1, not {}", options.rounds));
  demand(options.tau >= 0 && std::isfinite(options.tau),
         fmt::format("tau must be at least 0 and finite, not {}", options.tau));
  demand(options.smoothing >= 0 && options.smoothing < 1,
         fmt::format("the smoothing must lie in [0, 1), not {}", options.smoothing));
  demand(options.eta >= 0 && std::isfinite(options.eta),
         fmt::format("--eta must be at least 0 and finite, not {}", options.eta));
  demand(!options.learning_rate ||
             (*options.learning_rate > 0 && std::isfinite(*options.learning_rate)),
         "--lr must be positive and finite");
  demand(options.momentum >= 0 && options.momentum < 1,
         fmt::format("--momentum must lie in [0, 1), not {}", options.momentum));
  demand(options.weight_decay >= 0 && std::isfinite(options.weight_decay),
         fmt::format("--weight-decay must be at least 0 and finite, not {}", options.weight_decay));
  const HeadMethodInfo& method = kMethods.at(static_cast<std::size_t>(options.method));
  demand(initial != nullptr || !method.needs_head,
         fmt::format("--method {} starts from a trained head; give it with --head", method.name));
  if (initial != nullptr && (initial->classes != classes || initial->width != width)) {
    throw_bad_data(
        fmt::format("the head has {} classes and width {}, the data {} and {}; use the "
                    "head of the same network",
                    initial->classes, initial->width, classes, width));
  }
}

LinearHead zeros(std::int64_t classes, std::int64_t width) {
  return {classes, width, std::vector<float>(static_cast<std::size_t>(classes * width)),
          std::vector<float>(static_cast<std::size_t>(classes))};
}

void normalise(LinearHead& head, double tau) {
  head::MatrixView weights(head.weights.data(), head.classes, head.width);
  for (std::int64_t c = 0; c < head.classes; ++c) {
    const double norm = weights.row(c).cast<double>().norm();
    if (norm > 0) weights.row(c) *= static_cast<float>(std::pow(norm, -tau));
  }
  std::ranges::fill(head.bias, 0.0F);
}

// The own logit of a row less the largest of the others.
double margin(const Matrix& logits, std::int64_t row, std::int32_t label) {
  float other = -std::numeric_limits<float>::infinity();
  for (std::int64_t c = 0; c < logits.cols(); ++c) {
    if (c != label) other = std::max(other, logits(row, c));
  }
  return static_cast<double>(logits(row, label) - other);
}

std::vector<std::int64_t> class_rows(const TrainingRows& rows) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(rows.classes));
  for (const std::int32_t label : rows.labels) ++counts[static_cast<std::size_t>(label)];
  return counts;
}

// Weights of the next round, mean 1: `mass` of each class times mean recall / its recall, shared
// out in proportion to exp(-eta |margin|).
std::vector<double> reweigh(const TrainingRows& rows, const Matrix& logits, double eta,
                            std::vector<double>& mass) {
  const std::vector<std::int64_t> counts = class_rows(rows);
  std::vector<double> hits(counts.size());
  std::vector<double> sums(counts.size());
  std::vector<double> weights(rows.labels.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto c = static_cast<std::size_t>(rows.labels[i]);
    const double m = margin(logits, static_cast<std::int64_t>(i), rows.labels[i]);
    weights[i] = std::exp(-eta * std::abs(m));
    hits[c] += m > 0 ? 1 : 0;
    sums[c] += weights[i];
  }
  // A recall with one row more of each outcome: never 0, and small classes move less.
  std::vector<double> recall(counts.size());
  double mean = 0;
  double present = 0;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] == 0) continue;
    recall[c] = (hits[c] + 1) / (static_cast<double>(counts[c]) + 2);
    mean += recall[c];
    ++present;
  }
  mean /= present;
  double total = 0;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] == 0) continue;
    mass[c] *= mean / recall[c];
    total += mass[c];
  }
  for (double& m : mass) m /= total;
  const auto n = static_cast<double>(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto c = static_cast<std::size_t>(rows.labels[i]);
    // All weights of a class may underflow; then they are equal.
    weights[i] =
        n * mass[c] * (sums[c] > 0 ? weights[i] / sums[c] : 1 / static_cast<double>(counts[c]));
  }
  return weights;
}

HeadDiagnostics diagnose(const TrainingRows& rows, const Matrix& logits) {
  const auto size = static_cast<std::size_t>(rows.classes);
  HeadDiagnostics result{class_rows(rows), std::vector<double>(size, kNaN),
                         std::vector<double>(size, kNaN), std::vector<double>(size, kNaN)};
  std::vector<double> sum(size);
  std::vector<double> squares(size);
  std::vector<double> hits(size);
  const auto others = static_cast<double>(rows.classes - 1);
  for (std::int64_t i = 0; i < rows.rows(); ++i) {
    const std::int32_t label = rows.labels[static_cast<std::size_t>(i)];
    const auto c = static_cast<std::size_t>(label);
    const double own = static_cast<double>(logits(i, label));
    const double all = logits.row(i).cast<double>().sum();
    const double m = own - (all - own) / others;
    sum[c] += m;
    squares[c] += m * m;
    hits[c] += margin(logits, i, label) > 0 ? 1 : 0;
  }
  for (std::size_t c = 0; c < size; ++c) {
    const auto n = static_cast<double>(result.rows[c]);
    if (n == 0) continue;
    const double mean = sum[c] / n;
    result.magnitude[c] = mean;
    result.regularised_std[c] = std::sqrt(std::max(0.0, squares[c] / n - mean * mean)) / mean;
    result.recall[c] = hits[c] / n;
  }
  return result;
}

}  // namespace

std::span<const HeadMethodInfo> head_methods() { return kMethods; }

HeadMethod find_head_method(std::string_view name) {
  std::vector<std::string_view> names;
  for (const HeadMethodInfo& info : kMethods) {
    if (info.name == name) return info.method;
    names.push_back(info.name);
  }
  throw_usage(fmt::format("--method '{}' is not one of {}", name, fmt::join(names, ", ")));
}

TrainedHead train_head(ScoreSet& features, LabelSource& labels, std::int64_t classes,
                       const HeadOptions& options, const LinearHead* initial) {
  validate(options, classes, features.classes(), initial);
  const TrainingRows rows = head::load_rows(features, labels, classes, options);
  TrainedHead result;
  result.head = initial != nullptr ? *initial : zeros(classes, rows.width());
  head::Random random(options.seed);
  std::unique_ptr<head::Sampler> sampler;
  if (options.method == HeadMethod::kCrt || options.method == HeadMethod::kLws) {
    sampler = std::make_unique<head::ClassSampler>(rows.labels, classes, random);
  } else {
    sampler = std::make_unique<head::RowSampler>(rows.rows(), random);
  }
  const bool lort = options.method == HeadMethod::kLort;
  const double rate = options.learning_rate.value_or(lort ? kLortLearningRate : kLearningRate);
  head::Objective objective;
  if (lort) objective.smoothing = options.smoothing;
  objective.scales_only = options.method == HeadMethod::kLws;
  const auto fit = [&] {
    head::minimise(rows, objective, *sampler, options, rate, result.head, result.losses);
  };
  if (options.method == HeadMethod::kTauNorm) {
    normalise(result.head, options.tau);
  } else if (options.method == HeadMethod::kPriorityReweighing) {
    std::vector<double> weights;
    std::vector<double> mass;
    for (const std::int64_t count : class_rows(rows)) {
      mass.push_back(static_cast<double>(count) / static_cast<double>(rows.rows()));
    }
    for (int round = 0; round < options.rounds; ++round) {
      objective.weights = weights;
      fit();
      weights =
          reweigh(rows, head::all_logits(rows, result.head, options.threads), options.eta, mass);
    }
  } else {
    fit();
  }
  result.diagnostics = diagnose(rows, head::all_logits(rows, result.head, options.threads));
  return result;
}

}  // namespace p2p
