#include "metrics/bootstrap_weights.hpp"

#include <array>
#include <cstddef>

#include "p2p/parallel.hpp"

namespace p2p::metrics {
namespace {

// floor(2^64 * P(X <= k)) for X ~ Poisson(1), k = 0, 1, ...
constexpr std::array<std::uint64_t, 21> kCumulative = {
    0x5e2d58d8b3bcdf1a, 0xbc5ab1b16779be35, 0xeb715e1dc1582dc2, 0xfb23979734a252f1,
    0xff1025f59174dc3d, 0xffd90f3ba4055e19, 0xfffa8b71fc72c913, 0xffff540c0914b3c9,
    0xffffed1f4aa8f120, 0xfffffe216e641462, 0xffffffd4d85d3183, 0xfffffffc6da262b4,
    0xffffffffba12d178, 0xfffffffffb07c64c, 0xffffffffffab8ea5, 0xfffffffffffabe22,
    0xffffffffffffb11a, 0xfffffffffffffba1, 0xffffffffffffffc5, 0xfffffffffffffffd,
    0xffffffffffffffff,
};

}  // namespace

int poisson_draw(std::uint64_t key, std::int64_t row) noexcept {
  const std::uint64_t u = mix64(key + kGolden * (static_cast<std::uint64_t>(row) + 1));
  // The first steps without branches: the outcome cannot be predicted.
  int k = 0;
  for (std::size_t i = 0; i < 5; ++i) k += u >= kCumulative[i] ? 1 : 0;
  if (k < 5) return k;
  while (k < static_cast<int>(kCumulative.size()) && u >= kCumulative[static_cast<std::size_t>(k)])
    ++k;
  return k;
}

BootstrapWeights::BootstrapWeights(const RowPlan& plan, LabelSource& labels, std::uint64_t seed,
                                   std::int64_t first, std::int64_t replicates, int threads)
    : classes_(plan.classes) {
  for (std::int64_t r = 0; r < replicates; ++r) keys_.push_back(replicate_key(seed, first + r));
  const auto cells = static_cast<std::size_t>(replicates * classes_);
  std::vector<std::vector<std::int64_t>> totals(static_cast<std::size_t>(threads));
  parallel_for(static_cast<std::int64_t>(plan.blocks.size()), threads,
               [&](int worker, std::int64_t b) {
                 auto& mine = totals[static_cast<std::size_t>(worker)];
                 mine.resize(cells);
                 const Block& block = plan.blocks[static_cast<std::size_t>(b)];
                 std::array<std::int64_t, kBlockRows> chunk;
                 labels.read(block.global_row, block.count, chunk.data());
                 for (std::int64_t r = 0; r < replicates; ++r) {
                   const std::uint64_t key = keys_[static_cast<std::size_t>(r)];
                   std::int64_t* total = mine.data() + r * classes_;
                   for (std::int64_t i = 0; i < block.count; ++i) {
                     const std::int64_t label = chunk[static_cast<std::size_t>(i)];
                     if (plan.uses(label)) total[label] += poisson_draw(key, block.global_row + i);
                   }
                 }
               });
  totals_.assign(cells, 0);
  for (const auto& mine : totals) {
    for (std::size_t i = 0; i < mine.size(); ++i) totals_[i] += mine[i];
  }
  scales_.assign(cells, 1.0);
  for (std::size_t i = 0; i < cells; ++i) {
    if (totals_[i] == 0) continue;
    scales_[i] = static_cast<double>(plan.label_counts[i % static_cast<std::size_t>(classes_)]) /
                 static_cast<double>(totals_[i]);
  }
}

}  // namespace p2p::metrics
