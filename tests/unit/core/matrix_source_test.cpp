#include "p2p/matrix_source.hpp"

#include <gtest/gtest.h>

#include <array>

#include "p2p/error.hpp"

namespace p2p {
namespace {

TEST(MatrixSource, ReadsAndViewsTheSameRows) {
  MatrixSource source(std::vector<float>{1, 2, 3, 4, 5, 6}, 2);
  EXPECT_EQ(source.rows(), 3);
  std::array<float, 4> rows{};
  source.read(1, 2, rows.data());
  EXPECT_EQ(rows, (std::array<float, 4>{3, 4, 5, 6}));
  EXPECT_EQ(static_cast<const float*>(source.view(2, 1))[1], 6);
}

TEST(MatrixSource, BorrowsMemory) {
  const std::array<double, 4> values = {1, 2, 3, 4};
  MatrixSource source(std::shared_ptr<const void>(std::shared_ptr<void>(), values.data()),
                      DType::kF64, 2, 2);
  EXPECT_EQ(source.view(1, 1), values.data() + 2);
}

TEST(MatrixSource, RefusesAPartOfARow) {
  EXPECT_THROW(MatrixSource(std::vector<double>(5), 2), Error);
  EXPECT_THROW(MatrixSource(std::vector<double>(5), 0), Error);
}

TEST(VectorLabelSource, ReadsARange) {
  VectorLabelSource labels({4, 5, -1, 7});
  std::array<std::int64_t, 2> out{};
  labels.read(2, 2, out.data());
  EXPECT_EQ(out, (std::array<std::int64_t, 2>{-1, 7}));
}

}  // namespace
}  // namespace p2p
