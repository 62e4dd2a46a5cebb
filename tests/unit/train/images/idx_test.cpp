#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

#include "images/image_set.hpp"
#include "support/expect_error.hpp"
#include "support/image_file.hpp"
#include "support/written_file.hpp"

namespace p2p::images {
namespace {

using test::big;
using test::text_of;

std::string idx_images(std::uint32_t count, std::uint32_t height, std::uint32_t width,
                       const std::string& pixels) {
  return big(0x0803) + big(count) + big(height) + big(width) + pixels;
}

std::string idx_labels(const std::string& labels) {
  return big(0x0801) + big(static_cast<std::uint32_t>(labels.size())) + labels;
}

class Idx : public testing::Test {
 protected:
  void SetUp() override {
    write("train-images-idx3-ubyte", idx_images(3, 1, 2, text_of({1, 2, 3, 4, 5, 6})));
    write("train-labels-idx1-ubyte", idx_labels(text_of({1, 0, 1})));
  }
  void write_test_part(const std::string& labels) {
    write("t10k-images-idx3-ubyte", idx_images(1, 1, 2, text_of({7, 8})));
    write("t10k-labels-idx1-ubyte", idx_labels(labels));
  }
  void write(const std::string& name, const std::string& bytes) {
    test::write_file(folder_.path(name), bytes);
  }
  void pack(const std::string& name) {
    const std::string bytes = test::read_file(folder_.path(name));
    gzFile file = gzopen(folder_.path(name + ".gz").c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    std::filesystem::remove(folder_.path(name));
  }
  Images open() { return open_images(folder_.path(), {}); }
  void expect_refused(std::initializer_list<const char*> parts) {
    test::expect_bad_data(parts, [&] { open(); });
  }

  test::OutputFolder folder_;
};

TEST_F(Idx, ImagesAreGreyAndClassesNumbers) {
  write_test_part(text_of({1}));
  const Images images = open();
  EXPECT_EQ(images.kind, "idx");
  EXPECT_EQ(images.classes, (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(images.train->shape(), (ImageShape{1, 1, 2}));
  EXPECT_EQ(images.train->labels(), (std::vector<std::int32_t>{1, 0, 1}));
  std::vector<std::uint8_t> pixels(2);
  images.train->read(2, pixels.data());
  EXPECT_EQ(pixels, (std::vector<std::uint8_t>{5, 6}));
  images.test->read(0, pixels.data());
  EXPECT_EQ(pixels, (std::vector<std::uint8_t>{7, 8}));
}

TEST_F(Idx, FilesMayBePacked) {
  pack("train-images-idx3-ubyte");
  pack("train-labels-idx1-ubyte");
  const Images images = open();
  EXPECT_EQ(images.train->rows(), 3);
  std::vector<std::uint8_t> pixels(2);
  images.train->read(1, pixels.data());
  EXPECT_EQ(pixels, (std::vector<std::uint8_t>{3, 4}));
}

TEST_F(Idx, EitherPartMayBeMissing) {
  EXPECT_EQ(open().test, nullptr);
  write("t10k-images-idx3-ubyte", idx_images(2, 1, 2, text_of({7, 8, 9, 9})));
  write("t10k-labels-idx1-ubyte", idx_labels(text_of({1, 0})));
  std::filesystem::remove(folder_.path("train-images-idx3-ubyte"));
  const Images images = open();
  EXPECT_EQ(images.train, nullptr);
  EXPECT_EQ(images.test->rows(), 2);
}

TEST_F(Idx, AsManyLabelsAsImagesAreExpected) {
  write("train-labels-idx1-ubyte", idx_labels(text_of({1, 0})));
  expect_refused({"train-images-idx3-ubyte", "3 images", "train-labels-idx1-ubyte", "2 labels"});
}

TEST_F(Idx, FileOfAnotherLengthIsDamaged) {
  write("train-images-idx3-ubyte", idx_images(3, 1, 2, text_of({1, 2, 3, 4, 5})));
  expect_refused({"train-images-idx3-ubyte", "damaged"});
  write("train-images-idx3-ubyte", idx_images(3, 1, 2, text_of({1, 2, 3, 4, 5, 6, 7})));
  expect_refused({"train-images-idx3-ubyte", "damaged"});
}

TEST_F(Idx, PackedFileThatWasCutIsDamaged) {
  pack("train-images-idx3-ubyte");
  const std::string packed = test::read_file(folder_.path("train-images-idx3-ubyte.gz"));
  for (const std::size_t missing : {1U, 9U, 20U}) {
    write("train-images-idx3-ubyte.gz", packed.substr(0, packed.size() - missing));
    expect_refused({"train-images-idx3-ubyte.gz", "damaged"});
  }
}

TEST_F(Idx, SizesThatTheFileCannotHoldTakeNoMemory) {
  write("train-images-idx3-ubyte", idx_images(3, 20'000, 20'000, "x"));
  expect_refused({"train-images-idx3-ubyte", "20000 x 20000"});
  write("train-images-idx3-ubyte", idx_images(0xffffffff, 28, 28, "x"));
  expect_refused({"train-images-idx3-ubyte", "4294967295 images"});
  write("train-images-idx3-ubyte", idx_images(1'000'000, 28, 28, "x"));
  write("train-labels-idx1-ubyte", big(0x0801) + big(1'000'000));
  expect_refused({"train-images-idx3-ubyte", "damaged"});
}

TEST_F(Idx, OtherKindsOfIdxFilesAreRefused) {
  write("train-images-idx3-ubyte", idx_labels(text_of({1, 0, 1})) + std::string(20, 'x'));
  expect_refused({"train-images-idx3-ubyte", "0x00000801", "0x00000803"});
}

TEST_F(Idx, TestLabelThatTrainingLacksIsNamed) {
  write_test_part(text_of({2}));
  expect_refused({"t10k-labels-idx1-ubyte", "label 2", "image 0", "below 2"});
}

TEST_F(Idx, ClassWithoutTrainingImageIsNamed) {
  write("train-labels-idx1-ubyte", idx_labels(text_of({2, 0, 2})));
  expect_refused({"train-labels-idx1-ubyte", "no image of class 1"});
}

}  // namespace
}  // namespace p2p::images
