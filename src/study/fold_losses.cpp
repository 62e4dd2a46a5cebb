#include "study/fold_losses.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/kernels.hpp"
#include "scan/block_scan.hpp"
#include "scan/label_scan.hpp"
#include "scan/row_error.hpp"

namespace p2p::study {
namespace {

constexpr double kSmallestPosterior = 1e-38;
constexpr std::int64_t kStepBytes = 256 << 10;

// One thread: gathers the rows of a fold and turns them into posteriors, a step at a time.
class Worker {
 public:
  Worker(const EvidenceRows& rows, const Folds& folds, const std::vector<LogOffset>& offsets)
      : rows_(&rows),
        folds_(&folds),
        offsets_(&offsets),
        classes_(rows.scores->classes()),
        step_(std::max<std::int64_t>(
            1, kStepBytes / (classes_ * static_cast<std::int64_t>(sizeof(double))))),
        reader_(rows.labels, {classes_, rows.ignore_index, {}}, {}),
        posteriors_(static_cast<std::size_t>(step_ * classes_)),
        max_(static_cast<std::size_t>(step_)),
        sum_(static_cast<std::size_t>(step_)),
        hits(static_cast<std::size_t>(classes_), 0) {
    for (const LogOffset& offset : offsets) {
      offsets_f32_.emplace_back(offset.delta.begin(), offset.delta.end());
    }
  }

  void take(const Chunk& chunk, std::vector<double>& losses) {
    reader_.read(chunk.global_row, chunk.count);
    for (std::size_t k = 0; k < offsets_->size(); ++k) {
      pick(chunk, k);
      for (std::size_t first = 0; first < picked_.size();
           first += static_cast<std::size_t>(step_)) {
        const std::size_t count = std::min(static_cast<std::size_t>(step_), picked_.size() - first);
        add(chunk, k, {picked_.data() + first, count}, losses);
      }
    }
  }

 private:
  void pick(const Chunk& chunk, std::size_t k) {
    picked_.clear();
    for (std::int64_t i = 0; i < chunk.count; ++i) {
      const std::uint8_t fold = folds_->fold[static_cast<std::size_t>(chunk.global_row + i)];
      if (fold == Folds::kUnused || (offsets_->size() > 1 && fold != k)) continue;
      picked_.push_back(i);
    }
  }

  void add(const Chunk& chunk, std::size_t k, std::span<const std::int64_t> picked,
           std::vector<double>& losses) {
    const DType dtype = chunk.block->source->dtype();
    const auto row_bytes = classes_ * static_cast<std::int64_t>(item_size(dtype));
    const auto* data = static_cast<const std::byte*>(chunk.data);
    gathered_.resize(picked.size() * static_cast<std::size_t>(row_bytes));
    for (std::size_t i = 0; i < picked.size(); ++i) {
      std::memcpy(gathered_.data() + i * static_cast<std::size_t>(row_bytes),
                  data + picked[i] * row_bytes, static_cast<std::size_t>(row_bytes));
    }
    const LogOffset& offset = (*offsets_)[k];
    kernels::SoftmaxParams params;
    params.inv_temperature = 1 / offset.temperature;
    params.offset = offset.delta.data();
    params.offset_f32 = offsets_f32_[k].data();
    params.probabilities = rows_->kind == ScoreKind::kProbs;
    if (!offset.scale.empty()) params.scale = offset.scale.data();
    const std::int64_t bad = kernels::softmax_rows(
        gathered_.data(), dtype, static_cast<std::int64_t>(picked.size()), classes_, params, false,
        posteriors_.data(), {max_.data(), sum_.data()});
    if (bad >= 0) {
      const std::int64_t row = picked[static_cast<std::size_t>(bad)];
      throw_bad_row(chunk.block->source->name(), chunk.first + row, data + row * row_bytes, dtype,
                    classes_, rows_->kind);
    }
    for (std::size_t i = 0; i < picked.size(); ++i) {
      const double* p = posteriors_.data() + static_cast<std::int64_t>(i) * classes_;
      const std::int32_t label = reader_.labels()[picked[i]];
      losses[static_cast<std::size_t>(chunk.global_row + picked[i])] =
          -std::log(std::max(p[label], kSmallestPosterior));
      if (std::max_element(p, p + classes_) - p == label) ++hits[static_cast<std::size_t>(label)];
    }
  }

  const EvidenceRows* rows_;
  const Folds* folds_;
  const std::vector<LogOffset>* offsets_;
  std::vector<std::vector<float>> offsets_f32_;
  std::int64_t classes_;
  std::int64_t step_;
  LabelReader reader_;
  std::vector<std::int64_t> picked_;
  std::vector<std::byte> gathered_;
  std::vector<double> posteriors_;
  std::vector<float> max_, sum_;

 public:
  std::vector<std::int64_t> hits;
};

}  // namespace

RowLosses fold_losses(const EvidenceRows& rows, const Folds& folds,
                      const std::vector<LogOffset>& offsets, const Evidence& evidence) {
  RowLosses result;
  result.loss.assign(folds.fold.size(), 0.0);
  const ScanOptions scan{evidence.threads, evidence.rows_done};
  std::vector<Worker> workers(static_cast<std::size_t>(scan_workers(*rows.scores, scan)),
                              Worker(rows, folds, offsets));
  scan_blocks(*rows.scores, plan_blocks(*rows.scores), scan, [&](int worker, const Chunk& chunk) {
    workers[static_cast<std::size_t>(worker)].take(chunk, result.loss);
  });
  result.hits = workers[0].hits;
  for (std::size_t i = 1; i < workers.size(); ++i) {
    for (std::size_t c = 0; c < result.hits.size(); ++c) result.hits[c] += workers[i].hits[c];
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
