// What estimate_prior costs a score by the number of classes, of rows and of threads: rows of a
// source that makes them from a buffer of P2P_BENCH_MIB (256), so that there may be any number.
// Classes lie closely around powers of two and the kernels' switches, so that a cliff would show.
// usage: scaling_bench [REPETITIONS]

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "p2p/p2p.hpp"

namespace {

/// float32 rows, one behind the other out of the buffer and again from its start.
class RepeatedRows final : public p2p::RowSource {
 public:
  RepeatedRows(const std::vector<float>& buffer, std::int64_t rows, std::int64_t classes)
      : buffer_(buffer),
        rows_(rows),
        classes_(classes),
        period_(static_cast<std::int64_t>(buffer.size()) / classes) {}
  std::int64_t rows() const override { return rows_; }
  std::int64_t classes() const override { return classes_; }
  p2p::DType dtype() const override { return p2p::DType::kF32; }
  const std::string& name() const override { return name_; }
  bool random_access() const override { return true; }
  p2p::InputRecord record() override { return {.name = name_, .shape = shape(), .sha256 = {}}; }
  const void* view(std::int64_t first, std::int64_t count) override {
    const std::int64_t at = first % period_;
    return at + count <= period_ ? buffer_.data() + at * classes_ : nullptr;
  }
  void read(std::int64_t first, std::int64_t count, void* out) override {
    auto* next = static_cast<float*>(out);
    for (std::int64_t done = 0; done < count;) {
      const std::int64_t at = (first + done) % period_;
      const std::int64_t some = std::min(count - done, period_ - at);
      std::copy_n(buffer_.data() + at * classes_, some * classes_, next + done * classes_);
      done += some;
    }
  }

 private:
  const std::vector<float>& buffer_;
  std::int64_t rows_, classes_, period_;
  std::string name_ = "generated";
};

/// Median nanoseconds a score.
double cost(const std::vector<float>& buffer, std::int64_t rows, std::int64_t classes, int threads,
            int repetitions) {
  std::vector<std::unique_ptr<p2p::RowSource>> sources;
  sources.push_back(std::make_unique<RepeatedRows>(buffer, rows, classes));
  p2p::ScoreSet scores(std::move(sources));
  p2p::EstimateOptions options;
  options.kind = p2p::ScoreKind::kLogits;
  options.kind_stated = true;
  options.threads = threads;
  std::vector<double> found;
  for (int i = 0; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    static_cast<void>(p2p::estimate_prior(scores, nullptr, options));
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
    found.push_back(time.count() / (static_cast<double>(rows) * static_cast<double>(classes)));
  }
  std::ranges::sort(found);
  return found[found.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::atoi(argv[1]) : 3;
  const char* mib = std::getenv("P2P_BENCH_MIB");
  const std::size_t size = static_cast<std::size_t>(mib == nullptr ? 256 : std::atoi(mib)) << 18;
  std::vector<float> buffer(size);
  std::mt19937 engine(1);
  std::normal_distribution<float> normal(0.0F, 3.0F);
  constexpr std::size_t kPattern = (1 << 20) + 7;  // odd, so that rows differ
  for (std::size_t i = 0; i < size; ++i) {
    buffer[i] = i < kPattern ? normal(engine) : buffer[i - kPattern];
  }
  fmt::print("| classes | rows | ns a score, 1 thread | 2 threads |\n|---|---|---|---|\n");
  for (const std::int64_t classes :
       {2,   3,   4,   7,   8,    9,    10,   15,   16,   17,    31,    32,     33,
        63,  64,  65,  100, 127,  128,  129,  191,  192,  193,   255,   256,    257,
        511, 512, 513, 999, 1000, 1001, 2048, 4096, 8142, 16384, 65536, 262144, 1000000}) {
    const std::int64_t rows = std::max<std::int64_t>(64, (std::int64_t{1} << 27) / classes);
    fmt::print("| {} | {} | {:.3f} | {:.3f} |\n", classes, rows,
               cost(buffer, rows, classes, 1, repetitions),
               cost(buffer, rows, classes, 2, repetitions));
  }
  for (const std::int64_t classes : {10, 1000}) {
    for (std::int64_t rows = 1; rows <= 100'000'000 && rows * classes <= 1'000'000'000;
         rows *= 10) {
      fmt::print("| {} | {} | {:.3f} | {:.3f} |\n", classes, rows,
                 cost(buffer, rows, classes, 1, repetitions),
                 cost(buffer, rows, classes, 2, repetitions));
    }
  }
}
