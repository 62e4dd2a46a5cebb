#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "images/image_set.hpp"
#include "support/expect_error.hpp"
#include "support/image_file.hpp"
#include "support/written_file.hpp"

namespace p2p::images {
namespace {

using test::flat_jpeg;
using test::flat_png;
using Names = std::vector<std::string>;
using Labels = std::vector<std::int32_t>;

class ImageFolder : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& bytes) {
    std::filesystem::create_directories(std::filesystem::path(folder_.path(name)).parent_path());
    test::write_file(folder_.path(name), bytes);
  }
  /// An image whose red tells it from others.
  void image(const std::string& name, int red = 0) { write(name, flat_png(2, 2, red, 0, 0)); }
  /// Two classes with an image each, in both parts.
  void both_parts() {
    for (const char* name : {"train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png"}) {
      image(name);
    }
  }
  Images open(const OpenOptions& options = {}) { return open_images(folder_.path(), options); }
  void expect_refused(std::initializer_list<const char*> parts, const OpenOptions& options = {}) {
    test::expect_bad_data(parts, [&] { open(options); });
  }

  test::OutputFolder folder_;
};

int red(const ImageSet& set, std::int64_t row) {
  std::vector<std::uint8_t> pixels(set.shape().bytes());
  set.read(row, pixels.data());
  return pixels[0];
}

std::vector<int> reds(const ImageSet& set) {
  std::vector<int> values;
  for (std::int64_t row = 0; row < set.rows(); ++row) values.push_back(red(set, row));
  return values;
}

TEST_F(ImageFolder, ClassesAndFilesAreInOrderOfTheirNames) {
  image("train/cat/b.png", 2);
  image("train/cat/a.PNG", 1);
  image("train/ant/z.png", 3);
  image("test/ant/x.png", 4);
  image("test/cat/x.png", 5);
  for (const int threads : {1, 3}) {
    const Images images = open({.threads = threads});
    EXPECT_EQ(images.kind, "folder");
    EXPECT_EQ(images.classes, (Names{"ant", "cat"}));
    EXPECT_EQ(images.train->labels(), (Labels{0, 1, 1}));
    EXPECT_EQ(reds(*images.train), (std::vector<int>{3, 1, 2}));
    EXPECT_EQ(images.test->labels(), (Labels{0, 1}));
    EXPECT_EQ(reds(*images.test), (std::vector<int>{4, 5}));
  }
}

TEST_F(ImageFolder, HiddenFilesAndThoseOfOtherEndingsArePassedOver) {
  both_parts();
  write("train/a/.hidden.png", "x");
  write("train/a/notes.txt", "x");
  write("train/README", "x");
  write("train/.git/1.png", "x");
  EXPECT_EQ(open().train->rows(), 2);
}

TEST_F(ImageFolder, SymbolicLinksAreFollowed) {
  image("elsewhere/one.png", 9);
  image("train/b/1.png");
  std::filesystem::create_directory_symlink(folder_.path("elsewhere"), folder_.path("train/a"));
  EXPECT_EQ(open().train->labels(), (Labels{0, 1}));
  EXPECT_EQ(reds(*open().train), (std::vector<int>{9, 0}));
}

TEST_F(ImageFolder, TestComesBeforeVal) {
  both_parts();
  image("val/a/1.png", 50);
  image("val/b/1.png", 50);
  EXPECT_EQ(red(*open().test, 0), 0);
  std::filesystem::remove_all(folder_.path("test"));
  EXPECT_EQ(red(*open().test, 0), 50);
}

TEST_F(ImageFolder, WithoutTestThereIsNoTestPart) {
  image("train/a/1.png");
  image("train/b/1.png");
  EXPECT_EQ(open().test, nullptr);
}

TEST_F(ImageFolder, ClassesWithoutATrainFolderAreATestPart) {
  image("a/1.png");
  write("b/1.jpg", flat_jpeg(2, 2, {1, 2, 3}));
  write("b/2.jpeg", flat_jpeg(2, 2, {1, 2, 3}));
  const Images images = open();
  EXPECT_EQ(images.train, nullptr);
  EXPECT_EQ(images.test->labels(), (Labels{0, 1, 1}));
}

TEST_F(ImageFolder, BothPartsHaveTheSameClasses) {
  both_parts();
  image("train/cat/1.png");
  expect_refused({"test", "no class 'cat'", "train"});
  image("test/cat/1.png");
  image("test/dog/1.png");
  expect_refused({"train", "no class 'dog'", "test"});
}

TEST_F(ImageFolder, EmptyClassIsNamed) {
  both_parts();
  write("train/a/only.txt", "x");
  std::filesystem::remove(folder_.path("train/a/1.png"));
  expect_refused({"train/a", "no image"});
}

TEST_F(ImageFolder, ClassesHaveNamesThatAListCanHold) {
  both_parts();
  const auto expect_class_refused = [&](const std::string& name, const char* said) {
    image("train/" + name + "/1.png");
    image("test/" + name + "/1.png");
    expect_refused({said, "in '", "/train'", "rename"});
    std::filesystem::remove_all(folder_.path("train/" + name));
    std::filesystem::remove_all(folder_.path("test/" + name));
  };
  expect_class_refused("two\nlines", "'two\\x0alines'");
  expect_class_refused("caf\xe9", "'caf\\xe9'");
  expect_class_refused("blank ", "'blank '");
  image("train/drei Bären/1.png");
  image("test/drei Bären/1.png");
  EXPECT_EQ(open().classes, (Names{"a", "b", "drei Bären"}));
}

TEST_F(ImageFolder, OneClassIsNotEnough) {
  image("train/a/1.png");
  expect_refused({"train", "one class only, 'a'"});
}

TEST_F(ImageFolder, ImagesOfDifferentSizesNeedResize) {
  both_parts();
  write("test/b/1.png", flat_png(4, 3, 7, 0, 0));
  expect_refused({"train/a/1.png", "2 x 2", "test/b/1.png", "4 x 3", "--resize S"});
  const Images images = open({.resize = 5});
  EXPECT_EQ(images.train->shape(), (ImageShape{3, 5, 5}));
  EXPECT_EQ(images.test->shape(), (ImageShape{3, 5, 5}));
  EXPECT_EQ(red(*images.test, 1), 7);
}

TEST_F(ImageFolder, ResizeKeepsTheCentreOfTheLongerSide) {
  both_parts();
  // Columns of red 0, 100, 100, 0.
  const std::string row = test::text_of({0, 0, 0, 0, 100, 0, 0, 100, 0, 0, 0, 0, 0});
  write("train/a/1.png", test::png({.width = 4, .height = 2, .rows = row + row}));
  const Images images = open({.resize = 2});
  std::vector<std::uint8_t> pixels(12);
  images.train->read(0, pixels.data());
  EXPECT_EQ(pixels, (std::vector<std::uint8_t>{100, 0, 0, 100, 0, 0, 100, 0, 0, 100, 0, 0}));
}

TEST_F(ImageFolder, SmallSetsAreKept) {
  both_parts();
  image("train/a/1.png", 10);
  const Images images = open();
  std::filesystem::remove(folder_.path("train/a/1.png"));
  EXPECT_EQ(red(*images.train, 0), 10);
}

class BadImages : public ImageFolder {
 protected:
  /// Of ten training images, one has no content and one lacks half of it.
  void SetUp() override {
    both_parts();
    for (int i = 2; i <= 8; ++i) image("train/b/" + std::to_string(i) + ".png", i);
    write("train/b/3.png", "no image");
    const std::string whole = flat_jpeg(2, 2, {1, 2, 3});
    image("train/b/5.jpg");
    write("train/b/5.jpg", whole.substr(0, whole.size() - 8));
  }
};

TEST_F(BadImages, AreCountedAndTheFirstIsNamed) {
  expect_refused({"2 of 10 training images", "train/b/3.png", "not a JPEG or PNG", "--skip-bad"});
}

TEST_F(BadImages, AreLeftOutUpToAShare) {
  const Images images = open({.skip_bad = 0.2});
  EXPECT_EQ(images.skipped, (Names{folder_.path("train/b/3.png"), folder_.path("train/b/5.jpg")}));
  EXPECT_EQ(images.train->labels(), (Labels{0, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(reds(*images.train), (std::vector<int>{0, 0, 2, 4, 5, 6, 7, 8}));
  EXPECT_EQ(images.test->rows(), 2);
}

TEST_F(BadImages, BeyondTheShareAreRefused) {
  expect_refused({"2 of 10 training images", "--skip-bad 0.1 allows", "train/b/3.png"},
                 {.skip_bad = 0.1});
}

TEST_F(BadImages, MayBeLinksThatLeadNowhere) {
  std::filesystem::create_symlink("nowhere.png", folder_.path("train/a/0.png"));
  expect_refused({"3 of 11 training images", "train/a/0.png", "does not exist"});
}

TEST_F(BadImages, MayNotBeAllOfAClass) {
  write("train/a/1.png", "no image");
  expect_refused({"none of the 1 training images of class 'a'"}, {.skip_bad = 0.5});
}

TEST_F(ImageFolder, OptionsOutOfRangeAreRefused) {
  both_parts();
  test::expect_usage({"--resize -1"}, [&] { open({.resize = -1}); });
  test::expect_usage({"--resize 16385"}, [&] { open({.resize = 16'385}); });
  test::expect_usage({"--skip-bad 1"}, [&] { open({.skip_bad = 1}); });
  test::expect_usage({"--skip-bad -0.1"}, [&] { open({.skip_bad = -0.1}); });
}

TEST_F(ImageFolder, WhatNamesNoImagesIsRefused) {
  test::expect_usage({folder_.path().c_str(), "names no images"}, [&] { open(); });
  test::expect_usage({"nowhere", "names no images"}, [] { open_images("nowhere", {}); });
}

TEST_F(ImageFolder, SubsetHasTheRowsAsked) {
  for (int i = 0; i < 5; ++i) image("a/" + std::to_string(i) + ".png", i);
  image("b/5.png", 5);
  const auto part = subset(open().test, {5, 1, 1});
  EXPECT_EQ(part->labels(), (Labels{1, 0, 0}));
  EXPECT_EQ(reds(*part), (std::vector<int>{5, 1, 1}));
  EXPECT_EQ(part->shape(), open().test->shape());
  EXPECT_EQ(count_classes(*part, 3), (std::vector<std::int64_t>{2, 1, 0}));
}

}  // namespace
}  // namespace p2p::images
