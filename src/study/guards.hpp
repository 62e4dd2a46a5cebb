#pragma once

#include <string>
#include <vector>

#include "p2p/select.hpp"
#include "study/fold_losses.hpp"
#include "study/folds.hpp"

namespace p2p::study {

/// What a correction may not cost, whatever it is judged by; see select_correction.
class Guards {
 public:
  /// `none`: the rows without a correction. `folds`, `target` and `none` are borrowed.
  Guards(const ClassPrior& prior, const SelectOptions& options, const Folds& folds,
         const std::vector<double>& target, const RowLosses& none);

  /// Fills many, medium and few. O(N).
  void set_groups(const RowLosses& rows, Candidate& candidate) const;
  /// Why a candidate with its groups set is refused; empty when it is not. O(N).
  [[nodiscard]] std::string refusal(const RowLosses& rows, const Candidate& candidate) const;

 private:
  struct Group {
    const char* name;
    std::optional<double> Candidate::*recall;
    double allowed;  // fall of the recall
  };

  const Folds& folds_;
  const std::vector<double>& target_;
  const RowLosses& none_rows_;
  std::vector<int> group_of_;  // [C] place in groups_, -1: none
  std::vector<Group> groups_;
  Candidate none_;
};

}  // namespace p2p::study
