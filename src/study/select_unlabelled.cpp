#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "correction/method.hpp"
#include "metrics/slope.hpp"
#include "prior/memorised.hpp"
#include "study/held_out_prior.hpp"
#include "study/selecting.hpp"

namespace p2p::study {
namespace {

// Least-squares slope of log q on log pi over corrected classes; 1 where they do not vary.
double carried_slope(const ClassPrior& prior) {
  std::vector<char> excluded;
  for (const char corrected : correction::corrected_classes(prior)) {
    excluded.push_back(corrected == 0 ? 1 : 0);
  }
  return metrics::log_log_slope(prior.effective, prior.empirical, excluded).value_or(1);
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
  std::optional<ClassPrior> measured;
  std::string mismatch;
  if (evidence.holdout.scores != nullptr) {
    measured = measured_on_holdout(prior, evidence);
    mismatch = mismatch_warning(*measured);
    p2p.held_out = mismatch.empty();
    if (p2p.held_out) p2p.name = "p2p (held-out)";
  }
  Selection result;
  const auto leave = [&](std::string sentence) {
    result.sentence = std::move(sentence);
    return left_alone(result, prior, options, evidence);
  };
  if (prior.empirical.empty()) {
    return leave(
        "leave it alone: without training counts nothing tells whether the rows that the prior was "
        "measured on follow the training distribution, and those that do not give a prior that the "
        "model does not hold; estimate it with --counts, or give labelled held-out rows "
        "(--holdout, --holdout-labels)");
  }
  const double slope = carried_slope(prior);
  if (slope < kCarriedSlope) {
    return leave(fmt::format(
        "leave it alone: log q rises with the log class frequencies by {:.2f} only (1 is "
        "expected, below {:g} is suspicious), as when a balanced loss was used or the scores were "
        "corrected before, and correcting would divide twice; say how it was trained "
        "(--trained-with), or give labelled held-out rows (--holdout, --holdout-labels)",
        slope, kCarriedSlope));
  }
  if (!p2p.held_out && is_memorised(prior)) {
    return leave(fmt::format(
        "leave it alone: the training rows are memorised (mean sum of squared posteriors {:.4f}, "
        "above {:g}), so that their mean posterior is the class frequencies whatever the model "
        "believes; give scores of rows it was not trained on (--holdout, with --holdout-labels for "
        "a choice that is checked)",
        mean_certainty(prior), kMemorised));
  }
  CorrectionOptions own = options.correction;
  own.method = p2p.method;
  Correction correction = make_correction(p2p.held_out ? *measured : prior, own, evidence);
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
