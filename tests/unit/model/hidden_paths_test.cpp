#include "model/hidden_paths.hpp"

#include <gtest/gtest.h>

namespace p2p::model {
namespace {

TEST(HiddenPaths, AreNamedInsteadInQuotesAndWithout) {
  EXPECT_EQ(without_paths("'/t/.x' is bad: read of /t/.x failed", {{"/t/.x", "'new.onnx'"}}),
            "'new.onnx' is bad: read of 'new.onnx' failed");
}

TEST(HiddenPaths, AreInNoErrorAndItsCodeStays) {
  try {
    naming({{"/t/.x", "it"}}, [] { throw_usage("'/t/.x' is a stream"); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "it is a stream");
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
  }
}

TEST(HiddenPaths, LetResultsThrough) {
  EXPECT_EQ(naming({}, [] { return 3; }), 3);
}

}  // namespace
}  // namespace p2p::model
