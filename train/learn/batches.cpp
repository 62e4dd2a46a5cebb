#include "learn/batches.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "p2p/parallel.hpp"

namespace p2p::learn {
namespace {

// What the streams of random numbers are for.
enum class Draw : std::uint64_t { kOrder = 1, kAugmentation, kShare, kPartners };

images::Random stream(std::uint64_t seed, Draw draw, int epoch, std::int64_t index) {
  return images::Random{seed, static_cast<std::uint64_t>(draw), static_cast<std::uint64_t>(epoch),
                        static_cast<std::uint64_t>(index)};
}

at::Tensor empty_images(const images::ImageShape& shape, std::int64_t rows) {
  return at::empty({rows, shape.height, shape.width, shape.channels}, at::kByte);
}

double draw_gamma(double a, images::Random& random) {
  if (a < 1) return draw_gamma(a + 1, random) * std::pow(1 - random.uniform(), 1 / a);
  const double d = a - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal();
    const double v = std::pow(1 + c * x, 3);
    if (v <= 0) continue;
    if (std::log(1 - random.uniform()) < x * x / 2 + d - d * v + d * std::log(v)) return d * v;
  }
}

}  // namespace

double draw_beta(double a, images::Random& random) {
  const double x = draw_gamma(a, random);
  const double y = draw_gamma(a, random);
  return x + y > 0 ? x / (x + y) : 0.5;
}

at::Tensor read_images(const images::ImageSet& set, std::int64_t first, std::int64_t count,
                       int threads) {
  at::Tensor result = empty_images(set.shape(), count);
  auto* bytes = result.data_ptr<std::uint8_t>();
  const std::size_t size = set.shape().bytes();
  parallel_for(count, threads, [&](int, std::int64_t i) {
    set.read(first + i, bytes + static_cast<std::size_t>(i) * size);
  });
  return result;
}

at::Tensor read_labels(const images::ImageSet& set, std::int64_t first, std::int64_t count) {
  const auto begin = set.labels().begin() + first;
  return at::tensor(std::vector<std::int64_t>(begin, begin + count), at::kLong);
}

Batches::Batches(std::shared_ptr<const images::ImageSet> set,
                 std::unique_ptr<const images::Augmentation> augmentation, const Options& options)
    : set_(std::move(set)), augmentation_(std::move(augmentation)), options_(options) {
  const std::int64_t all = std::int64_t{options.batch} * options.processes;
  steps_ = set_->rows() / all + (set_->rows() % all >= options.processes ? 1 : 0);
}

void Batches::start(int epoch) {
  ahead_ = {};
  epoch_ = epoch;
  step_ = 0;
  order_.resize(static_cast<std::size_t>(set_->rows()));
  std::iota(order_.begin(), order_.end(), std::int64_t{0});
  stream(options_.seed, Draw::kOrder, epoch, 0).shuffle(order_);
}

Batch Batches::next() {
  const auto make_ahead = [&](std::int64_t step) {
    return std::async(std::launch::async, [this, step] { return make(step); });
  };
  if (!ahead_.valid()) ahead_ = make_ahead(step_);
  Batch batch = ahead_.get();
  if (++step_ < steps_) ahead_ = make_ahead(step_);
  return batch;
}

Batch Batches::make(std::int64_t step) const {
  const std::int64_t all = std::int64_t{options_.batch} * options_.processes;
  const std::int64_t joined = std::min(all, set_->rows() - step * all);
  const std::int64_t begin = joined * options_.rank / options_.processes;
  const std::int64_t count = joined * (options_.rank + 1) / options_.processes - begin;
  const images::ImageShape& shape = set_->shape();
  Batch batch;
  batch.all_rows = joined;
  batch.images = empty_images(shape, count);
  auto* bytes = batch.images.data_ptr<std::uint8_t>();
  std::vector<std::int64_t> labels(static_cast<std::size_t>(count));
  constexpr std::size_t kLittle = 64 * 64 * 3;  // threads cost more than they save
  const int threads = shape.bytes() <= kLittle ? 1 : options_.threads;
  std::vector<std::vector<std::uint8_t>> plain(static_cast<std::size_t>(threads),
                                               std::vector<std::uint8_t>(shape.bytes()));
  parallel_for(count, threads, [&](int worker, std::int64_t i) {
    const std::int64_t row = order_[static_cast<std::size_t>(step * all + begin + i)];
    std::uint8_t* pixels = plain[static_cast<std::size_t>(worker)].data();
    set_->read(row, pixels);
    images::Random random = stream(options_.seed, Draw::kAugmentation, epoch_, row);
    augmentation_->apply(shape, pixels, random,
                         bytes + static_cast<std::size_t>(i) * shape.bytes());
    labels[static_cast<std::size_t>(i)] = set_->labels()[static_cast<std::size_t>(row)];
  });
  batch.labels = at::tensor(labels, at::kLong);
  if (options_.mixup > 0) {
    images::Random random = stream(options_.seed, Draw::kShare, epoch_, step);
    batch.share = draw_beta(options_.mixup, random);
    std::vector<std::int64_t> partners(static_cast<std::size_t>(count));
    std::iota(partners.begin(), partners.end(), std::int64_t{0});
    stream(options_.seed + static_cast<std::uint64_t>(options_.rank), Draw::kPartners, epoch_, step)
        .shuffle(partners);
    batch.partners = at::tensor(partners, at::kLong);
  }
  return batch;
}

}  // namespace p2p::learn
