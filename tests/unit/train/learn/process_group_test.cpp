#include "learn/process_group.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>

#include "support/expect_error.hpp"
#include "support/variable.hpp"
#include "unit/train/learn/thread_group.hpp"

namespace p2p::learn {
namespace {

TEST(ProcessGroup, AloneIsTheFirstOfOneAndItsOwnSum) {
  const auto group = alone();
  EXPECT_EQ(group->rank(), 0);
  EXPECT_EQ(group->size(), 1);
  EXPECT_TRUE(at::equal(group->sum(at::arange(3)), at::arange(3)));
}

TEST(ProcessGroup, FollowsTheTensorOfTheFirstBitForBit) {
  const at::Tensor first =
      at::tensor({-0.0F, 1e-42F, -std::numeric_limits<float>::infinity(), 1.0F / 3});
  test::run_together(3, [&](const ProcessGroup& group) {
    const at::Tensor own = group.rank() == 0 ? first : at::full({4}, group.rank(), at::kFloat);
    EXPECT_TRUE(at::equal(group.of_first(own).view(at::kInt), first.view(at::kInt)));
  });
}

TEST(ProcessGroup, FollowsTheTextOfTheFirst) {
  for (const std::string text : {"", "resnet20 of \xc3\xbc"}) {
    test::run_together(2, [&](const ProcessGroup& group) {
      EXPECT_EQ(group.of_first(group.rank() == 0 ? text : std::string("something else")), text);
    });
  }
}

/// The variables that name a group, none of them set.
class Environment : public testing::Test {
 protected:
  test::Variable rank_{"RANK", std::nullopt};
  test::Variable size_{"WORLD_SIZE", std::nullopt};
  test::Variable address_{"MASTER_ADDR", std::nullopt};
  test::Variable port_{"MASTER_PORT", std::nullopt};
  test::Variable mpi_rank_{"OMPI_COMM_WORLD_RANK", std::nullopt};
  test::Variable mpi_size_{"OMPI_COMM_WORLD_SIZE", std::nullopt};
};

TEST_F(Environment, OfNoGroupIsAlone) { EXPECT_EQ(join_process_group()->size(), 1); }

TEST_F(Environment, OfAGroupOfOneIsAlone) {
  const test::Variable rank("RANK", "0");
  const test::Variable size("WORLD_SIZE", "1");
  EXPECT_EQ(join_process_group()->size(), 1);
}

TEST_F(Environment, ThatSaysHalfIsRefused) {
  const test::Variable rank("RANK", "0");
  test::expect_usage({"RANK", "WORLD_SIZE"}, [] { join_process_group(); });
}

TEST_F(Environment, OfAProcessBeyondTheGroupIsRefused) {
  const test::Variable rank("OMPI_COMM_WORLD_RANK", "2");
  const test::Variable size("OMPI_COMM_WORLD_SIZE", "2");
  test::expect_usage({"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                     [] { join_process_group(); });
}

TEST_F(Environment, OfNoNumberIsRefused) {
  const test::Variable size("WORLD_SIZE", "2");
  for (const char* text : {"first", "-1", "1x"}) {
    const test::Variable rank("RANK", text);
    test::expect_usage({"RANK", text, "expected a number"}, [] { join_process_group(); });
  }
}

TEST_F(Environment, WithoutAPlaceToMeetIsRefused) {
  const test::Variable rank("RANK", "0");
  const test::Variable size("WORLD_SIZE", "2");
  test::expect_usage({"2 processes are to train together"}, [] { join_process_group(); });
}

}  // namespace
}  // namespace p2p::learn
