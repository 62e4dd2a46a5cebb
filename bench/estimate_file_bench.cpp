// How much of the in-memory rate of an estimate remains when the scores come from a file in the
// page cache. usage: estimate_file_bench P2P FOLDER [ROUNDS]: writes a 2 GB .npy of 1,000 classes
// to FOLDER, then takes turns: estimate_prior over the same rows in memory, `P2P estimate` as a
// whole process, both on 2 threads, and `cat FILE > /dev/null`. Prints the median and the spread;
// removes the file.

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "p2p/p2p.hpp"

namespace {

constexpr std::int64_t kClasses = 1000;
constexpr std::int64_t kRows = 500'000;
constexpr int kThreads = 2;

double seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Logits of one block of rows, repeated.
std::vector<float> make_scores() {
  std::vector<float> scores(static_cast<std::size_t>(kRows * kClasses));
  std::mt19937 engine(1);
  std::normal_distribution<float> normal(0.0F, 3.0F);
  const auto block = static_cast<std::ptrdiff_t>(p2p::kBlockRows * kClasses);
  std::generate(scores.begin(), scores.begin() + block, [&] { return normal(engine); });
  for (auto next = scores.begin() + block; next != scores.end();) {
    const auto count = std::min(block, scores.end() - next);
    next = std::copy(scores.begin(), scores.begin() + count, next);
  }
  return scores;
}

void run_process(const std::vector<std::string>& words) {
  const pid_t child = fork();
  if (child == 0) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
    throw std::runtime_error(words[0] + " failed");
  }
}

std::string spread(std::vector<double> values, const char* format) {
  std::ranges::sort(values);
  const auto text = [&](double value) { return fmt::format(fmt::runtime(format), value); };
  return text(values[values.size() / 2]) + " [" + text(values.front()) + ", " +
         text(values.back()) + "]";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: estimate_file_bench P2P FOLDER [ROUNDS]\n");
    return 2;
  }
  const std::string p2p = argv[1];
  const std::filesystem::path folder = argv[2];
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 5;
  const std::string file = folder / "p2p-bench-scores.npy";
  const std::string prior = folder / "p2p-bench-prior.json";

  const std::vector<float> scores = make_scores();
  const auto sink = p2p::create_sink(file, {.shape = {kRows, kClasses}, .class_names = {}});
  sink->write(0, kRows, scores.data());
  sink->commit();
  const auto bytes = static_cast<double>(scores.size() * sizeof(float));
  std::vector<std::unique_ptr<p2p::RowSource>> sources;
  const std::shared_ptr<const void> borrowed(std::shared_ptr<void>(), scores.data());
  sources.push_back(
      std::make_unique<p2p::MatrixSource>(borrowed, p2p::DType::kF32, kRows, kClasses));
  p2p::ScoreSet set(std::move(sources));
  p2p::EstimateOptions options;
  options.kind = p2p::ScoreKind::kLogits;
  options.threads = kThreads;

  std::vector<double> memory, process, ratio, cat;
  for (int round = -1; round < rounds; ++round) {
    const double in_memory =
        bytes / 1e9 / seconds([&] { p2p::estimate_prior(set, nullptr, options); });
    const double from_file = bytes / 1e9 / seconds([&] {
                               run_process({p2p, "estimate", file, "--input", "logits", "-o", prior,
                                            "--threads", std::to_string(kThreads), "--quiet"});
                             });
    const double copied = bytes / 1e9 / seconds([&] {
                            run_process({"/bin/sh", "-c", "cat \"$0\" > /dev/null", file});
                          });
    if (round < 0) continue;  // warm-up
    cat.push_back(copied);
    memory.push_back(in_memory);
    process.push_back(from_file);
    ratio.push_back(from_file / in_memory);
  }
  std::filesystem::remove(file);
  std::filesystem::remove(prior);
  fmt::print(
      "| in memory GB/s | p2p estimate, cached file GB/s | ratio | cat GB/s "
      "|\n|---|---|---|---|\n");
  fmt::print("| {} | {} | {} | {} |\n", spread(memory, "{:.1f}"), spread(process, "{:.1f}"),
             spread(ratio, "{:.2f}"), spread(cat, "{:.1f}"));
  return 0;
}
