#include "prior/memorised.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/element.hpp"
#include "p2p/posterior_sum.hpp"
#include "p2p/select.hpp"

namespace p2p {
namespace {

constexpr std::int64_t kSampleBytes = 8 << 20;
// Share of training rows with a posterior of exactly 0. Measured: forests 0.2 to 1; networks 0.
constexpr double kManyZeros = 0.1;

bool of_training_rows(const ClassPrior& prior) {
  return prior.settings.rows != "holdout" && !prior.settings.weighted;
}

// Of the first rows, those with a posterior of exactly 0; 0 where that says nothing.
double share_with_zeros(const ClassPrior& prior, ScoreSet& scores) {
  const ScoreKind kind = prior.settings.input_kind;
  RowSource& source = *scores.sources().front();
  if ((kind != ScoreKind::kProbs && kind != ScoreKind::kLogProbs) || !source.rewindable() ||
      source.dtype() == DType::kF16) {
    return 0;
  }
  const double zero = kind == ScoreKind::kProbs ? 0 : -HUGE_VAL;
  const std::int64_t classes = source.classes();
  const auto row_bytes = classes * static_cast<std::int64_t>(item_size(source.dtype()));
  const std::int64_t rows =
      std::min({source.rows(), kBlockRows, std::max(kSampleBytes / row_bytes, std::int64_t{1})});
  std::vector<char> head(static_cast<std::size_t>(rows * row_bytes));
  source.read(0, rows, head.data());
  std::int64_t found = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t c = 0; c < classes; ++c) {
      if (load_element(head.data() + i * row_bytes, source.dtype(), c) != zero) continue;
      ++found;
      break;
    }
  }
  return rows == 0 ? 0 : static_cast<double>(found) / static_cast<double>(rows);
}

}  // namespace

double mean_certainty(const ClassPrior& prior) {
  const std::vector<double> squares = PosteriorSum::load(prior.sums).posterior_squared();
  return std::accumulate(squares.begin(), squares.end(), 0.0) /
         static_cast<double>(std::max<std::int64_t>(prior.n_rows, 1));
}

bool is_memorised(const ClassPrior& prior) {
  return of_training_rows(prior) && mean_certainty(prior) > kMemorised;
}

std::string memorised_warning(const ClassPrior& prior, ScoreSet& scores) {
  std::string sign;
  if (is_memorised(prior)) {
    sign = fmt::format(
        "the training rows are memorised (mean sum of squared posteriors {:.4f}, above "
        "{:g})",
        mean_certainty(prior), kMemorised);
  } else if (of_training_rows(prior)) {
    const double share = share_with_zeros(prior, scores);
    if (share <= kManyZeros) return "";
    sign = fmt::format(
        "{:.0f} % of the rows hold a posterior of exactly 0, as forests and other models that "
        "memorise give on rows they were trained on",
        100 * share);
  }
  if (sign.empty()) return "";
  return sign +
         ": their mean posterior is then the class frequencies, whatever the model believes of "
         "other "
         "rows; estimate on out-of-fold or held-out rows (--rows holdout)";
}

}  // namespace p2p
