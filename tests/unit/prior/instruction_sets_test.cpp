#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"
#include "kernels/target.hpp"
#include "p2p/estimate.hpp"
#include "p2p/simd_target.hpp"
#include "support/matrices.hpp"
#include "support/naive_prior.hpp"

namespace p2p {
namespace {

class InstructionSets : public ::testing::TestWithParam<DType> {
 protected:
  void TearDown() override {
    unsetenv("P2P_FORCE_TARGET");
    kernels::select_target();
  }

  [[nodiscard]] ClassPrior prior_on(const std::string& target, int threads) const {
    setenv("P2P_FORCE_TARGET", target.c_str(), 1);
    kernels::select_target();
    ScoreSet set = test::scores(sample_.scores, 37, GetParam(), "a.npy");
    EstimateOptions options;
    options.threads = threads;
    return estimate_prior(set, nullptr, options).prior;
  }

 private:
  test::Sample sample_ = test::long_tailed_sample(static_cast<std::size_t>(kBlockRows) + 3,
                                                  std::vector<double>(37, 1.0 / 37));
};

TEST_P(InstructionSets, AgreeWithinTwiceTheBoundOfTheKernels) {
  const double bound =
      GetParam() == DType::kF64 ? kernels::kSoftmaxToleranceF64 : kernels::kSoftmaxTolerance;
  const ClassPrior scalar = prior_on("scalar", 1);
  for (const std::string& target : kernels::available_targets()) {
    const ClassPrior other = prior_on(target, 1);
    for (std::size_t c = 0; c < scalar.effective.size(); ++c) {
      EXPECT_NEAR(other.effective[c], scalar.effective[c], 2 * bound) << target << ", class " << c;
    }
  }
}

TEST_P(InstructionSets, GiveTheSameBytesForAnyNumberOfThreads) {
  for (const std::string& target : kernels::available_targets()) {
    EXPECT_EQ(write_prior(prior_on(target, 1)), write_prior(prior_on(target, 3))) << target;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, InstructionSets,
                         ::testing::Values(DType::kF16, DType::kBF16, DType::kF32, DType::kF64),
                         [](const auto& info) { return std::string(dtype_name(info.param)); });

}  // namespace
}  // namespace p2p
