#include "study/guards.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "study/objective.hpp"

namespace p2p::study {

Guards::Guards(const ClassPrior& prior, const SelectOptions& options, const Folds& folds,
               const std::vector<double>& target, const RowLosses& none)
    : folds_(folds),
      target_(target),
      none_rows_(none),
      group_of_(target.size(), -1),
      groups_{{"many", &Candidate::many, options.group_loss},
              {"medium", &Candidate::medium, options.group_loss},
              {"few", &Candidate::few, options.group_loss}} {
  const std::vector<double>& counts = prior.settings.counts;
  std::vector<double> mass(groups_.size()), classes(groups_.size());
  double all_mass = 0, all_classes = 0;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    if (!(target[c] >= 0)) continue;  // not corrected
    const std::size_t g = counts[c] > options.many ? 0 : counts[c] < options.few ? 2 : 1;
    group_of_[c] = static_cast<int>(g);
    mass[g] += target[c];
    all_mass += target[c];
    ++classes[g];
    ++all_classes;
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    if (classes[g] == 0) continue;
    const double worth = mass[g] / all_mass / (classes[g] / all_classes);
    groups_[g].allowed += std::max(0.0, 1 - worth);
  }
  set_groups(none, none_);
}

void Guards::set_groups(const RowLosses& rows, Candidate& candidate) const {
  std::vector<double> hits(target_.size());
  for (std::size_t i = 0; i < folds_.label.size(); ++i) {
    if (folds_.label[i] >= 0 && rows.predicted[i] == folds_.label[i]) {
      ++hits[static_cast<std::size_t>(folds_.label[i])];
    }
  }
  std::vector<double> recall(groups_.size()), mass(groups_.size());
  for (std::size_t c = 0; c < target_.size(); ++c) {
    if (group_of_[c] < 0 || folds_.label_rows[c] == 0 || !(target_[c] > 0)) continue;
    const auto g = static_cast<std::size_t>(group_of_[c]);
    recall[g] += target_[c] * hits[c] / static_cast<double>(folds_.label_rows[c]);
    mass[g] += target_[c];
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    if (mass[g] > 0) candidate.*groups_[g].recall = recall[g] / mass[g];
  }
}

std::string Guards::refusal(const RowLosses& rows, const Candidate& candidate) const {
  for (const Group& group : groups_) {
    const std::optional<double> before = none_.*group.recall;
    const std::optional<double> after = candidate.*group.recall;
    if (!before || *before - *after <= group.allowed) continue;
    return fmt::format("the recall of {} falls from {:.4g} to {:.4g}, by more than {:.4g}",
                       group.name, *before, *after, group.allowed);
  }
  // Misses, whose mean is 1 - accuracy whatever the classes are weighted by.
  const std::vector<double> before =
      row_costs(Objective::kBalancedAccuracy, none_rows_, folds_, target_);
  std::vector<double> after = row_costs(Objective::kBalancedAccuracy, rows, folds_, target_);
  const WeightedMean fall = difference(std::move(after), before, folds_, target_);
  if (fall.value <= fall.standard_error) return "";
  const double accuracy = 1 - weighted_mean(before, folds_.label, target_).value;
  return fmt::format(
      "the accuracy weighted to the target falls from {:.4g} to {:.4g}, by more than the standard "
      "error {:.2g} of the difference",
      accuracy, accuracy - fall.value, fall.standard_error);
}

}  // namespace p2p::study
