#include "kernels/reference.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/half.hpp"
#include "kernels/portable_math.hpp"

namespace p2p::kernels::reference {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLargest = std::numeric_limits<double>::max();

template <class T>
T element(const void* values, std::int64_t i) noexcept {
  T value;
  std::memcpy(&value, static_cast<const char*>(values) + i * static_cast<std::int64_t>(sizeof(T)),
              sizeof(T));
  return value;
}

template <class T>
void set_element(void* values, std::int64_t i, T value) noexcept {
  std::memcpy(static_cast<char*>(values) + i * static_cast<std::int64_t>(sizeof(T)), &value,
              sizeof(T));
}

/// A finite number stays finite.
float fact(double value) noexcept {
  constexpr double kLargestFloat = std::numeric_limits<float>::max();
  if (std::isfinite(value)) value = std::clamp(value, -kLargestFloat, kLargestFloat);
  return static_cast<float>(value);
}

/// s * inv_temperature * scale[c] + offset[c], kept finite for a finite s and offset; -inf for an s
/// of -inf.
double affine(double s, const SoftmaxParams& params, std::int64_t c) noexcept {
  if (s == -kInfinity) return s;
  const double scale = params.scale == nullptr ? 1.0 : params.scale[c];
  double x = s * (params.inv_temperature * scale);
  if (std::isfinite(s)) x = std::clamp(x, -kLargest, kLargest);
  if (params.offset != nullptr) x += params.offset[c];
  if (std::isfinite(s) && (params.offset == nullptr || std::isfinite(params.offset[c]))) {
    x = std::clamp(x, -kLargest, kLargest);
  }
  return x;
}

/// One row as seen by softmax and argmax.
class Row {
 public:
  Row(const void* scores, DType dtype, std::int64_t row, std::int64_t classes,
      const SoftmaxParams& params) noexcept
      : scores_(scores), dtype_(dtype), first_(row * classes), params_(params) {}

  double raw(std::int64_t c) const noexcept { return load(scores_, dtype_, first_ + c); }

  double exponent(std::int64_t c) const noexcept {
    const double s = raw(c);
    return affine(params_.probabilities ? portable_log(s) : s, params_, c);
  }

 private:
  const void* scores_;
  DType dtype_;
  std::int64_t first_;
  const SoftmaxParams& params_;
};

/// Writes the facts of the row. False when the row is refused: see softmax_sum.
bool inspect(const Row& row, std::int64_t classes, bool probabilities, std::int64_t i,
             const RowFacts& facts, double& largest_exponent) noexcept {
  double largest = -kInfinity;
  double total = 0.0;
  bool minus_infinity = false;
  largest_exponent = -kInfinity;
  for (std::int64_t c = 0; c < classes; ++c) {
    const double s = row.raw(c);
    if (std::isnan(s) || s == kInfinity || (probabilities && s < 0.0)) return false;
    minus_infinity = minus_infinity || s == -kInfinity;
    largest = std::max(largest, s);
    if (s != -kInfinity) total += s;
    largest_exponent = std::max(largest_exponent, row.exponent(c));
  }
  facts.max[i] = fact(largest);
  facts.sum[i] = minus_infinity ? -std::numeric_limits<float>::infinity() : fact(total);
  return largest_exponent != -kInfinity;
}

}  // namespace

double load(const void* values, DType dtype, std::int64_t i) noexcept {
  switch (dtype) {
    case DType::kF16:
      return static_cast<double>(f16_to_f32(element<std::uint16_t>(values, i)));
    case DType::kBF16:
      return static_cast<double>(bf16_to_f32(element<std::uint16_t>(values, i)));
    case DType::kF32:
      return static_cast<double>(element<float>(values, i));
    case DType::kF64:
      return element<double>(values, i);
    case DType::kI64:
      break;
  }
  assert(false && "scores are floats");
  return 0.0;
}

void store(void* values, DType dtype, std::int64_t i, double value) noexcept {
  switch (dtype) {
    case DType::kF16:
      return set_element(values, i, f32_to_f16(f64_to_f32_odd(value)));
    case DType::kBF16:
      return set_element(values, i, f32_to_bf16(f64_to_f32_odd(value)));
    case DType::kF32:
      return set_element(values, i, static_cast<float>(value));
    case DType::kF64:
      return set_element(values, i, value);
    case DType::kI64:
      break;
  }
  assert(false && "scores are floats");
}

std::int64_t softmax_sum(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                         const SoftmaxParams& params, const double* weights,
                         const std::int32_t* labels, double* sum, double* sum_squares, double* own,
                         const RowFacts& facts) noexcept {
  for (std::int64_t i = 0; i < rows; ++i) {
    const Row row(scores, dtype, i, classes, params);
    double largest = 0.0;
    if (!inspect(row, classes, params.probabilities, i, facts, largest)) return i;
    double total = 0.0;
    for (std::int64_t c = 0; c < classes; ++c) total += portable_exp(row.exponent(c) - largest);
    if (facts.exp_sum != nullptr) {
      facts.exp_sum[i] = static_cast<float>(total * portable_exp(largest));
    }
    const double scale = (weights == nullptr ? 1.0 : weights[i]) / total;
    for (std::int64_t c = 0; c < classes; ++c) {
      const double v = portable_exp(row.exponent(c) - largest) * scale;
      sum[c] += v;
      sum_squares[c] += v * v;
    }
    if (labels != nullptr) {
      own[i] = labels[i] < 0 ? 0.0 : portable_exp(row.exponent(labels[i]) - largest) * scale;
    }
  }
  return -1;
}

void exp_sums(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
              float* sums) noexcept {
  for (std::int64_t i = 0; i < rows; ++i) {
    double sum = 0.0;
    for (std::int64_t c = 0; c < classes; ++c) {
      sum += portable_exp(load(scores, dtype, i * classes + c));
    }
    sums[i] = static_cast<float>(sum);
  }
}

std::int64_t softmax_rows(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                          const SoftmaxParams& params, bool log_out, double* out,
                          const RowFacts& facts) noexcept {
  for (std::int64_t i = 0; i < rows; ++i) {
    const Row row(scores, dtype, i, classes, params);
    double largest = 0.0;
    if (!inspect(row, classes, params.probabilities, i, facts, largest)) return i;
    double* p = out + i * classes;
    double total = 0.0;
    for (std::int64_t c = 0; c < classes; ++c) {
      const double x = row.exponent(c) - largest;
      const double e = portable_exp(x);
      p[c] = log_out ? x : e;
      total += e;
    }
    const double log_total = portable_log(total);
    for (std::int64_t c = 0; c < classes; ++c) p[c] = log_out ? p[c] - log_total : p[c] / total;
  }
  return -1;
}

std::int64_t add_offset(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                        const SoftmaxParams& params, void* out, const RowFacts& facts) noexcept {
  SoftmaxParams plain = params;
  plain.probabilities = false;
  for (std::int64_t i = 0; i < rows; ++i) {
    const Row row(scores, dtype, i, classes, plain);
    double largest = 0.0;
    if (!inspect(row, classes, false, i, facts, largest)) return i;
    for (std::int64_t c = 0; c < classes; ++c) {
      double x = row.exponent(c);
      if (dtype == DType::kF16 || dtype == DType::kBF16) x = static_cast<float>(x);
      store(out, dtype, i * classes + c, x);
    }
  }
  return -1;
}

std::int64_t argmax_rows(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                         const SoftmaxParams& params, std::int64_t* labels,
                         const RowFacts& facts) noexcept {
  for (std::int64_t i = 0; i < rows; ++i) {
    const Row row(scores, dtype, i, classes, params);
    double largest = 0.0;
    if (!inspect(row, classes, params.probabilities, i, facts, largest)) return i;
    std::int64_t c = 0;
    while (row.exponent(c) != largest) ++c;
    labels[i] = c;
  }
  return -1;
}

void convert(const void* in, DType in_type, std::int64_t n, void* out, DType out_type) noexcept {
  for (std::int64_t i = 0; i < n; ++i) store(out, out_type, i, load(in, in_type, i));
}

}  // namespace p2p::kernels::reference
