#include "kernels/target.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "kernels/kernels.hpp"
#include "p2p/error.hpp"

namespace p2p::kernels {
namespace {

using ::testing::HasSubstr;

class Target : public ::testing::Test {
 protected:
  void TearDown() override {
    unsetenv("P2P_FORCE_TARGET");
    select_target();
  }
};

TEST_F(Target, IsTheBestOneWhenNoneIsForced) {
  unsetenv("P2P_FORCE_TARGET");
  EXPECT_EQ(select_target(), available_targets().front());
}

TEST_F(Target, ScalarIsAlwaysAvailableAndUsesTheReference) {
  setenv("P2P_FORCE_TARGET", "scalar", 1);
  EXPECT_STREQ(select_target(), "scalar");
  EXPECT_TRUE(use_scalar());
}

TEST_F(Target, CanBeForcedBackFromScalar) {
  setenv("P2P_FORCE_TARGET", "scalar", 1);
  select_target();
  setenv("P2P_FORCE_TARGET", available_targets().front().c_str(), 1);
  EXPECT_EQ(select_target(), available_targets().front());
  EXPECT_EQ(use_scalar(), available_targets().front() == "scalar");
}

TEST_F(Target, UnknownNameIsAUsageErrorThatListsTheOthers) {
  setenv("P2P_FORCE_TARGET", "MMX", 1);
  try {
    select_target();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("'MMX'"));
    for (const auto& name : available_targets()) EXPECT_THAT(error.what(), HasSubstr(name));
  }
}

}  // namespace
}  // namespace p2p::kernels
