#include "p2p/moved_inputs.hpp"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string_view>
#include <utility>

#include "correction/confusion.hpp"
#include "correction/not_found.hpp"
#include "correction/shift_estimate.hpp"
#include "metrics/tv_interval.hpp"
#include "p2p/correction.hpp"
#include "p2p/error.hpp"
#include "prior/posterior_pass.hpp"
#include "study/class_strata.hpp"
#include "study/row_statistics.hpp"
#include "study/student.hpp"

namespace p2p {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;
using study::kStatistics;

// Standard deviation of the share t of a stratum around the one that em found, beforehand:
// kShareDeviation t + kSpread / strata.
constexpr double kShareDeviation = 0.5;
constexpr double kSpread = 0.2;
// Held-out rows of a stratum are too few to know their variance: as if so many more of them varied
// as the unlabelled rows do.
constexpr double kAddedRows = 2;
constexpr double kLeastVariance = 1e-12;  // keeps a class that has no posterior at all solvable
constexpr std::size_t kListedClasses = 10;

constexpr std::string_view kWhatToDo =
    "measure q on rows like these: p2p correct --method match --match-to target --unlabelled where "
    "their class frequencies are known, else p2p estimate with labels of a few of them";

// The prior of the unlabelled rows, by the settings of the stored one.
ClassPrior prior_of(const EvidenceRows& rows, const ClassPrior& stored, const Evidence& evidence) {
  PriorSettings settings = stored.settings;
  settings.input_kind = rows.kind;
  settings.smoothing = 0;
  settings.pool = false;
  settings.weighted = false;
  ScoreSet& scores = *rows.scores;
  const PosteriorSum sums =
      posterior_pass(scores, plan_blocks(scores), posterior_model(settings, rows.kind_stated), {},
                     evidence.threads, evidence.rows_done);
  return finish_prior(settings, sums, {});
}

// How far `now` is from the stored prior, both with sampling noise.
void measure_distance(const ClassPrior& stored, ClassPrior now, MovedInputs& result) {
  for (std::size_t c = 0; c < now.effective.size(); ++c) {
    result.tv += std::abs(now.effective[c] - stored.effective[c]) / 2;
    const double own = now.log_q_stderr[c];
    const double of_stored =
        stored.log_q_stderr[c] * stored.effective[c] / std::max(now.effective[c], 1e-300);
    if (!std::isnan(of_stored))
      now.log_q_stderr[c] = std::hypot(std::isnan(own) ? 0 : own, of_stored);
  }
  if (stored.settings.pool) return;  // its errors are those of the rows, not of the pooled q
  now.empirical = stored.effective;
  result.tv_ci95 = tv_interval(now, result.tv);
}

// The class frequencies that em finds; classes that are not corrected keep their mean posterior.
void find_label_shift(const ClassPrior& prior, const Evidence& evidence, MovedInputs& result) {
  CorrectionOptions options;
  options.method = Method::kEm;
  options.allow_unconverged = true;
  Correction found = make_correction(prior, options, evidence);
  result.warnings = std::move(found.warnings);
  const std::vector<double>& mean = result.mean_posterior;
  std::vector<double> shift = found.target;
  double kept = 0;
  for (std::size_t c = 0; c < shift.size(); ++c) {
    if (prior.is_corrected(static_cast<std::int64_t>(c))) continue;
    kept += mean[c];
  }
  for (std::size_t c = 0; c < shift.size(); ++c) {
    const bool corrected = prior.is_corrected(static_cast<std::int64_t>(c));
    shift[c] = corrected ? shift[c] * (1 - kept) : mean[c];
  }
  result.label_shift = std::move(shift);
  result.label_shift_converged = found.converged;
}

// What the statistics are compared by: A, and the shares of the strata.
struct ShiftModel {
  MatrixXd coefficients;  // A, [2, C]
  VectorXd shares;        // t, [strata], sums to 1
  VectorXd variances;     // of t beforehand, [strata]
};

struct Strata {
  MatrixXd posterior;   // P, [C, strata]: mean posterior of the held-out rows
  MatrixXd statistics;  // F, [2, strata]: mean statistics
  VectorXd rows;        // m
};

ShiftModel shift_model(const Strata& strata, const VectorXd& found, const VectorXd& mean,
                       double rows) {
  const MatrixXd& p = strata.posterior;
  const auto count = static_cast<double>(found.size());
  ShiftModel model;
  model.variances = (kShareDeviation * found.array() + kSpread / count).square();
  const double total = model.variances.sum();
  const VectorXd moved = p * model.variances;
  // L = diag(v) - v v' / sum v: shares move by sums of 0.
  MatrixXd lp = model.variances.asDiagonal() * p.transpose();
  lp -= model.variances * moved.transpose() / total;
  VectorXd noise = ((p.array() * (1 - p.array())).matrix() *
                    (found.array().square() / strata.rows.array()).matrix()) +
                   (mean.array() * (1 - mean.array()) / rows).matrix();
  noise.array() += kLeastVariance;
  MatrixXd k = p * lp;
  k.diagonal() += noise;
  const Eigen::LLT<MatrixXd> solver(k);
  model.coefficients = solver.solve((strata.statistics * lp).transpose()).transpose();
  const VectorXd step = lp * solver.solve(mean - p * found);
  model.shares = (found + step).cwiseMax(0);
  model.shares /= model.shares.sum();
  return model;
}

// mean g of the unlabelled rows - sum_y t_y mean g of the held-out rows of y, with its interval.
ShiftedStatistic compare_statistic(std::size_t k, const ShiftModel& model,
                                   const study::StatisticMoments& held_out,
                                   const study::StatisticMoments& unlabelled) {
  const auto rows = static_cast<double>(unlabelled.rows[0]);
  const std::vector<double>& mean = held_out.mean[k];
  const double weighted =
      std::inner_product(mean.begin(), mean.end(), model.variances.begin(), 0.0) /
      model.variances.sum();
  const double own = unlabelled.variance[k][0] / rows;
  double expected = 0;
  double variance = own;
  double squares = own * own / (rows - 1);
  for (std::size_t s = 0; s < mean.size(); ++s) {
    const auto at = static_cast<Eigen::Index>(s);
    const auto m = static_cast<double>(held_out.rows[s]);
    expected += model.shares[at] * mean[s];
    const double own_variance =
        held_out.variance[k][s] + kAddedRows * unlabelled.variance[k][0] / (m - 1);
    const double part = model.shares[at] * model.shares[at] * own_variance / m;
    variance += part + model.variances[at] * (mean[s] - weighted) * (mean[s] - weighted);
    squares += part * part / (m - 1);
  }
  const double freedom = squares > 0 ? variance * variance / squares : INFINITY;
  const double half = study::student_quantile_of_two(freedom) * std::sqrt(variance);
  ShiftedStatistic result;
  result.difference = unlabelled.mean[k][0] - expected;
  result.ci95 = {result.difference - half, result.difference + half};
  return result;
}

std::string list_classes(const std::vector<std::int64_t>& classes) {
  const std::size_t listed = std::min(classes.size(), kListedClasses);
  return fmt::format(
      "{}{}",
      fmt::join(classes.begin(), classes.begin() + static_cast<std::ptrdiff_t>(listed), ", "),
      classes.size() > listed ? ", ..." : "");
}

// Compares the statistics, or says why they cannot be.
std::string compare_rows(const ClassPrior& prior, const Evidence& evidence, MovedInputs& result) {
  const std::int64_t classes = prior.n_classes();
  const EvidenceRows& held_out = evidence.holdout;
  const EvidenceRows& unlabelled = evidence.unlabelled;
  if (classes > correction::kMostConfusionClasses) {
    throw_usage(
        fmt::format("labelled held-out rows are compared up to {} classes, and these are "
                    "{}; leave --holdout and --holdout-labels out",
                    correction::kMostConfusionClasses, classes));
  }
  const correction::Affine affine{.temperature = prior.settings.temperature,
                                  .scale = {},
                                  .offset = prior.settings.training_offset};
  const correction::ConfusionMatrix confusion =
      correction::confusion_matrix(held_out, classes, affine, Confusion::kSoft, evidence);
  result.n_held_out = confusion.rows;
  std::vector<std::int64_t> rows;
  for (const double share : confusion.share) {
    rows.push_back(std::llround(share * static_cast<double>(confusion.rows)));
  }
  if (result.n_rows < kLeastHeldOutRows) {
    return fmt::format("{} unlabelled rows are too few; give at least {}", result.n_rows,
                       kLeastHeldOutRows);
  }
  const study::ClassStrata strata = study::class_strata(rows, kLeastHeldOutRows, kMostJoinedRows);
  if (!strata.left_over.empty()) {
    return fmt::format(
        "the classes {} have fewer than {} labelled held-out rows together, so that "
        "nobody knows what their rows look like; hold out more rows of them",
        list_classes(strata.left_over), kLeastHeldOutRows);
  }

  VectorXd found = VectorXd::Zero(strata.count);
  double rare = 0;
  for (std::size_t c = 0; c < rows.size(); ++c) {
    found[strata.of_class[c]] += result.label_shift[c];
    if (rows[c] < kLeastHeldOutRows) rare += result.label_shift[c];
  }
  if (rare > kMostRareShare) {
    return fmt::format(
        "about {:.0f} % of the rows are of classes with fewer than {} labelled "
        "held-out rows; hold out more rows of them",
        100 * rare, kLeastHeldOutRows);
  }

  const study::StatisticMoments plain =
      study::statistic_moments(held_out, classes, affine, {}, strata.of_class, evidence);
  Strata means{.posterior = MatrixXd::Zero(classes, strata.count),
               .statistics = MatrixXd(kStatistics, strata.count),
               .rows = VectorXd(strata.count)};
  for (std::int64_t c = 0; c < classes; ++c) {
    means.posterior.col(strata.of_class[static_cast<std::size_t>(c)]) += confusion.joint.col(c);
  }
  for (Eigen::Index s = 0; s < strata.count; ++s) {
    const auto at = static_cast<std::size_t>(s);
    means.rows[s] = static_cast<double>(plain.rows[at]);
    means.posterior.col(s) *= static_cast<double>(confusion.rows) / means.rows[s];
    for (std::size_t k = 0; k < kStatistics; ++k) {
      means.statistics(static_cast<Eigen::Index>(k), s) = plain.mean[k][at];
    }
  }
  const VectorXd mean = Eigen::Map<const VectorXd>(result.mean_posterior.data(), classes);
  const ShiftModel model = shift_model(means, found, mean, static_cast<double>(result.n_rows));
  const study::StatisticMoments raw =
      study::statistic_moments(unlabelled, classes, affine, {}, {}, evidence);
  const study::StatisticMoments left = study::statistic_moments(
      held_out, classes, affine, model.coefficients, strata.of_class, evidence);
  const study::StatisticMoments now =
      study::statistic_moments(unlabelled, classes, affine, model.coefficients, {}, evidence);
  std::array<ShiftedStatistic, kStatistics> statistics;
  for (std::size_t k = 0; k < kStatistics; ++k) {
    statistics[k] = compare_statistic(k, model, left, now);
    statistics[k].measured = raw.mean[k][0];
    statistics[k].expected = raw.mean[k][0] - statistics[k].difference;
  }
  result.confidence = statistics[0];
  result.entropy = statistics[1];
  return "";
}

bool leaves_out_zero(const Interval& ci) { return ci.low > 0 || ci.high < 0; }

std::string describe(std::string_view name, const ShiftedStatistic& statistic) {
  return fmt::format(
      "{} {:.4f} where {:.4f} is expected (95 % interval of the difference {:.4f} "
      "to {:.4f})",
      name, statistic.measured, statistic.expected, statistic.ci95.low, statistic.ci95.high);
}

std::string describe(const std::optional<Interval>& ci) {
  if (!ci) return "no interval, because the stored prior is pooled";
  return fmt::format("95 % interval without sampling noise {:.4f} to {:.4f}", ci->low, ci->high);
}

void judge(const std::string& obstacle, MovedInputs& result) {
  if (!obstacle.empty()) {
    result.sentence = "Whether the inputs have moved cannot be told: " + obstacle + ".";
    return;
  }
  const std::string measured =
      describe("confidence", *result.confidence) + ", " + describe("entropy", *result.entropy);
  const Interval& ci = result.confidence->ci95;
  const double half_width = (ci.high - ci.low) / 2;
  if (leaves_out_zero(ci) || leaves_out_zero(result.entropy->ci95)) {
    result.verdict = InputsVerdict::kInputsMoved;
    result.sentence =
        fmt::format("No label shift explains these rows: {}. Their inputs have moved; {}.",
                    measured, kWhatToDo);
  } else if (half_width <= kVisibleConfidence) {
    result.verdict = InputsVerdict::kLabelShiftExplains;
    result.sentence = fmt::format(
        "A label shift, or none, explains these rows: {}. Moved inputs that change the confidence "
        "by {:.3f} would show in half of the cases, smaller moves less often. The stored prior "
        "serves these rows; --target says how frequent their classes are (estimated:em finds it).",
        measured, half_width);
  } else {
    result.sentence = fmt::format(
        "Too few rows to tell whether the inputs have moved: {}, where +-{} would do; give more "
        "unlabelled or more labelled held-out rows.",
        measured, kVisibleConfidence);
  }
}

}  // namespace

MovedInputs judge_inputs(const ClassPrior& prior, const Evidence& evidence) {
  if (evidence.unlabelled.scores == nullptr) {
    throw_usage("whether the inputs have moved is asked of unlabelled rows; give --unlabelled");
  }
  const ScoreSet& scores = *evidence.unlabelled.scores;
  const std::string& name = scores.sources().front()->name();
  if (scores.classes() != prior.n_classes()) {
    throw_bad_data(
        fmt::format("'{}' has {} classes, but the prior has {}; use scores of the same "
                    "model",
                    name, scores.classes(), prior.n_classes()));
  }
  const ClassPrior now = prior_of(evidence.unlabelled, prior, evidence);
  MovedInputs result;
  result.n_rows = now.n_rows;
  result.mean_posterior = now.effective;
  measure_distance(prior, now, result);
  const bool labelled = evidence.holdout.scores != nullptr && evidence.holdout.labels != nullptr;
  std::string obstacle;
  try {
    find_label_shift(prior, evidence, result);
    if (labelled) obstacle = compare_rows(prior, evidence, result);
  } catch (const correction::NotFound& error) {
    obstacle = fmt::format("no label shift was found ({})", error.what());
  }
  if (labelled) {
    judge(obstacle, result);
  } else {
    result.sentence = fmt::format(
        "The mean posterior of these rows differs from the stored prior by {:.4f} in total "
        "variation ({}). Without labelled held-out rows (--holdout, --holdout-labels) nobody can "
        "tell a label shift from moved inputs; if these may have moved, {}.",
        result.tv, describe(result.tv_ci95), kWhatToDo);
  }
  return result;
}

}  // namespace p2p
