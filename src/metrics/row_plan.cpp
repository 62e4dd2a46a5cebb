#include "metrics/row_plan.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

#include "p2p/error.hpp"
#include "scan/label_scan.hpp"

namespace p2p::metrics {
namespace {

void check_options(const EvaluateOptions& options, std::int64_t classes) {
  assert(options.kind != ScoreKind::kAuto && options.threads >= 1);
  if (!(options.temperature > 0) || !std::isfinite(options.temperature)) {
    throw_usage(fmt::format("the temperature is {}, but it must be positive and finite",
                            options.temperature));
  }
  if (options.bootstrap < 0) {
    throw_usage(
        fmt::format("{} bootstrap replicates were asked for; give 0 for none, or about 1000",
                    options.bootstrap));
  }
  if (!(options.few <= options.many)) {
    throw_usage(
        fmt::format("classes with fewer than {} training images would be few and those with "
                    "more than {} many, which overlap; choose few <= many",
                    options.few, options.many));
  }
  if (options.counts.empty()) return;
  if (static_cast<std::int64_t>(options.counts.size()) != classes) {
    throw_bad_data(fmt::format(
        "there are {} training counts, but the scores have {} classes; give one count per class",
        options.counts.size(), classes));
  }
  double total = 0;
  for (std::size_t c = 0; c < options.counts.size(); ++c) {
    if (!(options.counts[c] >= 0) || !std::isfinite(options.counts[c])) {
      throw_bad_data(fmt::format(
          "the training count of class {} is {}, but counts are finite and not negative", c,
          options.counts[c]));
    }
    total += options.counts[c];
  }
  if (total <= 0) {
    throw_bad_data("all training counts are zero; give the number of training rows of each class");
  }
}

void exclude_classes(RowPlan& plan, const std::vector<std::int64_t>& classes) {
  plan.excluded.assign(static_cast<std::size_t>(plan.classes), 0);
  plan.n_classes = plan.classes;
  if (classes.empty()) return;
  for (const std::int64_t c : classes) {
    if (c < 0 || c >= plan.classes) {
      throw_usage(fmt::format("class {} cannot be excluded: the scores have {} classes, 0 to {}", c,
                              plan.classes, plan.classes - 1));
    }
    plan.excluded[static_cast<std::size_t>(c)] = 1;
  }
  plan.n_classes -= std::ranges::count(plan.excluded, 1);
  if (plan.n_classes == 0) {
    throw_usage(fmt::format("all {} classes are excluded; leave at least one", plan.classes));
  }
  for (const char excluded : plan.excluded) {
    plan.mask.push_back(excluded != 0 ? -std::numeric_limits<double>::infinity() : 0.0);
    plan.mask_f32.push_back(static_cast<float>(plan.mask.back()));
  }
}

// Used rows before each block.
std::vector<std::int64_t> count_before(const RowPlan& plan, LabelSource& labels) {
  std::vector<std::int64_t> before;
  if (plan.n_used == plan.n_rows) {
    for (const Block& block : plan.blocks) before.push_back(block.global_row);
    return before;
  }
  std::vector<std::int64_t> chunk(static_cast<std::size_t>(kBlockRows));
  std::int64_t used = 0;
  for (const Block& block : plan.blocks) {
    before.push_back(used);
    labels.read(block.global_row, block.count, chunk.data());
    used += std::count_if(chunk.begin(), chunk.begin() + block.count,
                          [&](std::int64_t label) { return plan.uses(label); });
  }
  return before;
}

}  // namespace

RowPlan plan_rows(const ScoreSet& scores, LabelSource& labels, const EvaluateOptions& options) {
  RowPlan plan;
  plan.classes = scores.classes();
  plan.n_rows = scores.rows();
  if (plan.classes > std::int64_t{1} << 24) {
    throw_bad_data(
        fmt::format("the scores have {} classes; at most 16777216 can be evaluated", plan.classes));
  }
  if (plan.n_rows > std::int64_t{1} << 31) {
    throw_bad_data(fmt::format(
        "the scores have {} rows; at most 2147483648 can be evaluated at once", plan.n_rows));
  }
  check_options(options, plan.classes);
  exclude_classes(plan, options.excluded);
  if (options.ignore_index) plan.ignored_label = *options.ignore_index;
  demand_same_rows(scores, labels);
  LabelRules rules{plan.classes, options.ignore_index, options.excluded};
  std::ranges::sort(rules.excluded);
  LabelCounts counts = count_labels(labels, rules, options.threads);
  plan.label_counts = std::move(counts.rows);
  plan.n_used = plan.n_rows - counts.ignored;
  if (plan.n_used == 0) {
    throw_bad_data(
        fmt::format("'{}' leaves no row to evaluate: all {} rows are ignored or of "
                    "excluded classes",
                    labels.name(), plan.n_rows));
  }
  plan.blocks = plan_blocks(scores);
  plan.used_before = count_before(plan, labels);
  return plan;
}

}  // namespace p2p::metrics
