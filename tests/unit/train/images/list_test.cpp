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

using Labels = std::vector<std::int32_t>;

class ImageLists : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_.path("data/with blanks"));
    std::filesystem::create_directories(folder_.path("lists"));
    image("data/a.png", 1);
    image("data/with blanks/b.png", 2);
    list("train.txt", "data/a.png 0\ndata/with blanks/b.png 1\n");
    list("test.txt", "data/with blanks/b.png\t1\r\ndata/a.png  0\r\n\n");
  }
  void image(const std::string& name, int red) {
    test::write_file(folder_.path(name), test::flat_png(2, 2, red, 0, 0));
  }
  void list(const std::string& name, const std::string& lines) {
    test::write_file(folder_.path(name), lines);
  }
  [[nodiscard]] std::string both() const {
    return folder_.path("train.txt") + "," + folder_.path("test.txt");
  }
  void expect_refused(std::initializer_list<const char*> parts) {
    test::expect_bad_data(parts, [&] { open_images(both(), {}); });
  }

  test::OutputFolder folder_;
};

int red(const ImageSet& set, std::int64_t row) {
  std::vector<std::uint8_t> pixels(set.shape().bytes());
  set.read(row, pixels.data());
  return pixels[0];
}

TEST_F(ImageLists, LabelIsTheLastFieldAndPathsAreRelativeToTheList) {
  const Images images = open_images(both(), {});
  EXPECT_EQ(images.kind, "list");
  EXPECT_EQ(images.classes, (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(images.train->labels(), (Labels{0, 1}));
  EXPECT_EQ(red(*images.train, 1), 2);
  EXPECT_EQ(images.test->labels(), (Labels{1, 0}));
  EXPECT_EQ(red(*images.test, 1), 1);
}

TEST_F(ImageLists, PathsMayStartFromARoot) {
  list("lists/train.txt", "a.png 0\nwith blanks/b.png 1\n");
  list("lists/test.txt", "a.png 1\n");
  const std::string lists = folder_.path("lists/train.txt") + "," + folder_.path("lists/test.txt");
  EXPECT_EQ(red(*open_images(lists + "," + folder_.path("data"), {}).train, 1), 2);
  test::expect_bad_data({"nowhere", "not a folder"},
                        [&] { open_images(lists + "," + folder_.path("nowhere"), {}); });
}

TEST_F(ImageLists, SingleListIsATestPart) {
  const Images images = open_images(folder_.path("test.txt"), {});
  EXPECT_EQ(images.train, nullptr);
  EXPECT_EQ(images.test->rows(), 2);
}

TEST_F(ImageLists, LabelThatIsNoClassIsNamedWithItsLine) {
  for (const char* label : {"-1", "1.0", "x", "1048576", "99999999999999999999"}) {
    list("train.txt", std::string("data/a.png 0\ndata/a.png ") + label + "\n");
    expect_refused({"train.txt:2", label, "from 0 to 1048575"});
  }
}

TEST_F(ImageLists, TestLabelThatTrainingLacksIsNamedWithItsLine) {
  list("test.txt", "data/a.png 0\ndata/a.png 2\n");
  expect_refused({"test.txt:2", "'2'", "from 0 to 1"});
}

TEST_F(ImageLists, LineWithoutLabelIsNamed) {
  list("train.txt", "data/a.png 0\ndata/a.png\n");
  expect_refused({"train.txt:2", "'data/a.png'", "label"});
}

TEST_F(ImageLists, ClassWithoutTrainingImageIsNamed) {
  list("train.txt", "data/a.png 0\ndata/a.png 3\ndata/a.png 1\n");
  expect_refused({"train.txt", "no image of class 2", "class 3"});
  list("train.txt", "data/a.png 0\ndata/a.png 1000000\n");
  expect_refused({"train.txt", "no image of class 1,", "class 1000000"});
}

TEST_F(ImageLists, OneClassIsNotEnough) {
  list("train.txt", "data/a.png 0\n");
  expect_refused({"train.txt", "one class only"});
}

TEST_F(ImageLists, EmptyListIsRefused) {
  list("train.txt", "");
  expect_refused({"train.txt", "is empty"});
}

TEST_F(ImageLists, MissingImagesCountAsUnreadable) {
  list("train.txt", "data/a.png 0\ndata/gone.png 1\ndata/a.png 1\n");
  expect_refused({"1 of 3 training images", "gone.png", "does not exist", "--skip-bad"});
  EXPECT_EQ(open_images(both(), {.skip_bad = 0.4}).skipped,
            (std::vector<std::string>{folder_.path("data/gone.png")}));
}

TEST_F(ImageLists, MissingListIsNamed) {
  test::expect_bad_data({"none.txt", "does not exist"},
                        [&] { open_images(folder_.path("none.txt"), {}); });
}

/// Lists that name the same few files often: at 1,024 pixels a side, 3 MiB each, more than is kept.
class LargeLists : public ImageLists {
 protected:
  void SetUp() override {
    ImageLists::SetUp();
    std::string lines = "data/with blanks/b.png 1\ndata/c.png 0\n";
    for (int i = 0; i < 700; ++i) lines += "data/a.png 0\n";
    list("train.txt", lines);
    image("data/c.png", 3);
  }
  const OpenOptions options_ = {.resize = 1024, .threads = 2};
};

TEST_F(LargeLists, AreDecodedWhenTheyAreRead) {
  const Images images = open_images(both(), options_);
  EXPECT_EQ(red(*images.train, 1), 3);
  image("data/c.png", 4);
  EXPECT_EQ(red(*images.train, 1), 4);
  std::filesystem::remove(folder_.path("data/c.png"));
  test::expect_bad_data({"data/c.png", "does not exist", "--skip-bad"},
                        [&] { red(*images.train, 1); });
}

TEST_F(LargeLists, HeadersAreReadWhenTheyAreOpened) {
  list("data/c.png", "no image");
  test::expect_bad_data({"1 of 702 training images", "data/c.png"},
                        [&] { open_images(both(), options_); });
}

TEST_F(LargeLists, AreDecodedOnceToFindWhatMayBeSkipped) {
  const std::string whole = test::flat_png(2, 2, 3, 0, 0);
  list("data/c.png", whole.substr(0, whole.size() - 20));
  OpenOptions skipping = options_;
  skipping.skip_bad = 0.01;
  const Images images = open_images(both(), skipping);
  EXPECT_EQ(images.skipped, (std::vector<std::string>{folder_.path("data/c.png")}));
  EXPECT_EQ(images.train->rows(), 701);
  EXPECT_EQ(red(*images.train, 0), 2);
  EXPECT_EQ(red(*images.train, 1), 1);
}

}  // namespace
}  // namespace p2p::images
