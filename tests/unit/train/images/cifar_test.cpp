#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "images/image_set.hpp"
#include "support/expect_error.hpp"
#include "support/written_file.hpp"

namespace p2p::images {
namespace {

/// A file of zero bytes: black images of class 0.
void write_zeros(const std::string& path, std::uintmax_t bytes) {
  test::write_file(path, "");
  std::filesystem::resize_file(path, bytes);
}

void patch(const std::string& path, std::int64_t offset, const std::vector<int>& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(offset);
  for (const int byte : bytes) file.put(static_cast<char>(byte));
}

constexpr std::int64_t kRecord10 = 3073;
constexpr std::int64_t kRecord100 = 3074;

void write_cifar10(const std::string& folder) {
  std::filesystem::create_directories(folder);
  for (int batch = 1; batch <= 5; ++batch) {
    const std::string path = folder + "/data_batch_" + std::to_string(batch) + ".bin";
    write_zeros(path, 10'000 * kRecord10);
    patch(path, 0, {batch});
  }
  write_zeros(folder + "/test_batch.bin", 10'000 * kRecord10);
}

void write_cifar100(const std::string& folder) {
  std::filesystem::create_directories(folder);
  write_zeros(folder + "/train.bin", 50'000 * kRecord100);
  write_zeros(folder + "/test.bin", 10'000 * kRecord100);
}

std::vector<int> pixel(const ImageSet& set, std::int64_t row, std::size_t y, std::size_t x) {
  std::vector<std::uint8_t> pixels(set.shape().bytes());
  set.read(row, pixels.data());
  const std::size_t at = 3 * (y * static_cast<std::size_t>(set.shape().width) + x);
  return {pixels[at], pixels[at + 1], pixels[at + 2]};
}

TEST(Cifar10, PlanesBecomePixelsAndTheFirstByteTheLabel) {
  const test::OutputFolder folder;
  write_cifar10(folder.path());
  const std::string batch = folder.path("data_batch_2.bin");
  const std::int64_t record = 9'999 * kRecord10;
  patch(batch, record, {7});
  for (int c = 0; c < 3; ++c) patch(batch, record + 1 + c * 1024 + 2 * 32 + 5, {10 + c});

  const Images images = open_images(folder.path(), {});
  EXPECT_EQ(images.kind, "cifar10");
  EXPECT_EQ(images.train->shape(), (ImageShape{3, 32, 32}));
  EXPECT_EQ(images.train->rows(), 50'000);
  EXPECT_EQ(images.test->rows(), 10'000);
  EXPECT_EQ(images.train->labels()[19'999], 7);
  EXPECT_EQ(pixel(*images.train, 19'999, 2, 5), (std::vector<int>{10, 11, 12}));
  EXPECT_EQ(pixel(*images.train, 19'999, 5, 2), (std::vector<int>{0, 0, 0}));
}

TEST(Cifar10, BatchesFollowEachOtherBelowTheFolderOfTheArchive) {
  const test::OutputFolder folder;
  write_cifar10(folder.path("cifar-10-batches-bin"));
  const Images images = open_images(folder.path(), {});
  for (std::size_t batch = 0; batch < 5; ++batch) {
    EXPECT_EQ(images.train->labels()[10'000 * batch], static_cast<std::int32_t>(batch + 1));
  }
}

TEST(Cifar10, ClassNamesAreThoseOfTheMetaFileElseNumbers) {
  const test::OutputFolder folder;
  write_cifar10(folder.path());
  EXPECT_EQ(open_images(folder.path(), {}).classes[9], "9");
  test::write_file(folder.path("batches.meta.txt"),
                   "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
  EXPECT_EQ(open_images(folder.path(), {}).classes[9], "truck");
  test::write_file(folder.path("batches.meta.txt"), "airplane\n");
  test::expect_bad_data({"batches.meta.txt", "1 class names", "expected 10"},
                        [&] { open_images(folder.path(), {}); });
}

TEST(Cifar10, ImagesCanBeResized) {
  const test::OutputFolder folder;
  write_cifar10(folder.path());
  patch(folder.path("test_batch.bin"), 1, std::vector<int>(1024, 90));
  const Images images = open_images(folder.path(), {.resize = 48});
  EXPECT_EQ(images.test->shape(), (ImageShape{3, 48, 48}));
  EXPECT_EQ(pixel(*images.test, 0, 47, 47), (std::vector<int>{90, 0, 0}));
}

TEST(Cifar10, FileOfAnotherLengthIsNamedWithBothLengths) {
  const test::OutputFolder folder;
  // Cut between two records, and within one.
  for (const std::int64_t bytes : {9'999 * kRecord10, 10'000 * kRecord10 - 1, std::int64_t{0}}) {
    write_zeros(folder.path("data_batch_1.bin"), static_cast<std::uintmax_t>(bytes));
    test::expect_bad_data(
        {"data_batch_1.bin", std::to_string(bytes).c_str(), "30730000", "10000 records"},
        [&] { open_images(folder.path(), {}); });
  }
}

TEST(Cifar10, MissingBatchIsNamed) {
  const test::OutputFolder folder;
  write_zeros(folder.path("data_batch_1.bin"), 10'000 * kRecord10);
  test::expect_bad_data({"data_batch_2.bin", "does not exist"},
                        [&] { open_images(folder.path(), {}); });
}

TEST(Cifar10, LabelOutOfRangeIsNamedWithItsRecord) {
  const test::OutputFolder folder;
  write_zeros(folder.path("data_batch_1.bin"), 10'000 * kRecord10);
  patch(folder.path("data_batch_1.bin"), 123 * kRecord10, {10});
  test::expect_bad_data({"data_batch_1.bin", "label 10", "record 123"},
                        [&] { open_images(folder.path(), {}); });
}

TEST(Cifar100, LabelIsTheFineOne) {
  const test::OutputFolder folder;
  write_cifar100(folder.path("cifar-100-binary"));
  patch(folder.path("cifar-100-binary/train.bin"), 5 * kRecord100, {19, 99, 50});
  const Images images = open_images(folder.path(), {});
  EXPECT_EQ(images.kind, "cifar100");
  EXPECT_EQ(images.classes.size(), 100U);
  EXPECT_EQ(images.train->rows(), 50'000);
  EXPECT_EQ(images.test->rows(), 10'000);
  EXPECT_EQ(images.train->labels()[5], 99);
  EXPECT_EQ(pixel(*images.train, 5, 0, 0), (std::vector<int>{50, 0, 0}));
}

}  // namespace
}  // namespace p2p::images
