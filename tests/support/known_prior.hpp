#pragma once

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "p2p/correction.hpp"
#include "p2p/estimate.hpp"
#include "support/labelled.hpp"
#include "support/synthetic.hpp"

/// A model that holds a known prior, measured on training rows, and labelled held-out rows of it.
namespace p2p::test {

struct KnownPriorOptions {
  std::vector<double> prior = {0.6, 0.25, 0.1, 0.05};
  bool logit_adjusted = false;          ///< b = log pi, else 0
  double sharpness = 1;                 ///< the temperature that calibrates the scores
  std::vector<double> rows_prior = {};  ///< of the held-out rows; empty: the training prior
  std::int64_t rows = 4000;             ///< held-out
  bool counts = true;                   ///< the prior file knows pi
  std::vector<std::int64_t> excluded = {};
};

struct KnownPrior {
  ClassPrior prior;
  Synthetic holdout;
  std::vector<double> offset;  ///< b - log pi, the offset that balances z / sharpness

  explicit KnownPrior(const KnownPriorOptions& options) {
    std::vector<double> b(options.prior.size(), 0.0);
    for (std::size_t c = 0; c < b.size(); ++c) {
      const double log_pi = std::log(options.prior[c]);
      if (options.logit_adjusted) b[c] = log_pi;
      offset.push_back(b[c] - log_pi);
    }
    SyntheticOptions rows{.rows = 8000,
                          .rows_prior = options.prior,
                          .model_prior = options.prior,
                          .training_offset = b,
                          .sharpness = options.sharpness,
                          .seed = 5};
    const Synthetic training = synthetic(rows);
    ScoreSet scores = test::scores(training.scores, training.classes, DType::kF64, "train.npy");
    EstimateOptions estimate;
    estimate.kind = ScoreKind::kLogits;
    estimate.training = {.loss = Training::Loss::kOffset, .values = b};
    if (options.counts) estimate.counts = options.prior;
    estimate.excluded = options.excluded;
    prior = estimate_prior(scores, nullptr, estimate).prior;
    rows.rows = options.rows;
    rows.seed = 6;
    if (!options.rows_prior.empty()) rows.rows_prior = options.rows_prior;
    holdout = synthetic(rows);
  }

  /// The correction of a method from the held-out rows.
  Correction correct(const CorrectionOptions& options, int threads = 1,
                     DType dtype = DType::kF64) const {
    Labelled data(holdout.scores, holdout.classes, holdout.labels, dtype);
    return make_correction(prior, options, data.evidence(threads));
  }
};

inline CorrectionOptions options_of(Method method) {
  CorrectionOptions options;
  options.method = method;
  return options;
}

/// v with mean 0.
inline std::vector<double> centred(std::vector<double> v) {
  double mean = 0;
  for (const double x : v) mean += x / static_cast<double>(v.size());
  for (double& x : v) x -= mean;
  return v;
}

}  // namespace p2p::test
