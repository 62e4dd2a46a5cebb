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
#include "p2p/parallel.hpp"

namespace p2p::train {
namespace {

// Up to `most` rows, evenly spread.
std::vector<std::int64_t> some_rows(const images::ImageSet& set, std::int64_t most) {
  const std::int64_t count = std::min(most, set.rows());
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < count; ++i) rows.push_back(i * set.rows() / count);
  return rows;
}

// Of the values of one channel: integers, so that the order of adding does not show.
struct Moments {
  std::uint64_t sum = 0;
  std::uint64_t squares = 0;
};

void find_moments(TrainingData& data, int threads) {
  const images::ImageShape& shape = data.train->shape();
  const auto channels = static_cast<std::size_t>(shape.channels);
  const std::vector<std::int64_t> rows = some_rows(*data.train, kMomentRows);
  const auto workers = static_cast<std::size_t>(threads);
  std::vector<std::vector<Moments>> all(workers, std::vector<Moments>(channels));
  std::vector<std::vector<std::uint8_t>> pixels(workers, std::vector<std::uint8_t>(shape.bytes()));
  parallel_for(static_cast<std::int64_t>(rows.size()), threads, [&](int worker, std::int64_t i) {
    const auto own = static_cast<std::size_t>(worker);
    data.train->read(rows[static_cast<std::size_t>(i)], pixels[own].data());
    for (std::size_t k = 0; k < pixels[own].size(); ++k) {
      const std::uint64_t value = pixels[own][k];
      all[own][k % channels].sum += value;
      all[own][k % channels].squares += value * value;
    }
  });
  const double count =
      static_cast<double>(rows.size()) * static_cast<double>(shape.bytes() / channels);
  for (std::size_t c = 0; c < channels; ++c) {
    Moments joined;
    for (const std::vector<Moments>& part : all) {
      joined.sum += part[c].sum;
      joined.squares += part[c].squares;
    }
    const double mean = static_cast<double>(joined.sum) / count;
    const double variance =
        std::max(0.0, static_cast<double>(joined.squares) / count - mean * mean);
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
  find_moments(data, options.open.threads);
  io::Sha256 digest;
  add(digest, *data.train);
  if (data.holdout) add(digest, *data.holdout);
  data.digest = digest.hex();
  return data;
}

}  // namespace p2p::train
