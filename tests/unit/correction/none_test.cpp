#include <gtest/gtest.h>

#include "p2p/correction.hpp"
#include "support/stated_prior.hpp"

namespace p2p {
namespace {

using test::prior_of;

TEST(None, IsTheIdentityWhateverTheTarget) {
  CorrectionOptions options;
  options.method = Method::kNone;
  options.target = {5, 1, 0};
  EXPECT_TRUE(make_correction(prior_of({0.7, 0.2, 0.1}), options).offset.is_identity());
}

}  // namespace
}  // namespace p2p
