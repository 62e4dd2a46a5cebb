#include "learn/batch_plan.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace p2p::learn {
namespace {

// What the streams of random numbers are for.
enum class Draw : std::uint64_t { kOrder = 1, kAugmentation, kShare, kPartners };

images::Random stream(std::uint64_t seed, Draw draw, int epoch, std::int64_t index) {
  return images::Random{seed, static_cast<std::uint64_t>(draw), static_cast<std::uint64_t>(epoch),
                        static_cast<std::uint64_t>(index)};
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

BatchPlan::BatchPlan(std::int64_t rows, const BatchOptions& options)
    : options_(options), order_(static_cast<std::size_t>(rows)) {
  const std::int64_t all = std::int64_t{options.batch} * options.processes;
  steps_ = rows / all + (rows % all >= options.processes ? 1 : 0);
}

void BatchPlan::start(int epoch) {
  epoch_ = epoch;
  std::iota(order_.begin(), order_.end(), std::int64_t{0});
  stream(options_.seed, Draw::kOrder, epoch, 0).shuffle(order_);
}

StepPlan BatchPlan::step(std::int64_t step) const {
  const std::int64_t all = std::int64_t{options_.batch} * options_.processes;
  const std::int64_t joined = std::min(all, static_cast<std::int64_t>(order_.size()) - step * all);
  const std::int64_t begin = joined * options_.rank / options_.processes;
  const std::int64_t end = joined * (options_.rank + 1) / options_.processes;
  StepPlan plan;
  plan.first = step * all + begin;
  plan.count = end - begin;
  plan.all_rows = joined;
  if (options_.mixup > 0) {
    images::Random random = stream(options_.seed, Draw::kShare, epoch_, step);
    plan.share = draw_beta(options_.mixup, random);
    plan.partners.resize(static_cast<std::size_t>(plan.count));
    std::iota(plan.partners.begin(), plan.partners.end(), std::int64_t{0});
    stream(options_.seed + static_cast<std::uint64_t>(options_.rank), Draw::kPartners, epoch_, step)
        .shuffle(plan.partners);
  }
  return plan;
}

images::Random BatchPlan::augmentation(std::int64_t row) const {
  return stream(options_.seed, Draw::kAugmentation, epoch_, row);
}

}  // namespace p2p::learn
