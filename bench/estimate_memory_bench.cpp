// The rate of estimate_prior in memory. usage: estimate_memory_bench [REPETITIONS]: logits of 1
// GiB, 1,000 classes, on 2 threads; prints the median in GB/s.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <utility>
#include <vector>

#include "p2p/p2p.hpp"

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::atoi(argv[1]) : 3;
  constexpr std::int64_t kClasses = 1000;
  constexpr std::int64_t kRows = (std::int64_t{1} << 28) / kClasses;
  std::vector<float> logits(static_cast<std::size_t>(kRows * kClasses));
  std::mt19937 engine(1);
  std::normal_distribution<float> normal(0.0F, 3.0F);
  const auto block = static_cast<std::ptrdiff_t>(p2p::kBlockRows * kClasses);
  std::generate_n(logits.begin(), block, [&] { return normal(engine); });
  for (auto next = logits.begin() + block; next != logits.end();) {
    next = std::copy_n(logits.begin(), std::min(block, logits.end() - next), next);
  }
  p2p::ScoreSet scores = p2p::matrix_scores(std::move(logits), kClasses);
  p2p::EstimateOptions options;
  options.threads = 2;
  std::vector<double> rates;
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    static_cast<void>(p2p::estimate_prior(scores, nullptr, options));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    rates.push_back(static_cast<double>(kRows * kClasses) * 4e-9 / seconds.count());
  }
  std::ranges::sort(rates);
  fmt::print("{}\n", rates[rates.size() / 2]);
}
