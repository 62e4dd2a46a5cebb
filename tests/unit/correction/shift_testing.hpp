#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "correction/source_model.hpp"
#include "p2p/correction.hpp"
#include "support/labelled.hpp"
#include "support/synthetic.hpp"

/// A model, labelled held-out rows and target rows of another prior, for the tests of methods that
/// estimate the target.
namespace p2p::test {

using Values = std::vector<double>;

struct ShiftOptions {
  Values model_prior;
  Values holdout_prior = {};  ///< empty: the model's
  Values target_prior;
  bool balanced_training = false;  ///< the model was trained with b = log pi
  std::int64_t holdout_rows = 6000;
  std::int64_t target_rows = 6000;
  double separation = 2.0;
};

inline Values log_of(Values values) {
  for (double& v : values) v = std::log(v);
  return values;
}

inline Synthetic rows_of(const ShiftOptions& options, const Values& rows_prior, std::int64_t rows,
                         std::uint64_t seed) {
  return synthetic(
      {.rows = rows,
       .rows_prior = rows_prior,
       .model_prior = options.model_prior,
       .training_offset = options.balanced_training ? log_of(options.model_prior) : Values{},
       .separation = options.separation,
       .seed = seed});
}

struct ShiftCase {
  explicit ShiftCase(const ShiftOptions& options)
      : ShiftCase(
            options,
            rows_of(options,
                    options.holdout_prior.empty() ? options.model_prior : options.holdout_prior,
                    options.holdout_rows, 1),
            rows_of(options, options.target_prior, options.target_rows, 2)) {}

  ShiftCase(const ShiftOptions& options, Synthetic holdout_rows, Synthetic target_rows)
      : holdout_values(std::move(holdout_rows)),
        target_values(std::move(target_rows)),
        holdout(holdout_values.scores, holdout_values.classes, holdout_values.labels),
        unlabelled(scores(target_values.scores, target_values.classes, DType::kF64, "target.npy")) {
    const Values& pi = options.model_prior;
    prior.effective = pi;
    prior.empirical = pi;
    prior.settings.counts = pi;
    for (double& n : prior.settings.counts) n *= 1e5;
    prior.settings.training_offset =
        options.balanced_training ? log_of(pi) : Values(pi.size(), 0.0);
    prior.residual = pi;
    for (std::size_t c = 0; c < pi.size(); ++c) {
      prior.residual[c] = pi[c] / std::exp(prior.settings.training_offset[c]);
    }
  }

  Evidence evidence(int threads = 1) {
    Evidence evidence = holdout.evidence(threads);
    evidence.unlabelled.scores = &unlabelled;
    return evidence;
  }

  Correction correct(const CorrectionOptions& options, int threads = 1) {
    return make_correction(prior, options, evidence(threads));
  }

  correction::SourceModel source(const CorrectionOptions& options) {
    const Evidence rows = evidence();
    const auto classes = static_cast<double>(prior.effective.size());
    const Values log_target(prior.effective.size(), -std::log(classes));
    return correction::source_model({prior, options, rows, log_target});
  }

  Synthetic holdout_values, target_values;
  Labelled holdout;
  ScoreSet unlabelled;
  ClassPrior prior;
};

inline CorrectionOptions method_options(Method method, Confusion confusion = Confusion::kSoft) {
  CorrectionOptions options;
  options.method = method;
  options.confusion = confusion;
  return options;
}

inline CorrectionOptions plain_rule(Method method, Confusion confusion = Confusion::kSoft) {
  CorrectionOptions result = method_options(method, confusion);
  result.largest_weight = std::numeric_limits<double>::infinity();
  return result;
}

// Few rows of many hardly separable classes: the exact solution is noise.
inline ShiftCase noisy_case() {
  const Values pi = long_tail(20, 50);
  return ShiftCase({.model_prior = pi,
                    .target_prior = pi,
                    .holdout_rows = 400,
                    .target_rows = 200,
                    .separation = 0.6});
}

inline double total_variation(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t c = 0; c < a.size(); ++c) sum += std::abs(a[c] - b[c]);
  return sum / 2;
}

inline void expect_near(const Values& found, const Values& expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t c = 0; c < found.size(); ++c) EXPECT_NEAR(found[c], expected[c], tolerance) << c;
}

inline Values reversed(Values values) {
  std::ranges::reverse(values);
  return values;
}

/// Plain float64 posteriors of a source model, [rows][C].
inline std::vector<Values> posteriors(const Synthetic& rows, const correction::SourceModel& model) {
  const auto classes = static_cast<std::size_t>(rows.classes);
  std::vector<Values> result;
  for (std::size_t i = 0; i < rows.labels.size(); ++i) {
    Values x(classes);
    for (std::size_t c = 0; c < classes; ++c) {
      x[c] = rows.scores[i * classes + c] / model.temperature + model.offset[c];
    }
    const double largest = *std::ranges::max_element(x);
    double total = 0;
    for (double& v : x) total += v = std::exp(v - largest);
    for (double& v : x) v /= total;
    result.push_back(std::move(x));
  }
  return result;
}

/// M [prediction][label], pi_h and mu by plain loops.
struct NaiveConfusion {
  std::vector<Values> joint;
  Values share, target;
};

inline NaiveConfusion naive_confusion(ShiftCase& shift, const CorrectionOptions& options) {
  const correction::SourceModel model = shift.source(options);
  const auto classes = static_cast<std::size_t>(shift.holdout_values.classes);
  const auto predictions = [&](const Synthetic& rows) {
    std::vector<Values> p = posteriors(rows, model);
    if (options.confusion == Confusion::kSoft) return p;
    for (Values& row : p) {
      const auto best = std::ranges::max_element(row) - row.begin();
      row.assign(classes, 0);
      row[static_cast<std::size_t>(best)] = 1;
    }
    return p;
  };
  NaiveConfusion result{std::vector<Values>(classes, Values(classes)), Values(classes),
                        Values(classes)};
  const std::vector<Values> held = predictions(shift.holdout_values);
  const auto m = static_cast<double>(held.size());
  for (std::size_t n = 0; n < held.size(); ++n) {
    const auto y = static_cast<std::size_t>(shift.holdout_values.labels[n]);
    result.share[y] += 1 / m;
    for (std::size_t i = 0; i < classes; ++i) result.joint[i][y] += held[n][i] / m;
  }
  const std::vector<Values> unlabelled = predictions(shift.target_values);
  for (const Values& row : unlabelled) {
    for (std::size_t i = 0; i < classes; ++i) {
      result.target[i] += row[i] / static_cast<double>(unlabelled.size());
    }
  }
  return result;
}

}  // namespace p2p::test
