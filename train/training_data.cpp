#include "training_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include "io/sha256.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::train {
namespace {

// Up to `most` rows, evenly spread.
std::vector<std::int64_t> some_rows(const images::ImageSet& set, std::int64_t most) {
  const std::int64_t count = std::min(most, set.rows());
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < count; ++i) rows.push_back(i * set.rows() / count);
  return rows;
}

void find_moments(TrainingData& data) {
  const images::ImageShape& shape = data.train->shape();
  const auto channels = static_cast<std::size_t>(shape.channels);
  std::vector<double> sums(channels);
  std::vector<double> squares(channels);
  std::vector<std::uint8_t> pixels(shape.bytes());
  double count = 0;
  for (const std::int64_t row : some_rows(*data.train, kMomentRows)) {
    data.train->read(row, pixels.data());
    // Exact: the integers of one image stay far below 2^64.
    std::vector<std::uint64_t> sum(channels);
    std::vector<std::uint64_t> square(channels);
    for (std::size_t i = 0; i < pixels.size(); i += channels) {
      for (std::size_t c = 0; c < channels; ++c) {
        const std::uint64_t value = pixels[i + c];
        sum[c] += value;
        square[c] += value * value;
      }
    }
    for (std::size_t c = 0; c < channels; ++c) {
      sums[c] += static_cast<double>(sum[c]);
      squares[c] += static_cast<double>(square[c]);
    }
    count += static_cast<double>(pixels.size() / channels);
  }
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = sums[c] / count;
    const double variance = std::max(0.0, squares[c] / count - mean * mean);
    data.mean.push_back(static_cast<float>(mean / 255));
    // Of images of one colour: they are not scaled.
    data.deviation.push_back(variance > 0 ? static_cast<float>(std::sqrt(variance) / 255) : 1.0F);
  }
}

void add(io::Sha256& digest, const images::ImageSet& set) {
  const std::span labels(set.labels());
  digest.update(labels.data(), labels.size_bytes());
  std::vector<std::uint8_t> pixels(set.shape().bytes());
  for (const std::int64_t row : some_rows(set, kDigestRows)) {
    set.read(row, pixels.data());
    digest.update(pixels.data(), pixels.size());
  }
}

void demand_rows_of_each_class(const TrainingData& data, const std::string& spec) {
  for (std::size_t c = 0; c < data.counts.size(); ++c) {
    if (data.counts[c] > 0) continue;
    throw_bad_data(fmt::format(
        "class {} ({}) of {} has no training image; every class needs one: add some, or leave the "
        "class out",
        c, io::quote(data.classes[c]), io::quote(spec)));
  }
}

}  // namespace

TrainingData prepare_data(const DataOptions& options) {
  images::Images images = images::open_images(options.spec, options.open);
  if (!images.train) {
    throw_bad_data(fmt::format(
        "{} has no training part; expected a folder with train/ and test/, or TRAIN.txt,TEST.txt",
        io::quote(options.spec)));
  }
  TrainingData data;
  data.classes = std::move(images.classes);
  data.kind = std::move(images.kind);
  data.skipped = std::move(images.skipped);
  data.test = std::move(images.test);
  data.train = std::move(images.train);
  const auto classes = static_cast<std::int64_t>(data.classes.size());
  data.counts = images::count_classes(*data.train, data.classes.size());
  demand_rows_of_each_class(data, options.spec);
  if (options.imbalance) {
    data.train = images::subset(
        data.train, images::long_tail_rows(data.train->labels(), classes, *options.imbalance,
                                           options.profile, options.seed));
  }
  if (options.holdout > 0) {
    const auto [train, holdout] =
        images::hold_out(data.train->labels(), classes, options.holdout, options.seed);
    data.holdout = images::subset(data.train, holdout);
    data.train = images::subset(data.train, train);
  }
  data.counts = images::count_classes(*data.train, data.classes.size());
  find_moments(data);
  io::Sha256 digest;
  add(digest, *data.train);
  if (data.holdout) add(digest, *data.holdout);
  data.digest = digest.hex();
  return data;
}

}  // namespace p2p::train
