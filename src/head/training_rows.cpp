#include "head/training_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/kernels.hpp"
#include "p2p/error.hpp"
#include "p2p/parallel.hpp"
#include "scan/label_scan.hpp"

namespace p2p::head {

TrainingRows load_rows(ScoreSet& features, LabelSource& labels, std::int64_t classes,
                       const HeadOptions& options) {
  demand_same_rows(features, labels);
  LabelReader reader(&labels, {classes, options.ignore_index, {}}, {});
  const std::int64_t width = features.classes();
  TrainingRows result;
  result.classes = classes;
  const LabelCounts counts =
      count_labels(labels, {classes, options.ignore_index, {}}, options.threads);
  const std::int64_t used = features.rows() - counts.ignored;
  if (used == 0) throw_bad_data("no rows to train on: all labels are ignored");
  result.features.resize(used, width);
  std::vector<std::byte> stored;
  std::vector<float> row_floats;
  std::int64_t next = 0;
  std::int64_t global = 0;
  for (const auto& source : features.sources()) {
    const DType dtype = source->dtype();
    for (std::int64_t first = 0; first < source->rows(); first += kBlockRows) {
      const std::int64_t count = std::min(kBlockRows, source->rows() - first);
      stored.resize(static_cast<std::size_t>(count * width) * item_size(dtype));
      row_floats.resize(static_cast<std::size_t>(count * width));
      source->read(first, count, stored.data());
      kernels::convert(stored.data(), dtype, count * width, row_floats.data(), DType::kF32);
      reader.read(global, count);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int32_t label = reader.labels()[i];
        if (label < 0) continue;
        const float* row = row_floats.data() + i * width;
        const float* bad =
            std::find_if_not(row, row + width, [](float v) { return std::isfinite(v); });
        if (bad != row + width) {
          throw_bad_data(fmt::format(
              "'{}', row {}, feature {} (both counted from 0) is not finite; recompute the row",
              source->name(), first + i, bad - row));
        }
        std::copy_n(row, width, result.features.row(next++).data());
        result.labels.push_back(label);
      }
      global += count;
    }
  }
  return result;
}

Matrix all_logits(const TrainingRows& rows, const LinearHead& head, int threads) {
  Matrix logits(rows.rows(), rows.classes);
  MatrixView view(logits.data(), logits.rows(), logits.cols());
  const std::int64_t tiles = (rows.classes + kClassTile - 1) / kClassTile;
  parallel_for(tiles, threads, [&](int, std::int64_t tile) {
    const std::int64_t first = tile * kClassTile;
    add_logits({rows.features.data(), rows.rows(), rows.width()},
               {head.weights.data(), head.classes, head.width}, head.bias.data(), first,
               std::min(first + kClassTile, rows.classes), view);
  });
  return logits;
}

}  // namespace p2p::head
