#include "study/judged_rows.hpp"

#include <fmt/core.h>

#include "correction/blended_source.hpp"
#include "p2p/error.hpp"

namespace p2p::study {
namespace {

void demand_usable(const ScoreSet& scores, const LogOffset& offset) {
  const std::string& name = scores.sources().front()->name();
  if (scores.classes() != static_cast<std::int64_t>(offset.delta.size())) {
    throw_bad_data(
        fmt::format("'{}' has {} classes, but the prior has {}; use scores of the same model", name,
                    scores.classes(), offset.delta.size()));
  }
  if (scores.rewindable()) return;
  throw_usage(fmt::format(
      "'{}' can be read only once, but every correction reads the scores again; save them to a "
      "file",
      name));
}

}  // namespace

EvaluateOptions evaluate_options(const TestRows& test, int threads) {
  if (test.rows.labels == nullptr) throw_usage("corrections are judged on labelled rows");
  EvaluateOptions options;
  options.kind = test.rows.kind;
  options.kind_stated = test.rows.kind_stated;
  options.counts = test.counts;
  options.many = test.many;
  options.few = test.few;
  options.ignore_index = test.rows.ignore_index;
  options.excluded = test.excluded;
  options.threads = threads;
  return options;
}

JudgedRows::JudgedRows(const TestRows& test, const LogOffset& offset,
                       const EvaluateOptions& options)
    : test_(&test), offset_(offset), options_(options) {
  demand_usable(*test.rows.scores, offset);
  require_fit(offset, test.rows.kind, "'" + test.rows.scores->sources().front()->name() + "'");
  if (offset.second_temperature) {
    if (test.second == nullptr) {
      throw_usage(
          "the correction adds scores of a second model; give those of the same rows with "
          "--second");
    }
    blended_.emplace(correction::blend(
        {test.rows.scores, test.rows.kind, test.rows.kind_stated, offset.temperature, offset.scale},
        {test.second, test.second_kind, test.rows.kind_stated, *offset.second_temperature}));
    offset_.temperature = 1;
    offset_.scale.clear();
    offset_.second_temperature.reset();
    options_.kind = ScoreKind::kLogits;
    options_.kind_stated = true;
  }
  plan_ = metrics::plan_rows(scores(), *test.rows.labels, options_);
}

}  // namespace p2p::study
