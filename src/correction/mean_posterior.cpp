#include "correction/mean_posterior.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/exact_sum.hpp"
#include "correction/posterior_steps.hpp"
#include "p2p/error.hpp"
#include "prior/posterior_pass.hpp"
#include "scan/block_scan.hpp"
#include "scan/label_scan.hpp"

namespace p2p::correction {
namespace {

constexpr double kSmallestPosterior = 1e-38;

}  // namespace

MeanPosterior::MeanPosterior(const EvidenceRows& rows, std::int64_t classes, double temperature,
                             std::vector<double> class_weights, const Evidence& evidence)
    : rows_(rows),
      classes_(classes),
      temperature_(temperature),
      class_weights_(std::move(class_weights)),
      used_rows_(rows.scores->rows()),
      threads_(evidence.threads),
      rows_done_(evidence.rows_done) {
  const std::string& name = rows.scores->sources().front()->name();
  if (!rows.scores->rewindable()) {
    throw_bad_data(fmt::format(
        "'{}' can be read only once, but the method reads it again and again; give a file", name));
  }
  if (rows.scores->classes() != classes) {
    throw_bad_data(
        fmt::format("'{}' has {} classes, but the prior has {}; use scores of the same "
                    "model",
                    name, rows.scores->classes(), classes));
  }
  if (rows.scores->rows() == 0) {
    throw_bad_data(fmt::format("'{}' holds no rows; at least one is needed", name));
  }
  if (rows.labels == nullptr) return;
  demand_same_rows(*rows.scores, *rows.labels);
  used_rows_ -= count_labels(*rows.labels, {classes, rows.ignore_index, {}}, threads_).ignored;
}

std::vector<double> MeanPosterior::operator()(const std::vector<double>& offset) {
  ScoreSet& scores = *rows_.scores;
  const PosteriorModel model{rows_.kind, temperature_, offset, rows_.kind_stated};
  const PassLabels labels{.source = rows_.labels,
                          .rules = {classes_, rows_.ignore_index, {}},
                          .class_weights = class_weights_};
  const PosteriorSum sums =
      posterior_pass(scores, plan_blocks(scores), model, labels, threads_, rows_done_);
  std::vector<double> mean = sums.posterior();
  double total = 0;
  for (const double m : mean) total += m;
  if (!(total > 0)) {
    throw_bad_data(fmt::format("'{}' has no row with a usable label; at least one is needed",
                               scores.sources().front()->name()));
  }
  for (double& m : mean) m /= total;
  return mean;
}

double MeanPosterior::log_likelihood(const std::vector<double>& offset,
                                     const std::vector<double>& ratio) {
  ScoreSet& scores = *rows_.scores;
  const ScanOptions scan{threads_, rows_done_};
  const auto workers = static_cast<std::size_t>(scan_workers(scores, scan));
  const LabelRules rules{classes_, rows_.ignore_index, {}};
  const Affine affine{.temperature = temperature_, .offset = offset};
  struct Worker {
    PosteriorSteps steps;
    LabelReader reader;
    ExactSums sums{2};  // log-likelihood, weight
    std::array<double, 2> block{};
  };
  std::vector<Worker> state;
  for (std::size_t i = 0; i < workers; ++i) {
    state.push_back({PosteriorSteps(classes_, rows_.kind, rows_.kind_stated, affine),
                     LabelReader(rows_.labels, rules, class_weights_)});
  }
  scan_blocks(scores, plan_blocks(scores), scan, [&](int worker, const Chunk& chunk) {
    Worker& mine = state[static_cast<std::size_t>(worker)];
    mine.reader.read(chunk.global_row, chunk.count);
    const double* weights = mine.reader.weights();
    mine.steps.run(chunk, [&](std::int64_t first, std::int64_t count, const double* p) {
      for (std::int64_t i = 0; i < count; ++i, p += classes_) {
        const double weight = weights == nullptr ? 1 : weights[first + i];
        const double mixture = std::inner_product(ratio.begin(), ratio.end(), p, 0.0);
        mine.block[0] += weight * std::log(std::max(mixture, kSmallestPosterior));
        mine.block[1] += weight;
      }
    });
    if (!chunk.last_of_block) return;
    mine.sums.add(mine.block);
    mine.block = {};
  });
  for (std::size_t i = 1; i < workers; ++i) state[0].sums.merge(state[i].sums);
  return state[0].sums.value(0) / state[0].sums.value(1);
}

}  // namespace p2p::correction
