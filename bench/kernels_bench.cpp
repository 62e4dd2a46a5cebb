// How fast softmax_sum reads scores from memory, as a fraction of the read bandwidth: each
// iteration runs a plain sum and softmax_sum over the same buffer with the same threads, one after
// the other. P2P_BENCH_MIB sets the size of the buffer (1024); it must be larger than the last
// cache.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "kernels/kernels.hpp"
#include "p2p/types.hpp"
#include "plain_sum.hpp"

namespace {

using p2p::DType;

struct AlignedDelete {
  void operator()(char* p) const { ::operator delete[](p, std::align_val_t(64)); }
};
using Aligned = std::unique_ptr<char[], AlignedDelete>;

Aligned allocate(std::int64_t bytes) {
  return Aligned(new (std::align_val_t(64)) char[static_cast<std::size_t>(bytes)]);
}

std::int64_t buffer_bytes() {
  const char* mib = std::getenv("P2P_BENCH_MIB");
  return (mib == nullptr ? 1024 : std::max(1LL, std::atoll(mib))) << 20;
}

/// Scores with the spread of a trained network's, kept from one benchmark to the next.
const char* scores(DType dtype) {
  static Aligned buffer = allocate(buffer_bytes());
  static DType held = DType::kI64;
  if (held == dtype) return buffer.get();
  constexpr std::int64_t kPattern = 1 << 20;
  std::vector<float> pattern(kPattern);
  std::mt19937 generator(1);
  std::normal_distribution<float> distribution(0.0f, 3.0f);
  for (float& value : pattern) value = distribution(generator);
  const auto item = static_cast<std::int64_t>(p2p::item_size(dtype));
  const std::int64_t elements = buffer_bytes() / item;
  for (std::int64_t i = 0; i < elements; i += kPattern) {
    p2p::kernels::convert(pattern.data(), DType::kF32, std::min(kPattern, elements - i),
                          buffer.get() + i * item, dtype);
  }
  held = dtype;
  return buffer.get();
}

double seconds(int threads, const std::function<void(int)>& work) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(work, t);
  work(0);
  for (std::thread& other : others) other.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// What one thread of an accumulator owns.
struct Worker {
  explicit Worker(std::int64_t classes)
      : sum(static_cast<std::size_t>(classes)),
        squares(static_cast<std::size_t>(classes)),
        max(p2p::kBlockRows),
        row_sum(p2p::kBlockRows),
        scratch(allocate(p2p::kernels::softmax_sum_scratch(classes))) {}

  std::vector<double> sum;
  std::vector<double> squares;
  std::vector<float> max;
  std::vector<float> row_sum;
  Aligned scratch;
};

void softmax_sum(benchmark::State& state, DType dtype) {
  const std::int64_t classes = state.range(0);
  const auto threads = static_cast<int>(state.range(1));
  const char* data = scores(dtype);
  const std::int64_t row_bytes = classes * static_cast<std::int64_t>(p2p::item_size(dtype));
  const std::int64_t rows = buffer_bytes() / row_bytes / threads / 16 * 16;
  std::vector<Worker> workers;
  for (int t = 0; t < threads; ++t) workers.emplace_back(classes);
  double plain = 0.0;
  double fused = 0.0;
  for (auto _ : state) {
    const double plain_time = seconds(threads, [&](int t) {
      benchmark::DoNotOptimize(
          p2p::bench::plain_sum(reinterpret_cast<const std::uint32_t*>(data + t * rows * row_bytes),
                                rows * row_bytes / 4));
    });
    const double fused_time = seconds(threads, [&](int t) {
      Worker& worker = workers[static_cast<std::size_t>(t)];
      for (std::int64_t first = 0; first < rows; first += p2p::kBlockRows) {
        p2p::kernels::softmax_sum(data + (t * rows + first) * row_bytes, dtype,
                                  std::min(p2p::kBlockRows, rows - first), classes, {}, nullptr,
                                  nullptr, worker.sum.data(), worker.squares.data(), nullptr,
                                  {worker.max.data(), worker.row_sum.data()}, worker.scratch.get());
      }
    });
    state.SetIterationTime(fused_time);
    plain += plain_time;
    fused += fused_time;
  }
  const double bytes = static_cast<double>(threads * rows * row_bytes) *
                       static_cast<double>(state.iterations()) * 1e-9;
  state.counters["read_GB/s"] = bytes / plain;
  state.counters["GB/s"] = bytes / fused;
  state.counters["fraction"] = plain / fused;
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::AddCustomContext("p2p_target", p2p::kernels::select_target());
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64}) {
    const std::string name = "softmax_sum/" + std::string(p2p::dtype_name(dtype));
    benchmark::RegisterBenchmark(name.c_str(), softmax_sum, dtype)
        ->ArgNames({"classes", "threads"})
        ->ArgsProduct({{2, 10, 100, 1000, 8142}, {1, 2}})
        ->UseManualTime()
        ->Iterations(3)
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
