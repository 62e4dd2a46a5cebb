#include "p2p/estimate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>

#include "p2p/error.hpp"
#include "p2p/score_kind.hpp"
#include "scan/block_scan.hpp"
#include "scan/label_scan.hpp"

namespace p2p {
namespace {

constexpr std::size_t kListedClasses = 10;

std::string class_list(const std::vector<std::int64_t>& classes) {
  const std::size_t shown = std::min(classes.size(), kListedClasses);
  return fmt::format(
      "{}{}",
      fmt::join(classes.begin(), classes.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
      classes.size() > shown ? ", ..." : "");
}

void validate(const EstimateOptions& options, std::int64_t classes) {
  if (!(options.temperature > 0) || !std::isfinite(options.temperature)) {
    throw_usage(
        fmt::format("--temperature must be positive and finite, not {}", options.temperature));
  }
  if (!(options.smoothing >= 0) || !std::isfinite(options.smoothing)) {
    throw_usage(
        fmt::format("--smoothing must be at least 0 and finite, not {}", options.smoothing));
  }
  if (options.floor && !(*options.floor > 0 && *options.floor * static_cast<double>(classes) < 1)) {
    throw_usage(fmt::format("--floor must lie between 0 and 1/C = {:.6g}, not {}",
                            1.0 / static_cast<double>(classes), *options.floor));
  }
  if (options.parts < 1 || options.part < 1 || options.part > options.parts) {
    throw_usage(fmt::format("--part {}/{}: K counts from 1 to N", options.part, options.parts));
  }
  if (!options.counts.empty() && static_cast<std::int64_t>(options.counts.size()) != classes) {
    throw_bad_data(fmt::format(
        "counts have {} values, but the scores have {} classes; give one count per class",
        options.counts.size(), classes));
  }
  if (!options.counts.empty()) normalised(options.counts, "counts");
  if (!options.classes.empty() && static_cast<std::int64_t>(options.classes.size()) != classes) {
    throw_bad_data(fmt::format("{} class names for {} classes; give one name per class",
                               options.classes.size(), classes));
  }
  for (const std::int64_t c : options.excluded) {
    if (c < 0 || c >= classes) {
      throw_usage(fmt::format("--exclude {}: classes are numbered 0 to {}", c, classes - 1));
    }
  }
}

// pi_c N / m_c; 0 for classes without training images.
std::vector<double> row_weights(const std::vector<double>& counts,
                                const std::vector<std::int64_t>& label_rows) {
  const std::vector<double> pi = normalised(counts, "counts");
  const auto rows =
      static_cast<double>(std::accumulate(label_rows.begin(), label_rows.end(), std::int64_t{0}));
  std::vector<double> weights(pi.size(), 0.0);
  for (std::size_t c = 0; c < pi.size(); ++c) {
    if (label_rows[c] > 0) weights[c] = pi[c] * rows / static_cast<double>(label_rows[c]);
  }
  return weights;
}

void warn(const ClassPrior& prior, std::vector<std::string>& warnings) {
  const PriorSettings& settings = prior.settings;
  if (!settings.counts.empty()) {
    std::vector<std::int64_t> empty;
    for (std::int64_t c = 0; c < prior.n_classes(); ++c) {
      if (settings.counts[static_cast<std::size_t>(c)] == 0) empty.push_back(c);
    }
    if (!empty.empty()) {
      warnings.push_back(
          fmt::format("{} classes have no training images and are left as they are: {}",
                      empty.size(), class_list(empty)));
    }
  }
  if (std::string mismatch = mismatch_warning(prior); !mismatch.empty()) {
    warnings.push_back(std::move(mismatch));
  }
  if (!prior.uncovered.empty()) {
    warnings.push_back(fmt::format("{} classes have training images but no row here: {}",
                                   prior.uncovered.size(), class_list(prior.uncovered)));
  }
  if (!prior.floored.empty()) {
    warnings.push_back(fmt::format(
        "{} classes have almost no posterior mass; their prior was raised to the floor: {}",
        prior.floored.size(), class_list(prior.floored)));
  }
}

}  // namespace

Estimate estimate_prior(ScoreSet& scores, LabelSource* labels, const EstimateOptions& options) {
  const std::int64_t classes = scores.classes();
  validate(options, classes);
  Estimate result;
  PriorSettings settings;
  settings.classes = options.classes;
  settings.rows = options.rows;
  settings.temperature = options.temperature;
  settings.trained_with = describe(options.training);
  settings.counts = options.counts;
  settings.smoothing = options.smoothing;
  settings.floor = options.floor;
  settings.excluded = options.excluded;
  std::ranges::sort(settings.excluded);
  const auto repeated = std::ranges::unique(settings.excluded);
  settings.excluded.erase(repeated.begin(), repeated.end());

  std::vector<double> weights;
  const LabelRules rules{classes, options.ignore_index, {}};
  if (labels != nullptr) {
    demand_same_rows(scores, *labels);
    const LabelCounts found = count_labels(*labels, rules, options.threads);
    result.n_ignored = found.ignored;
    if (settings.counts.empty()) {
      settings.counts.assign(found.rows.begin(), found.rows.end());
    } else {
      weights = row_weights(settings.counts, found.rows);
      settings.weighted = true;
    }
  }
  settings.training_offset = training_offset(options.training, settings.counts, classes);

  settings.input_kind = options.kind;
  if (options.kind == ScoreKind::kAuto) {
    settings.input_kind = detect_kind(scores);
    result.kind_assumed = true;
  }
  PosteriorModel model{settings.input_kind, options.temperature, {}, options.kind_stated};
  if (std::ranges::any_of(settings.training_offset, [](double b) { return b != 0; })) {
    model.offset = settings.training_offset;
  }

  const std::vector<Block> blocks = plan_blocks(scores, options.part, options.parts);
  if (blocks.empty() && scores.rows() > 0) {
    const std::size_t all = plan_blocks(scores).size();
    throw_bad_data(fmt::format(
        "part {} of {} has no rows: the data set has {} blocks of {} rows, which are not cut; use "
        "at most {} parts",
        options.part, options.parts, all, kBlockRows, all));
  }
  const ScanOptions scan{options.threads, options.rows_done, summing_chunk_bytes(options.threads)};
  const auto workers = static_cast<std::size_t>(scan_workers(scores, scan));
  std::vector<PosteriorSum> sums;
  std::vector<LabelReader> readers;
  for (std::size_t i = 0; i < workers; ++i) {
    sums.emplace_back(classes, model);
    readers.emplace_back(labels, rules, weights);
  }
  scan_blocks(scores, blocks, scan, [&](int worker, const Chunk& chunk) {
    const auto at = static_cast<std::size_t>(worker);
    readers[at].read(chunk.global_row, chunk.count);
    sums[at].update({.data = chunk.data,
                     .dtype = chunk.block->source->dtype(),
                     .count = chunk.count,
                     .weights = readers[at].weights(),
                     .labels = readers[at].labels(),
                     .name = &chunk.block->source->name(),
                     .first_row = chunk.first});
    if (chunk.last_of_block) sums[at].end_block();
  });
  for (std::size_t i = 1; i < workers; ++i) sums[0].merge(sums[i]);

  std::vector<PriorInput> inputs;
  for (const auto& source : scores.sources()) {
    inputs.push_back({source->record(), options.part, options.parts});
  }
  result.prior = finish_prior(std::move(settings), sums[0], std::move(inputs));
  warn(result.prior, result.warnings);
  return result;
}

}  // namespace p2p
