#include "study/fold_losses.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "metrics/posterior_scan.hpp"
#include "metrics/tally.hpp"
#include "study/judged_rows.hpp"

namespace p2p::study {
namespace {

void judge(const EvidenceRows& rows, const LogOffset& offset, const Evidence& evidence,
           RowLosses& result) {
  TestRows test;
  test.rows = rows;
  test.second = evidence.holdout_second.scores;
  test.second_kind = evidence.holdout_second.kind;
  const JudgedRows judged(test, offset, evaluate_options(test, evidence.threads));
  const metrics::PosteriorScan scan{.offset = &judged.offset(), .rows_done = evidence.rows_done};
  metrics::scan_posteriors(
      judged.scores(), *rows.labels, judged.plan(), judged.options(), scan,
      [&](int /*worker*/, const metrics::PosteriorChunk& chunk) {
        for (std::int64_t i = 0; i < chunk.count; ++i) {
          const auto row = static_cast<std::size_t>(chunk.rows[i]);
          result.loss[row] = -std::max(chunk.log_true[i], metrics::kLogSmallest);
          result.predicted[row] = static_cast<std::int32_t>(chunk.predicted[i]);
        }
      });
}

}  // namespace

RowLosses fold_losses(const EvidenceRows& rows, const Folds& folds,
                      const std::vector<LogOffset>& offsets, const Evidence& evidence) {
  RowLosses result;
  result.loss.assign(folds.fold.size(), 0.0);
  result.predicted.assign(folds.fold.size(), -1);
  if (offsets.size() == 1) {
    judge(rows, offsets.front(), evidence, result);
    return result;
  }
  for (std::size_t k = 0; k < offsets.size(); ++k) {
    if (std::ranges::find(folds.fold, static_cast<std::uint8_t>(k)) == folds.fold.end()) continue;
    const FoldRows inside(rows, folds, static_cast<int>(k), FoldRows::Side::kInside);
    judge(inside.rows(), offsets[k], evidence, result);
  }
  return result;
}

WeightedMean weighted_mean(const std::vector<double>& values,
                           const std::vector<std::int32_t>& labels,
                           const std::vector<double>& target) {
  const std::size_t classes = target.size();
  std::vector<double> mean(classes), square(classes);
  std::vector<double> rows(classes);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (labels[i] < 0) continue;
    ++rows[static_cast<std::size_t>(labels[i])];
    mean[static_cast<std::size_t>(labels[i])] += values[i];
  }
  for (std::size_t c = 0; c < classes; ++c) mean[c] /= std::max(rows[c], 1.0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (labels[i] < 0) continue;
    const auto c = static_cast<std::size_t>(labels[i]);
    square[c] += (values[i] - mean[c]) * (values[i] - mean[c]);
  }
  double pooled = 0, freedom = 0, mass = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    if (rows[c] > 1) {
      pooled += square[c];
      freedom += rows[c] - 1;
    }
    if (rows[c] > 0 && target[c] > 0) mass += target[c];
  }
  pooled = freedom > 0 ? pooled / freedom : std::numeric_limits<double>::infinity();
  WeightedMean result;
  double variance = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    if (rows[c] == 0 || !(target[c] > 0)) continue;
    const double share = target[c] / mass;
    result.value += share * mean[c];
    variance += share * share * (rows[c] > 1 ? square[c] / (rows[c] - 1) : pooled) / rows[c];
  }
  result.standard_error = std::sqrt(variance);
  return result;
}

}  // namespace p2p::study
