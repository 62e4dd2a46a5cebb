#include "scan/label_scan.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "p2p/error.hpp"
#include "p2p/parallel.hpp"

namespace p2p {
namespace {

constexpr std::int64_t kLabelChunk = 1 << 16;

// The class of a raw label, or -1 for a row that is left out.
std::int32_t class_of(std::int64_t label, const LabelRules& rules, const LabelSource& source,
                      std::int64_t row) {
  if (rules.ignore_index && label == *rules.ignore_index) return -1;
  if (label < 0 || label >= rules.classes) {
    const std::string leave_out =
        rules.every_row
            ? "drop the rows from features and labels if the head was not fitted to them"
            : fmt::format("leave such rows out with --ignore-index {}", label);
    throw_bad_data(
        fmt::format("{} has label {}, but classes are numbered 0 to {}; correct it{}, or {}",
                    source.locate(row), label, rules.classes - 1,
                    label == rules.classes ? " (subtract 1 when they begin at 1)" : "", leave_out));
  }
  if (std::ranges::binary_search(rules.excluded, label)) return -1;
  return static_cast<std::int32_t>(label);
}

}  // namespace

void demand_same_rows(const ScoreSet& scores, const LabelSource& labels) {
  if (labels.rows() == scores.rows()) return;
  throw_bad_data(
      fmt::format("'{}' holds {} labels, but the scores have {} rows; give one label per row of "
                  "the whole data set",
                  labels.name(), labels.rows(), scores.rows()));
}

LabelCounts count_labels(LabelSource& labels, const LabelRules& rules, int threads) {
  const std::int64_t chunks = (labels.rows() + kLabelChunk - 1) / kLabelChunk;
  const auto workers = static_cast<std::size_t>(std::max(threads, 1));
  std::vector<LabelCounts> found(workers);
  std::vector<std::vector<std::int64_t>> buffers(workers);
  for (LabelCounts& counts : found) counts.rows.assign(static_cast<std::size_t>(rules.classes), 0);
  parallel_for(chunks, threads, [&](int worker, std::int64_t i) {
    LabelCounts& counts = found[static_cast<std::size_t>(worker)];
    std::vector<std::int64_t>& buffer = buffers[static_cast<std::size_t>(worker)];
    const std::int64_t first = i * kLabelChunk;
    const std::int64_t count = std::min(kLabelChunk, labels.rows() - first);
    buffer.resize(kLabelChunk);
    labels.read(first, count, buffer.data());
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int32_t c =
          class_of(buffer[static_cast<std::size_t>(k)], rules, labels, first + k);
      if (c < 0) {
        ++counts.ignored;
      } else {
        ++counts.rows[static_cast<std::size_t>(c)];
      }
    }
  });
  for (std::size_t w = 1; w < workers; ++w) {
    found[0].ignored += found[w].ignored;
    for (std::size_t c = 0; c < found[0].rows.size(); ++c) found[0].rows[c] += found[w].rows[c];
  }
  return found[0];
}

LabelReader::LabelReader(LabelSource* labels, LabelRules rules, std::vector<double> class_weights,
                         std::span<const double> row_weights)
    : source_(labels),
      rules_(std::move(rules)),
      class_weights_(std::move(class_weights)),
      row_weights_(row_weights) {}

void LabelReader::read(std::int64_t first, std::int64_t count) {
  const auto size = static_cast<std::size_t>(count);
  if (source_ != nullptr) {
    raw_.resize(size);
    labels_.resize(size);
    weights_.resize(size);
    source_->read(first, count, raw_.data());
    for (std::size_t i = 0; i < size; ++i) {
      labels_[i] = class_of(raw_[i], rules_, *source_, first + static_cast<std::int64_t>(i));
      if (labels_[i] < 0) {
        weights_[i] = 0;
      } else {
        weights_[i] =
            class_weights_.empty() ? 1.0 : class_weights_[static_cast<std::size_t>(labels_[i])];
      }
    }
  }
  if (row_weights_.empty()) return;
  if (source_ == nullptr) weights_.assign(size, 1.0);
  const auto rows = row_weights_.subspan(static_cast<std::size_t>(first), size);
  for (std::size_t i = 0; i < size; ++i) weights_[i] *= rows[i];
}

const std::int32_t* LabelReader::labels() const {
  return source_ == nullptr ? nullptr : labels_.data();
}
const double* LabelReader::weights() const {
  return source_ == nullptr && row_weights_.empty() ? nullptr : weights_.data();
}

}  // namespace p2p
