#include "images/picture.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "support/expect_error.hpp"
#include "support/image_file.hpp"
#include "support/written_file.hpp"

namespace p2p::images {
namespace {

using test::big;
using test::expect_bad_data;
using test::flat_jpeg;
using test::flat_png;
using test::png;
using test::png_chunk;
using test::text_of;

class PictureFile : public testing::Test {
 protected:
  std::string write(const std::string& bytes, const std::string& name = "image") {
    test::write_file(folder_.path(name), bytes);
    return folder_.path(name);
  }
  std::vector<int> pixels(const std::string& bytes) {
    const Picture picture = read_picture(write(bytes));
    return {picture.pixels.begin(), picture.pixels.end()};
  }
  void expect_damaged(std::initializer_list<const char*> parts, const std::string& bytes) {
    const std::string path = write(bytes);
    expect_bad_data(parts, [&] { read_picture(path); });
  }

  test::OutputFolder folder_;
};

using Values = std::vector<int>;

TEST_F(PictureFile, PngInRgbIsReadAsItIs) {
  const std::string file = png({.width = 2,
                                .height = 2,
                                .rows = text_of({0, 1, 2, 3, 4, 5, 6,  //
                                                 0, 7, 8, 9, 10, 11, 12})});
  EXPECT_EQ(pixels(file), (Values{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
}

TEST_F(PictureFile, PngInGreyBecomesThreeEqualChannels) {
  EXPECT_EQ(pixels(png({.width = 2, .colour = 0, .rows = text_of({0, 7, 200})})),
            (Values{7, 7, 7, 200, 200, 200}));
}

TEST_F(PictureFile, PngOfOneBitIsBlackAndWhite) {
  EXPECT_EQ(pixels(png({.width = 2, .depth = 1, .colour = 0, .rows = text_of({0, 0x40})})),
            (Values{0, 0, 0, 255, 255, 255}));
}

TEST_F(PictureFile, PngWithAPaletteBecomesItsColours) {
  const std::string palette = png_chunk("PLTE", text_of({1, 2, 3, 40, 50, 60}));
  EXPECT_EQ(pixels(png({.width = 2, .colour = 3, .rows = text_of({0, 1, 0}), .before = palette})),
            (Values{40, 50, 60, 1, 2, 3}));
}

TEST_F(PictureFile, PngWithATransparentPaletteKeepsItsColours) {
  const std::string palette =
      png_chunk("PLTE", text_of({1, 2, 3, 40, 50, 60})) + png_chunk("tRNS", text_of({0}));
  EXPECT_EQ(pixels(png({.width = 2, .colour = 3, .rows = text_of({0, 1, 0}), .before = palette})),
            (Values{40, 50, 60, 1, 2, 3}));
}

TEST_F(PictureFile, PngOf16BitsIsRoundedToEight) {
  const std::string row = text_of({0}) + big(0xffff, 2) + big(0x8000, 2) + big(0x00ff, 2);
  EXPECT_EQ(pixels(png({.depth = 16, .rows = row})), (Values{255, 128, 1}));
}

TEST_F(PictureFile, PngLosesItsAlpha) {
  EXPECT_EQ(pixels(png({.colour = 6, .rows = text_of({0, 10, 20, 30, 0})})), (Values{10, 20, 30}));
  EXPECT_EQ(pixels(png({.colour = 4, .rows = text_of({0, 10, 128})})), (Values{10, 10, 10}));
}

TEST_F(PictureFile, PngMayDifferInGamma) {
  const std::string gamma = png_chunk("gAMA", big(100'000));
  EXPECT_EQ(pixels(png({.rows = text_of({0, 10, 20, 30}), .before = gamma})), (Values{10, 20, 30}));
}

TEST_F(PictureFile, PngMayBeInterlaced) {
  // Adam7 sends the pixel at (0, 0), then (1, 0), then the second row.
  const std::string passes = text_of({0, 1, 0, 2, 0, 3, 4});
  EXPECT_EQ(pixels(png({.width = 2, .height = 2, .colour = 0, .rows = passes, .interlaced = true})),
            (Values{1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4}));
}

TEST_F(PictureFile, JpegInColourAndInGreyBecomesRgb) {
  const Picture colour = read_picture(write(flat_jpeg(20, 10, {200, 100, 50})));
  EXPECT_EQ(colour.shape, (ImageShape{3, 10, 20}));
  for (std::size_t i = 0; i < colour.pixels.size(); ++i) {
    EXPECT_NEAR(colour.pixels[i], (Values{200, 100, 50}[i % 3]), 2);
  }
  const Picture grey = read_picture(write(flat_jpeg(20, 10, {77})));
  EXPECT_EQ(grey.shape, (ImageShape{3, 10, 20}));
  for (const int value : grey.pixels) EXPECT_NEAR(value, 77, 1);
}

TEST_F(PictureFile, IsToldByItsFirstBytesNotByItsName) {
  EXPECT_EQ(read_image_shape(write(flat_png(4, 3, 1, 2, 3), "a.jpg")), (ImageShape{3, 3, 4}));
}

TEST_F(PictureFile, ShapeIsKnownWithoutThePixels) {
  const std::string jpeg = flat_jpeg(640, 480, {1, 2, 3});
  const std::string cut = write(jpeg.substr(0, jpeg.size() / 2));
  EXPECT_EQ(read_image_shape(cut), (ImageShape{3, 480, 640}));
  expect_bad_data({"image", "damaged JPEG"}, [&] { read_picture(cut); });
}

TEST_F(PictureFile, ShapeIsFoundBehindALongHeader) {
  const std::string jpeg = flat_jpeg(20, 10, {1, 2, 3});
  const std::string comment = "\xff\xfe" + big(60'000, 2) + std::string(59'998, 'c');
  EXPECT_EQ(read_image_shape(write(jpeg.substr(0, 2) + comment + jpeg.substr(2))),
            (ImageShape{3, 10, 20}));
}

TEST_F(PictureFile, JpegThatWillBeShrunkIsDecodedSmaller) {
  const std::string path = write(flat_jpeg(256, 128, {200, 100, 50}));
  EXPECT_EQ(read_picture(path, 8).shape, (ImageShape{3, 16, 32}));
  EXPECT_EQ(read_picture(path, 16).shape, (ImageShape{3, 32, 64}));
  EXPECT_EQ(read_picture(path, 17).shape, (ImageShape{3, 64, 128}));
  EXPECT_EQ(read_picture(path, 65).shape, (ImageShape{3, 128, 256}));
}

TEST_F(PictureFile, StrayBytesBetweenThePartsOfAJpegDoNoHarm) {
  const std::string jpeg = flat_jpeg(16, 16, {77});
  const std::size_t after_jfif = 2 + 2 + 16;
  const std::string stray =
      jpeg.substr(0, after_jfif) + text_of({0x12, 0x34}) + jpeg.substr(after_jfif);
  EXPECT_NEAR(read_picture(write(stray)).pixels[0], 77, 1);
}

TEST_F(PictureFile, DamageIsNamed) {
  expect_damaged({"image", "is empty"}, "");
  expect_damaged({"image", "not a JPEG or PNG file"}, "GIF89a");
  const std::string picture = flat_png(4, 4, 1, 2, 3);
  expect_damaged({"image", "damaged PNG", "not complete"}, picture.substr(0, picture.size() - 20));
  std::string flipped = picture;
  flipped[picture.size() - 14] = static_cast<char>(flipped[picture.size() - 14] ^ 1);
  expect_damaged({"image", "damaged PNG", "CRC"}, flipped);
}

TEST_F(PictureFile, JpegInCmykBecomesRgb) {
  // libjpeg marks it as Adobe's, which store light; the lossy coding costs up to 2 levels.
  std::string jpeg = flat_jpeg(8, 8, {55, 155, 205, 102});
  const Picture light = read_picture(write(jpeg));
  EXPECT_EQ(light.shape, (ImageShape{3, 8, 8}));
  EXPECT_NEAR(light.pixels[0], 22, 2);  // 55 * 102 / 255
  EXPECT_NEAR(light.pixels[1], 62, 2);
  EXPECT_NEAR(light.pixels[2], 82, 2);
  jpeg.replace(jpeg.find("Adobe"), 5, "Other");
  const Picture ink = read_picture(write(jpeg));
  EXPECT_NEAR(ink.pixels[0], 120, 2);  // (255 - 55) (255 - 102) / 255
  EXPECT_NEAR(ink.pixels[2], 30, 2);
}

TEST_F(PictureFile, HugeSizesAreRefusedBeforeMemoryIsTaken) {
  expect_damaged({"image", "200000 x 200000 pixels"},
                 png({.width = 200'000, .height = 200'000, .rows = "x"}));
  std::string jpeg = flat_jpeg(8, 8, {77});
  const std::size_t frame = jpeg.find("\xff\xc0");
  jpeg.replace(frame + 5, 4, big(65'000, 2) + big(65'000, 2));
  expect_damaged({"image", "65000 x 65000 pixels"}, jpeg);
}

TEST_F(PictureFile, MissingFileIsNamed) {
  expect_bad_data({"none.png", "does not exist"}, [&] { read_picture(folder_.path("none.png")); });
}

}  // namespace
}  // namespace p2p::images
