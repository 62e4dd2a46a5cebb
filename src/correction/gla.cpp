#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <limits>
#include <utility>

#include "correction/affine_fit.hpp"
#include "correction/method.hpp"
#include "p2p/error.hpp"
#include "scan/label_scan.hpp"

namespace p2p::correction {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The labelled rows as the second model scores them.
EvidenceRows second_rows(const Evidence& evidence) {
  EvidenceRows rows = evidence.holdout_second;
  rows.labels = evidence.holdout.labels;
  rows.ignore_index = evidence.holdout.ignore_index;
  const ScoreSet& first = *evidence.holdout.scores;
  if (rows.scores->rows() != first.rows()) {
    throw_bad_data(fmt::format(
        "'{}' holds {} rows, but '{}' holds {}; --holdout-second wants the rows of --holdout in "
        "the same order",
        rows.scores->sources().front()->name(), rows.scores->rows(),
        first.sources().front()->name(), first.rows()));
  }
  return rows;
}

// T of softmax(z / T + b) under the training distribution.
AffineFit fit_first(const MethodInput& input, const std::vector<std::int64_t>& label_rows) {
  const ClassPrior& prior = input.prior;
  const EvidenceRows& rows = input.evidence.holdout;
  std::vector<double> weights(label_rows.size(), 0.0);
  for (std::size_t c = 0; c < weights.size(); ++c) {
    if (label_rows[c] > 0) weights[c] = prior.empirical[c] / static_cast<double>(label_rows[c]);
  }
  return fit_affine(
      rows, prior.n_classes(), {.temperature = true}, {.offset = prior.settings.training_offset},
      weights, std::vector<char>(weights.size(), 0),
      tolerance_for(input.options, rows.scores->dtype()), input.options.max_rounds, input.evidence);
}

// T and d of softmax(z / T + d) under the distribution of the labelled rows, where classes without
// rows have no place.
AffineFit fit_second(const MethodInput& input, const std::vector<std::int64_t>& label_rows) {
  const EvidenceRows rows = second_rows(input.evidence);
  Affine start{.offset = std::vector<double>(label_rows.size(), 0.0)};
  std::vector<char> free(label_rows.size(), 1);
  for (std::size_t c = 0; c < free.size(); ++c) {
    if (label_rows[c] > 0) continue;
    start.offset[c] = -kInfinity;
    free[c] = 0;
  }
  return fit_affine(rows, input.prior.n_classes(), {.temperature = true, .offset = true},
                    std::move(start), std::vector<double>(free.size(), 1.0), free,
                    tolerance_for(input.options, rows.scores->dtype()), input.options.max_rounds,
                    input.evidence);
}

// log q = log pi_l - d up to a constant; the mean of the others for classes without labelled rows.
std::vector<double> log_second_prior(const std::vector<double>& d,
                                     const std::vector<std::int64_t>& label_rows) {
  std::vector<double> log_q(d.size());
  double total = 0;
  std::int64_t known = 0;
  for (std::size_t c = 0; c < d.size(); ++c) {
    if (label_rows[c] == 0) continue;
    log_q[c] = std::log(static_cast<double>(label_rows[c])) - d[c];
    total += log_q[c];
    ++known;
  }
  for (std::size_t c = 0; c < d.size(); ++c) {
    if (label_rows[c] == 0) log_q[c] = total / static_cast<double>(known);
  }
  return log_q;
}

std::vector<std::string> warn_of_classes_without_rows(const std::vector<char>& corrected,
                                                      const std::vector<std::int64_t>& label_rows) {
  std::vector<std::size_t> without;
  for (std::size_t c = 0; c < corrected.size(); ++c) {
    if (corrected[c] != 0 && label_rows[c] == 0) without.push_back(c);
  }
  if (without.empty()) return {};
  return {fmt::format(
      "classes without a labelled held-out row, whose prior in the second model was taken to be "
      "the geometric mean of the others: {}",
      fmt::join(without, ", "))};
}

}  // namespace

MethodResult run_gla(const MethodInput& input) {
  const ClassPrior& prior = input.prior;
  const EvidenceRows& rows = input.evidence.holdout;
  demand_same_rows(*rows.scores, *rows.labels);
  const std::vector<std::int64_t> label_rows =
      count_labels(*rows.labels, {prior.n_classes(), rows.ignore_index, {}}, input.evidence.threads)
          .rows;
  const AffineFit first = fit_first(input, label_rows);
  const AffineFit second = fit_second(input, label_rows);
  const std::vector<double> log_q = log_second_prior(second.affine.offset, label_rows);

  MethodResult result;
  result.temperature = first.affine.temperature;
  result.second_temperature = second.affine.temperature;
  result.log_residual.resize(log_q.size());
  for (std::size_t c = 0; c < log_q.size(); ++c) {
    result.log_residual[c] =
        log_q[c] + std::log(prior.empirical[c]) - prior.settings.training_offset[c];
  }
  result.rounds = first.rounds;
  result.rounds.insert(result.rounds.end(), second.rounds.begin(), second.rounds.end());
  result.converged = first.converged && second.converged;
  result.warnings = warn_of_classes_without_rows(corrected_classes(prior), label_rows);
  return result;
}

}  // namespace p2p::correction
