#include "p2p/prior_accumulator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "p2p/error.hpp"
#include "p2p/score_kind.hpp"
#include "prior/memorised.hpp"
#include "prior/posterior_pass.hpp"

namespace p2p {
namespace {

void demand_weights(std::span<const double> weights, const ScoreSet& batch) {
  if (static_cast<std::int64_t>(weights.size()) != batch.rows()) {
    throw_bad_data(
        fmt::format("{} row weights for {} rows; give one per row", weights.size(), batch.rows()));
  }
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] >= 0 && std::isfinite(weights[i])) continue;
    throw_bad_data(
        fmt::format("row weight {} of row {} (counted from 0) is not a finite number of at least 0",
                    weights[i], i));
  }
}

// The rows of a batch: those that complete the open block, whole blocks, and the rest.
struct Cut {
  std::vector<Block> head, whole, tail;
};

Cut cut(const ScoreSet& batch, std::int64_t open_rows) {
  RowSource* source = batch.sources().front().get();
  Cut cut;
  std::int64_t first = 0;
  const auto take = [&](std::vector<Block>& part, std::int64_t count) {
    if (count > 0) part.push_back({source, first, count, first});
    first += count;
  };
  if (open_rows > 0) take(cut.head, std::min(kBlockRows - open_rows, batch.rows()));
  while (batch.rows() - first >= kBlockRows) take(cut.whole, kBlockRows);
  take(cut.tail, batch.rows() - first);
  return cut;
}

// Adds rows that follow the open block of `sums`, in this thread.
void add_rows(const ScoreSet& batch, std::span<const Block> blocks, const PassLabels& pass,
              PosteriorSum& sums) {
  LabelReader reader = pass.reader();
  scan_blocks(batch, blocks, {}, [&](int, const Chunk& chunk) {
    reader.read(chunk.global_row, chunk.count);
    sums.update(row_block(chunk, reader));
  });
}

}  // namespace

PriorAccumulator::PriorAccumulator(std::int64_t classes, EstimateOptions options,
                                   std::vector<std::int64_t> label_rows)
    : options_(std::move(options)),
      label_rows_(std::move(label_rows)),
      settings_(prior_settings(options_, classes)),
      sums_(classes, {}),
      before_(classes, {}) {
  if (options_.iterate || options_.parts != 1) {
    throw_usage("batches are neither matched (--iterate) nor cut into parts (--part)");
  }
  if (!label_rows_.empty()) {
    if (options_.counts.empty() || static_cast<std::int64_t>(label_rows_.size()) != classes) {
      throw_bad_data(fmt::format(
          "rows per class ({} values) weigh labelled rows towards the training counts of {} "
          "classes; give both, one number per class",
          label_rows_.size(), classes));
    }
    class_weights_ = weights_towards(normalised(options_.counts, "counts"), label_rows_);
    settings_.weighted = true;
  }
  settings_.training_offset = training_offset(options_.training, options_.counts, classes);
  if (options_.kind != ScoreKind::kAuto) set_kind(options_.kind);
}

void PriorAccumulator::set_kind(ScoreKind kind) {
  settings_.input_kind = kind;
  sums_ = PosteriorSum(sums_.classes(), posterior_model(settings_, options_.kind_stated));
  before_ = sums_;
}

void PriorAccumulator::update(ScoreSet& batch, LabelSource* labels,
                              std::span<const double> weights) {
  if (batch.classes() != classes()) {
    throw_bad_data(
        fmt::format("'{}' has {} classes, but those before it had {}; give all batches of one "
                    "model",
                    batch.sources().front()->name(), batch.classes(), classes()));
  }
  if (labelled_ && *labelled_ != (labels != nullptr)) {
    throw_bad_data(
        fmt::format("'{}' comes {} labels, but the batches before it {} them; give labels for all "
                    "batches or for none",
                    batch.sources().front()->name(), labels != nullptr ? "with" : "without",
                    *labelled_ ? "had" : "did not have"));
  }
  if (!label_rows_.empty() && labels == nullptr) {
    throw_usage("rows are weighted by their class, so every batch needs its labels");
  }
  if (!weights.empty()) demand_weights(weights, batch);
  if (batch.rows() == 0) return;
  PassLabels pass{.source = labels,
                  .rules = {classes(), options_.ignore_index, {}},
                  .class_weights = class_weights_,
                  .row_weights = weights};
  std::int64_t ignored = 0;
  if (labels != nullptr) {
    demand_same_rows(batch, *labels);
    ignored = count_labels(*labels, pass.rules, options_.threads).ignored;
  }
  if (settings_.input_kind == ScoreKind::kAuto) set_kind(detect_kind(batch));

  const double zeros = seen_ == 0 ? share_with_zeros(settings_.input_kind, batch) : zeros_;
  before_ = sums_;
  const Cut parts = cut(batch, sums_.open_rows());
  try {
    add_rows(batch, parts.head, pass, sums_);
    if (!parts.whole.empty()) {
      const auto threads = static_cast<int>(
          std::min<std::size_t>(static_cast<std::size_t>(options_.threads), parts.whole.size()));
      const PosteriorModel model = posterior_model(settings_, options_.kind_stated);
      sums_.merge(posterior_pass(batch, parts.whole, model, pass, threads, nullptr));
    }
    add_rows(batch, parts.tail, pass, sums_);
  } catch (...) {
    std::swap(sums_, before_);
    if (seen_ == 0) settings_.input_kind = options_.kind;
    throw;
  }
  seen_ += batch.rows();
  ignored_ += ignored;
  labelled_ = labels != nullptr;
  zeros_ = zeros;
}

void PriorAccumulator::merge(const PriorAccumulator& other) {
  if (classes() != other.classes()) {
    throw_bad_data(
        fmt::format("sums over {} and {} classes cannot be merged; take those of one "
                    "model",
                    classes(), other.classes()));
  }
  sums_.demand_no_open_block();
  other.sums_.demand_no_open_block();
  if (other.seen_ == 0) return;
  PriorSettings mine = settings_;
  if (seen_ == 0) mine.input_kind = other.settings_.input_kind;
  demand_same_settings(mine, other.settings_);
  if ((seen_ > 0 && labelled_ != other.labelled_) || label_rows_ != other.label_rows_) {
    throw_bad_data(
        "sums that differ in the labels of their rows cannot be merged; give all batches labels, "
        "or none");
  }
  if (seen_ == 0) set_kind(mine.input_kind);
  if (seen_ == 0) zeros_ = other.zeros_;
  labelled_ = other.labelled_;
  sums_.merge(other.sums_);
  seen_ += other.seen_;
  ignored_ += other.ignored_;
}

Estimate PriorAccumulator::finish() const {
  PosteriorSum sums = sums_;
  sums.end_block();
  Estimate result;
  result.n_ignored = ignored_;
  result.kind_assumed = options_.kind == ScoreKind::kAuto;
  PriorSettings settings = settings_;
  if (labelled_.value_or(false) && settings.counts.empty()) {
    const std::vector<std::int64_t> rows = sums.label_rows();
    settings.counts.assign(rows.begin(), rows.end());
  }
  InputRecord record{.name = "scores", .shape = {seen_, classes()}, .sha256 = {}};
  result.prior = finish_prior(std::move(settings), sums, {{std::move(record), 1, 1}});
  result.warnings = prior_warnings(result.prior, zeros_);
  return result;
}

PriorAccumulator::State PriorAccumulator::save() const {
  return {settings_.input_kind, seen_, ignored_, labelled_, sums_.save()};
}

void PriorAccumulator::load(const State& state) {
  sums_.demand_no_open_block();
  PosteriorSum sums = PosteriorSum::load(state.sums);
  if (sums.classes() != classes() || state.seen < 0 || state.ignored < 0) {
    throw_bad_data("saved sums that do not fit the options they are said to be made with");
  }
  if (state.kind != ScoreKind::kAuto) set_kind(state.kind);
  sums_.merge(sums);
  seen_ = state.seen;
  ignored_ = state.ignored;
  labelled_ = state.labelled;
}

}  // namespace p2p
