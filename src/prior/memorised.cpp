#include "prior/memorised.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/element.hpp"
#include "core/exact_sum.hpp"
#include "p2p/posterior_sum.hpp"
#include "p2p/select.hpp"
#include "scan/first_rows.hpp"

namespace p2p {
namespace {

// Share of training rows with a posterior of exactly 0. Measured: forests 0.2 to 1; networks 0.
constexpr double kManyZeros = 0.1;

// Rows that the model was fitted to, scored by that model.
bool of_training_rows(const ClassPrior& prior) {
  const PriorSettings& settings = prior.settings;
  return settings.rows != "holdout" && settings.rows != "loo" && !settings.weighted;
}

}  // namespace

double mean_certainty(const ClassPrior& prior) {
  double squares = 0;
  for (const ExactSum& sum : prior.sums.posterior_squared) squares += value(sum);
  return squares / static_cast<double>(std::max<std::int64_t>(prior.n_rows, 1));
}

bool is_memorised(const ClassPrior& prior) {
  return of_training_rows(prior) && mean_certainty(prior) > kMemorised;
}

double share_with_zeros(ScoreKind kind, ScoreSet& scores) {
  const RowSource& source = *scores.sources().front();
  const bool posteriors = kind == ScoreKind::kProbs || kind == ScoreKind::kLogProbs;
  if (!posteriors || source.dtype() == DType::kF16 || source.rows() == 0) return 0;
  const double zero = kind == ScoreKind::kProbs ? 0 : -HUGE_VAL;
  const FirstRows rows(scores);
  std::int64_t found = 0;
  for (std::int64_t i = 0; i < rows.count(); ++i) {
    for (std::int64_t c = 0; c < rows.classes(); ++c) {
      if (load_element(rows.row(i), rows.dtype(), c) != zero) continue;
      ++found;
      break;
    }
  }
  return static_cast<double>(found) / static_cast<double>(rows.count());
}

std::string memorised_warning(const ClassPrior& prior, double zeros) {
  std::string sign;
  if (is_memorised(prior)) {
    sign = fmt::format(
        "the training rows are memorised (mean sum of squared posteriors {:.4f}, above {:g})",
        mean_certainty(prior), kMemorised);
  } else if (of_training_rows(prior) && zeros > kManyZeros) {
    sign = fmt::format(
        "{:.0f} % of the rows hold a posterior of exactly 0, as forests and other models that "
        "memorise give on rows they were trained on",
        100 * zeros);
  }
  if (sign.empty()) return "";
  return sign +
         ": their mean posterior is then the class frequencies, whatever the model believes of "
         "other rows; estimate on out-of-fold or held-out rows (--rows holdout)";
}

}  // namespace p2p
