#include "study/objective.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "p2p/error.hpp"

namespace p2p {
namespace {

struct Words {
  Objective objective;
  std::string_view name;
  std::string_view description;
};

constexpr std::array<Words, kObjectives> kWords{
    Words{Objective::kNll, "nll", "NLL weighted to the target"},
    Words{Objective::kAccuracy, "accuracy", "accuracy of the rows as they are"},
    Words{Objective::kBalancedAccuracy, "balanced-accuracy", "balanced accuracy"},
    Words{Objective::kMacroF1, "macro-f1", "macro-F1 of the rows as they are"}};

}  // namespace

std::string_view objective_name(Objective objective) {
  return kWords[static_cast<std::size_t>(objective)].name;
}

Objective find_objective(std::string_view name) {
  const auto found = std::ranges::find(kWords, name, &Words::name);
  if (found != kWords.end()) return found->objective;
  throw_usage(
      fmt::format("--objective '{}' is not nll, accuracy, balanced-accuracy or macro-f1", name));
}

namespace study {
namespace {

bool counts(std::int32_t label, const std::vector<double>& target) {
  return label >= 0 && target[static_cast<std::size_t>(label)] > 0;
}

std::vector<double> misses(const RowLosses& rows, const Folds& folds,
                           const std::vector<double>& target) {
  std::vector<double> result(folds.label.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = counts(folds.label[i], target) && rows.predicted[i] != folds.label[i] ? 1 : 0;
  }
  return result;
}

std::vector<double> macro_f1_costs(const RowLosses& rows, const Folds& folds,
                                   const std::vector<double>& target) {
  std::vector<double> f1(target.size()), either(target.size());  // either: m_c + k_c
  double n = 0;
  for (std::size_t i = 0; i < folds.label.size(); ++i) {
    if (!counts(folds.label[i], target)) continue;
    const auto label = static_cast<std::size_t>(folds.label[i]);
    const auto predicted = static_cast<std::size_t>(rows.predicted[i]);
    ++n;
    ++either[label];
    ++either[predicted];
    if (label == predicted) f1[label] += 2;
  }
  double classes = 0, total = 0;
  for (std::size_t c = 0; c < f1.size(); ++c) {
    if (either[c] == 0) continue;
    f1[c] /= either[c];
    total += f1[c];
    ++classes;
  }
  std::vector<double> result(folds.label.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    if (!counts(folds.label[i], target)) continue;
    const auto label = static_cast<std::size_t>(folds.label[i]);
    const auto predicted = static_cast<std::size_t>(rows.predicted[i]);
    const double hit = label == predicted ? 2 / either[label] : 0;
    const double influence = hit - f1[label] / either[label] - f1[predicted] / either[predicted];
    result[i] = 1 - total / classes - n / classes * influence;
  }
  return result;
}

}  // namespace

std::vector<double> row_costs(Objective objective, const RowLosses& rows, const Folds& folds,
                              const std::vector<double>& target) {
  switch (objective) {
    case Objective::kNll:
      return rows.loss;
    case Objective::kAccuracy:
    case Objective::kBalancedAccuracy:
      return misses(rows, folds, target);
    case Objective::kMacroF1:
      break;
  }
  return macro_f1_costs(rows, folds, target);
}

std::vector<double> class_weights(Objective objective, const Folds& folds,
                                  const std::vector<double>& target) {
  std::vector<double> weights(target.size());
  for (std::size_t c = 0; c < weights.size(); ++c) {
    if (!(target[c] > 0)) continue;
    weights[c] = objective == Objective::kNll ? target[c]
                 : objective == Objective::kBalancedAccuracy
                     ? 1
                     : static_cast<double>(folds.label_rows[c]);
  }
  return weights;
}

WeightedMean difference(std::vector<double> a, const std::vector<double>& b, const Folds& folds,
                        const std::vector<double>& weights) {
  std::ranges::transform(a, b, a.begin(), std::minus<>());
  return weighted_mean(a, folds.label, weights);
}

double value_of(Objective objective, double cost) {
  return objective == Objective::kNll ? cost : 1 - cost;
}

std::string_view describe(Objective objective) {
  return kWords[static_cast<std::size_t>(objective)].description;
}

}  // namespace study
}  // namespace p2p
