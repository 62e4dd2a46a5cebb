#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"
#include "kernels/reference.hpp"
#include "kernels/target.hpp"

namespace p2p::kernels::testing {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline const std::vector<std::int64_t> kWidths = {1,  2,  3,  7,  8,  9,  10,  15,   16,  17,
                                                  31, 32, 33, 63, 64, 65, 100, 1000, 8142};
inline const std::vector<DType> kTypes = {DType::kF16, DType::kBF16, DType::kF32, DType::kF64};

/// Runs a test once for each instruction set of this machine, the parameter.
class EveryTarget : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    setenv("P2P_FORCE_TARGET", GetParam().c_str(), 1);
    ASSERT_EQ(select_target(), GetParam());
  }
  void TearDown() override {
    unsetenv("P2P_FORCE_TARGET");
    select_target();
  }
};

inline std::string target_name(const ::testing::TestParamInfo<std::string>& info) {
  return info.param;
}

#define P2P_FOR_EVERY_TARGET(Suite)                                                  \
  INSTANTIATE_TEST_SUITE_P(Targets, Suite,                                           \
                           ::testing::ValuesIn(::p2p::kernels::available_targets()), \
                           ::p2p::kernels::testing::target_name)

/// Memory that ends exactly where an unreadable page begins.
class GuardedMemory {
 public:
  explicit GuardedMemory(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t pages = (bytes + page - 1) / page;
    size_ = (pages + 2) * page;
    base_ = static_cast<char*>(
        mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_, page, PROT_NONE);
    mprotect(base_ + size_ - page, page, PROT_NONE);
    first_ = base_ + page;
    end_ = base_ + size_ - page;
    bytes_ = bytes;
  }
  ~GuardedMemory() { munmap(base_, size_); }
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;

  /// Ends at the guard.
  char* at_end() const { return end_ - bytes_; }
  /// Begins behind the other guard.
  char* at_begin() const { return first_; }

 private:
  char* base_;
  char* first_;
  char* end_;
  std::size_t size_;
  std::size_t bytes_;
};

/// A matrix of scores in a score type; set() rounds.
class Scores {
 public:
  Scores(DType dtype, std::int64_t rows, std::int64_t classes)
      : dtype_(dtype),
        rows_(rows),
        classes_(classes),
        bytes_(static_cast<std::size_t>(rows * classes) * item_size(dtype)) {}

  static Scores normal(DType dtype, std::int64_t rows, std::int64_t classes, double deviation,
                       unsigned seed = 1) {
    Scores scores(dtype, rows, classes);
    std::mt19937 generator(seed);
    std::normal_distribution<double> distribution(0.0, deviation);
    for (std::int64_t i = 0; i < rows * classes; ++i) scores.set(i, distribution(generator));
    return scores;
  }

  static Scores probabilities(DType dtype, std::int64_t rows, std::int64_t classes) {
    Scores scores(dtype, rows, classes);
    std::mt19937 generator(2);
    std::exponential_distribution<double> distribution(static_cast<double>(classes));
    for (std::int64_t i = 0; i < rows * classes; ++i) scores.set(i, distribution(generator));
    return scores;
  }

  void set(std::int64_t i, double value) { reference::store(bytes_.data(), dtype_, i, value); }
  void set(std::int64_t row, std::int64_t c, double value) { set(row * classes_ + c, value); }
  double get(std::int64_t row, std::int64_t c) const {
    return reference::load(bytes_.data(), dtype_, row * classes_ + c);
  }
  void fill_row(std::int64_t row, double value) {
    for (std::int64_t c = 0; c < classes_; ++c) set(row, c, value);
  }

  const char* data() const { return bytes_.data(); }
  /// From row `row` on.
  const char* row(std::int64_t row) const {
    return bytes_.data() + static_cast<std::size_t>(row * classes_) * item_size(dtype_);
  }
  std::size_t bytes() const { return bytes_.size(); }
  DType dtype() const { return dtype_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t classes() const { return classes_; }

 private:
  DType dtype_;
  std::int64_t rows_;
  std::int64_t classes_;
  std::vector<char> bytes_;
};

/// Offsets and their f32 copy, as SoftmaxParams wants them.
struct Offsets {
  explicit Offsets(std::vector<double> values) : f64(std::move(values)), f32(f64.size()) {
    for (std::size_t c = 0; c < f64.size(); ++c) f32[c] = static_cast<float>(f64[c]);
  }
  static Offsets uniform(std::int64_t classes, double low, double high) {
    std::mt19937 generator(3);
    std::uniform_real_distribution<double> distribution(low, high);
    std::vector<double> values(static_cast<std::size_t>(classes));
    for (double& value : values) value = distribution(generator);
    return Offsets(std::move(values));
  }
  SoftmaxParams params(double inv_temperature = 1.0, bool probabilities = false) const {
    return {inv_temperature, f64.data(), f32.data(), probabilities};
  }

  std::vector<double> f64;
  std::vector<float> f32;
};

/// Scales of either sign, and a zero.
inline std::vector<double> mixed_scales(std::int64_t classes) {
  std::mt19937 generator(4);
  std::uniform_real_distribution<double> distribution(-0.5, 2.0);
  std::vector<double> scales(static_cast<std::size_t>(classes));
  for (double& scale : scales) scale = distribution(generator);
  scales[scales.size() / 3] = 0;
  return scales;
}

inline SoftmaxParams with_scale(SoftmaxParams params, const std::vector<double>& scales) {
  params.scale = scales.data();
  return params;
}

struct Facts {
  explicit Facts(std::int64_t rows)
      : max(static_cast<std::size_t>(rows)), sum(static_cast<std::size_t>(rows)) {}
  RowFacts pointers() { return {max.data(), sum.data()}; }
  std::vector<float> max;
  std::vector<float> sum;
};

inline double tolerance(DType dtype) {
  return dtype == DType::kF64 ? kSoftmaxToleranceF64 : kSoftmaxTolerance;
}

}  // namespace p2p::kernels::testing
