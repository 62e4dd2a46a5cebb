#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "p2p/evidence.hpp"
#include "p2p/metrics.hpp"
#include "p2p/row_source.hpp"
#include "p2p/types.hpp"

namespace p2p {

/// Labelled rows that corrections are judged on, and how. They are looked at only after every
/// correction was found.
struct TestRows {
  EvidenceRows rows;           ///< as the model made them; labels are needed
  ScoreSet* second = nullptr;  ///< the same rows as a second model scores them, for corrections
                               ///< that add them
  ScoreKind second_kind = ScoreKind::kLogits;  ///< never kAuto
  std::vector<double> counts;          ///< [C] training images per class, or empty: no groups
  double many = 100;                   ///< many: n_c > many
  double few = 20;                     ///< few: n_c < few
  std::vector<std::int64_t> excluded;  ///< classes masked out; their rows are left out
};

/// The part of MetricValues that needs three numbers a row; the same definitions.
struct TableValues {
  double accuracy = 0;
  double balanced_accuracy = 0;
  std::optional<double> many, medium, few;
  double nll = 0;
  double ece = 0;
};

struct TableIntervals {
  Interval accuracy, balanced_accuracy;
  std::optional<Interval> many, medium, few;
  Interval nll, ece;
};

}  // namespace p2p
