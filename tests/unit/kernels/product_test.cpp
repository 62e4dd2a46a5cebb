#include "kernels/product.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "kernel_testing.hpp"

namespace p2p::kernels::testing {
namespace {

class Product : public EveryTarget {};
P2P_FOR_EVERY_TARGET(Product);

std::vector<float> normal(std::int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = distribution(generator);
  return values;
}

double at(const std::vector<float>& values, std::int64_t i) {
  return static_cast<double>(values[static_cast<std::size_t>(i)]);
}

struct Shape {
  std::int64_t rows, columns, inner;
};
const std::vector<Shape> kShapes = {{1, 1, 1},    {1, 3, 2},     {3, 5, 16},    {4, 4, 15},
                                    {5, 8, 17},   {7, 9, 33},    {128, 10, 64}, {19, 65, 48},
                                    {9, 3, 5000}, {300, 21, 130}};

TEST_P(Product, OfRowsIsTheDotProductsPlusTheBias) {
  for (const auto& [rows, columns, inner] : kShapes) {
    const std::vector<float> a = normal(rows * inner, 1);
    const std::vector<float> b = normal(columns * inner, 2);
    const std::vector<float> bias = normal(columns, 3);
    const std::int64_t stride = columns + 2;
    std::vector<float> out(static_cast<std::size_t>(rows * stride), 7.0f);
    multiply_rows({a.data(), rows, b.data(), bias.data(), columns, inner, out.data(), stride});
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t c = 0; c < columns; ++c) {
        double sum = at(bias, c);
        double size = 1.0;
        for (std::int64_t k = 0; k < inner; ++k) {
          sum += at(a, i * inner + k) * at(b, c * inner + k);
          size += std::abs(at(a, i * inner + k) * at(b, c * inner + k));
        }
        ASSERT_NEAR(at(out, i * stride + c), sum, 1e-6 * size) << inner;
      }
      EXPECT_EQ(at(out, i * stride + columns), 7.0);
    }
  }
}

TEST_P(Product, OfRowsHasTheSameBitsHoweverItIsCut) {
  const std::vector<float> a = normal(23 * 67, 1);
  const std::vector<float> b = normal(13 * 67, 2);
  const std::vector<float> bias = normal(13, 3);
  std::vector<float> whole(23 * 13), parts(whole);
  multiply_rows({a.data(), 23, b.data(), bias.data(), 13, 67, whole.data(), 13});
  for (const std::int64_t i : {0, 1, 22}) {
    for (const std::int64_t c : {0, 5, 12}) {
      multiply_rows({a.data() + i * 67, 1, b.data() + c * 67, bias.data() + c, 1, 67,
                     parts.data() + i * 13 + c, 13});
      EXPECT_EQ(at(parts, i * 13 + c), at(whole, i * 13 + c));
    }
  }
}

TEST_P(Product, OfColumnsIsAddedToWhatIsThere) {
  for (const auto& [rows, columns, width] : kShapes) {
    const std::int64_t stride = columns + 1;
    const std::vector<float> d = normal(rows * stride, 1);
    const std::vector<float> x = normal(rows * width, 2);
    const std::vector<float> before = normal(columns * width, 3);
    std::vector<float> out(before);
    add_outer_products({d.data(), stride, x.data(), rows, columns, width, out.data()});
    for (std::int64_t c = 0; c < columns; ++c) {
      for (std::int64_t j = 0; j < width; ++j) {
        double sum = at(before, c * width + j);
        double size = 1.0;
        for (std::int64_t i = 0; i < rows; ++i) {
          sum += at(d, i * stride + c) * at(x, i * width + j);
          size += std::abs(at(d, i * stride + c) * at(x, i * width + j));
        }
        ASSERT_NEAR(at(out, c * width + j), sum, 1e-6 * size) << width;
      }
    }
  }
}

}  // namespace
}  // namespace p2p::kernels::testing
