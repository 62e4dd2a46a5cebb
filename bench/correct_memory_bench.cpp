// Nanoseconds a score of correct() in memory on one thread. usage: correct_memory_bench TYPE
// CLASSES OUTPUT REPETITIONS: prints one number a repetition, over 2^18 logits.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/kernels.hpp"
#include "p2p/p2p.hpp"

namespace {

constexpr std::int64_t kScores = std::int64_t{1} << 18;

template <class Value>
Value named(const std::string& name, const std::vector<std::pair<std::string, Value>>& values) {
  for (const auto& [text, value] : values) {
    if (text == name) return value;
  }
  fmt::print(stderr, "unknown: {}\n", name);
  std::exit(2);
}

class Memory final : public p2p::RowSink {
 public:
  explicit Memory(std::int64_t row_bytes)
      : row_bytes_(row_bytes), bytes_(static_cast<std::size_t>(kScores * 8 + row_bytes)) {}
  [[nodiscard]] bool random_access() const override { return true; }
  void* place(std::int64_t first, std::int64_t /*count*/) override {
    return bytes_.data() + first * row_bytes_;
  }
  void write(std::int64_t /*first*/, std::int64_t /*count*/, const void* /*rows*/) override {}
  void commit() override {}

 private:
  std::int64_t row_bytes_;
  std::vector<std::byte> bytes_;
};

}  // namespace

int main(int argc, char** argv) {
  using p2p::DType;
  using p2p::OutputKind;
  if (argc != 5) return 2;
  const auto dtype = named<DType>(argv[1], {{"float16", DType::kF16},
                                            {"bfloat16", DType::kBF16},
                                            {"float32", DType::kF32},
                                            {"float64", DType::kF64}});
  const std::int64_t classes = std::atoll(argv[2]);
  const auto output = named<OutputKind>(argv[3], {{"logits", OutputKind::kLogits},
                                                  {"log-probs", OutputKind::kLogProbs},
                                                  {"probs", OutputKind::kProbs},
                                                  {"labels", OutputKind::kLabels}});
  const std::int64_t rows = kScores / classes;
  std::mt19937 engine(1);
  std::normal_distribution<float> normal(0.0F, 3.0F);
  std::vector<float> logits(static_cast<std::size_t>(rows * classes));
  std::ranges::generate(logits, [&] { return normal(engine); });
  const auto item = static_cast<std::int64_t>(p2p::item_size(dtype));
  const auto stored =
      std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(rows * classes * item));
  p2p::kernels::convert(logits.data(), DType::kF32, rows * classes, stored->data(), dtype);
  std::vector<std::unique_ptr<p2p::RowSource>> sources;
  sources.push_back(std::make_unique<p2p::MatrixSource>(
      std::shared_ptr<const void>(stored, stored->data()), dtype, rows, classes));
  p2p::ScoreSet scores(std::move(sources));
  p2p::LogOffset offset;
  for (std::int64_t c = 0; c < classes; ++c) {
    offset.delta.push_back(static_cast<double>(normal(engine)));
  }
  p2p::ApplyOptions options;
  options.kind = p2p::ScoreKind::kLogits;
  options.kind_stated = true;
  options.output = output;
  options.dtype = dtype;
  options.threads = 1;
  Memory sink(output == OutputKind::kLabels ? 8 : classes * item);
  for (int i = 0; i < std::atoi(argv[4]); ++i) {
    const auto start = std::chrono::steady_clock::now();
    p2p::correct(scores, offset, options, sink);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    fmt::print("{}\n", 1e9 * seconds.count() / static_cast<double>(rows * classes));
  }
}
