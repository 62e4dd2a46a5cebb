#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "p2p/posterior_sum.hpp"
#include "study/candidates.hpp"
#include "study/held_out_prior.hpp"
#include "study/selecting.hpp"

namespace p2p::study {
namespace {

// Mean over rows of sum_c p_c^2: 1 when every posterior is certain.
double mean_certainty(const ClassPrior& prior) {
  const std::vector<double> squares = PosteriorSum::load(prior.sums).posterior_squared();
  return std::accumulate(squares.begin(), squares.end(), 0.0) /
         static_cast<double>(std::max<std::int64_t>(prior.n_rows, 1));
}

// Least-squares slope of log q on log pi over corrected classes; 1 where they do not vary.
double carried_slope(const ClassPrior& prior) {
  std::vector<double> x, y;
  for (std::int64_t c = 0; c < prior.n_classes(); ++c) {
    if (!prior.is_corrected(c)) continue;
    x.push_back(std::log(prior.empirical[static_cast<std::size_t>(c)]));
    y.push_back(std::log(prior.effective[static_cast<std::size_t>(c)]));
  }
  const auto n = static_cast<double>(x.size());
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double covariance = 0, variance = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    covariance += (x[i] - mean_x) * (y[i] - mean_y);
    variance += (x[i] - mean_x) * (x[i] - mean_x);
  }
  return variance > 0 ? covariance / variance : 1;
}

double total_variation(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t c = 0; c < a.size(); ++c) {
    if (std::isfinite(a[c]) && std::isfinite(b[c])) sum += std::abs(a[c] - b[c]);
  }
  return sum / 2;
}

}  // namespace

Selection select_unlabelled(const ClassPrior& prior, const SelectOptions& options,
                            const Evidence& evidence) {
  Candidate p2p{.name = "p2p", .method = Method::kP2P};
  p2p.strength = options.correction.strength;
  bool held_out = evidence.holdout.scores != nullptr;
  std::string mismatch;
  if (held_out) {
    mismatch = mismatch_warning(measured_on_holdout(prior, evidence));
    held_out = mismatch.empty();
  }
  if (held_out) {
    p2p.name = "p2p (held-out)";
    p2p.held_out = true;
  }
  Selection result;
  const auto leave = [&](std::string sentence) {
    result.sentence = std::move(sentence);
    return left_alone(result, prior, options, evidence);
  };
  if (!prior.empirical.empty()) {
    const double slope = carried_slope(prior);
    if (slope < kCarriedSlope) {
      return leave(fmt::format(
          "leave it alone: log q rises with the log class frequencies by {:.2f} only (1 is "
          "expected, below {:g} is suspicious), as when a balanced loss was used or the scores "
          "were "
          "corrected before, and correcting would divide twice; say how it was trained "
          "(--trained-with), or give labelled held-out rows (--holdout, --holdout-labels)",
          slope, kCarriedSlope));
    }
  }
  const double certainty = mean_certainty(prior);
  if (!held_out && prior.settings.rows != "holdout" && !prior.settings.weighted &&
      certainty > kMemorised) {
    return leave(fmt::format(
        "leave it alone: the training rows are memorised (mean sum of squared posteriors {:.4f}, "
        "above {:g}), so that their mean posterior is the class frequencies whatever the model "
        "believes; give scores of rows it was not trained on (--holdout, with --holdout-labels for "
        "a choice that is checked)",
        certainty, kMemorised));
  }
  Correction correction = fit(p2p, prior, options.correction, evidence);
  const double distance = total_variation(correction.residual, correction.target);
  if (distance < kNothingToCorrect) {
    return leave(fmt::format(
        "leave it alone: the prior that the scores carry is the target already (total variation "
        "{:.4f}, below {:g})",
        distance, kNothingToCorrect));
  }
  result.verdict = Verdict::kCorrect;
  result.sentence = fmt::format(
      "{} at strength {:g}: there are no labelled held-out rows to check it on; the prior that the "
      "scores carry is {:.3f} in total variation from the target",
      p2p.name, p2p.strength, distance);
  if (!mismatch.empty()) {
    correction.warnings.push_back("the held-out rows were not used: " + mismatch);
  }
  result.chosen = p2p;
  result.correction = std::move(correction);
  return result;
}

}  // namespace p2p::study
