#include "io/base64.hpp"

#include <gmock/gmock.h>

namespace p2p::io {
namespace {

using testing::Optional;

TEST(Base64, WritesTheExamplesOfTheRfc) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foo"), "Zm9v");
  EXPECT_EQ(to_base64("foob"), "Zm9vYg==");
  EXPECT_EQ(to_base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
}

TEST(Base64, ReadsBackEveryByteAtEveryLength) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    EXPECT_THAT(from_base64(to_base64(bytes)), Optional(bytes));
    bytes += static_cast<char>(255 - i);
  }
}

TEST(Base64, UsesPlusAndSlash) { EXPECT_EQ(to_base64("\xFB\xFF\xFE"), "+//+"); }

TEST(Base64, RefusesALengthThatIsNoMultipleOf4) {
  EXPECT_EQ(from_base64("Zg="), std::nullopt);
  EXPECT_EQ(from_base64("Zg"), std::nullopt);
}

TEST(Base64, RefusesOtherCharacters) {
  EXPECT_EQ(from_base64("Zm9\n"), std::nullopt);
  EXPECT_EQ(from_base64("Zm-_"), std::nullopt);
  EXPECT_EQ(from_base64("Zm9\xC3"), std::nullopt);
}

TEST(Base64, RefusesPaddingBeforeTheEndAndTooMuchOfIt) {
  EXPECT_EQ(from_base64("Zg==Zm9v"), std::nullopt);
  EXPECT_EQ(from_base64("Z==="), std::nullopt);
  EXPECT_EQ(from_base64("===="), std::nullopt);
  EXPECT_EQ(from_base64("Zm=v"), std::nullopt);
}

TEST(Base64, RefusesBitsBehindTheLastByte) {
  EXPECT_EQ(from_base64("Zh=="), std::nullopt);
  EXPECT_EQ(from_base64("Zm9="), std::nullopt);
}

}  // namespace
}  // namespace p2p::io
