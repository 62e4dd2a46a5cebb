#include "learn/batches.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "unit/train/learn/image_sets.hpp"
#include "unit/train/learn/tensors.hpp"

namespace p2p::learn {
namespace {

using Set = std::shared_ptr<const images::ImageSet>;

std::vector<Batch> rest_of_epoch(Batches& batches) {
  std::vector<Batch> all;
  for (std::int64_t step = 0; step < batches.steps(); ++step) all.push_back(batches.next());
  return all;
}

std::vector<Batch> epoch_of(const Set& set, const BatchOptions& options, int epoch,
                            const char* augmentation = "none") {
  const auto batches = host_batches(set, augmentation, options, at::kCPU);
  batches->start(epoch);
  return rest_of_epoch(*batches);
}

/// Rows of numbered_rows().
std::vector<std::int64_t> rows_in(const std::vector<Batch>& batches) {
  std::vector<std::int64_t> rows;
  for (const Batch& batch : batches) {
    for (std::int64_t i = 0; i < batch.images.size(0); ++i) {
      rows.push_back(batch.images[i].flatten()[0].item<std::int64_t>());
    }
  }
  return rows;
}

TEST(Batches, MeetEveryRowOnceWithItsLabel) {
  const auto batches = epoch_of(test::numbered_rows(23), {.batch = 4}, 0);
  const std::vector<std::int64_t> rows = rows_in(batches);
  EXPECT_EQ(rows.size(), 23);
  EXPECT_EQ(std::set(rows.begin(), rows.end()).size(), 23);
  for (const Batch& batch : batches) {
    const at::Tensor first_pixels = batch.images.flatten(1).select(1, 0).to(at::kLong);
    EXPECT_TRUE(at::equal(batch.labels, first_pixels % 5));
  }
}

TEST(Batches, EndInAShortOne) {
  const auto batches = epoch_of(test::numbered_rows(23), {.batch = 4}, 0);
  ASSERT_EQ(batches.size(), 6);
  for (std::size_t step = 0; step < 6; ++step) {
    EXPECT_EQ(batches[step].images.size(0), step < 5 ? 4 : 3);
    EXPECT_EQ(batches[step].all_rows, step < 5 ? 4 : 3);
  }
}

TEST(Batches, ComeInAnOrderOfSeedAndEpochAlone) {
  const Set set = test::numbered_rows(40);
  const auto order = rows_in(epoch_of(set, {.batch = 8, .seed = 3}, 2));
  EXPECT_EQ(rows_in(epoch_of(set, {.batch = 8, .seed = 3}, 2)), order);
  EXPECT_EQ(rows_in(epoch_of(set, {.batch = 5, .seed = 3}, 2)), order);
  EXPECT_NE(rows_in(epoch_of(set, {.batch = 8, .seed = 3}, 1)), order);
  EXPECT_NE(rows_in(epoch_of(set, {.batch = 8, .seed = 4}, 2)), order);
}

TEST(Batches, OfAnEpochDoNotDependOnThoseBefore) {
  const Set set = test::numbered_rows(40);
  const auto batches = host_batches(set, "none", {.batch = 8, .seed = 3}, at::kCPU);
  batches->start(0);
  batches->next();
  batches->start(1);
  EXPECT_EQ(rows_in(rest_of_epoch(*batches)), rows_in(epoch_of(set, {.batch = 8, .seed = 3}, 1)));
}

TEST(Batches, OfTwoProcessesAreTogetherThoseOfOneOfTwiceTheSize) {
  const Set set = test::coloured_noise(23);
  const auto one = epoch_of(set, {.batch = 8, .seed = 1}, 0, "crop-flip");
  std::vector<std::vector<Batch>> two;
  for (const int rank : {0, 1}) {
    two.push_back(
        epoch_of(set, {.batch = 4, .seed = 1, .rank = rank, .processes = 2}, 0, "crop-flip"));
    ASSERT_EQ(two.back().size(), one.size());
  }
  for (std::size_t step = 0; step < one.size(); ++step) {
    const Batch& first = two[0][step];
    const Batch& second = two[1][step];
    EXPECT_TRUE(at::equal(at::cat({first.images, second.images}), one[step].images)) << step;
    EXPECT_TRUE(at::equal(at::cat({first.labels, second.labels}), one[step].labels)) << step;
    EXPECT_EQ(first.all_rows, one[step].all_rows);
    EXPECT_EQ(second.all_rows, one[step].all_rows);
  }
}

// Large enough for the work to be shared by threads.
TEST(Batches, AreAugmentedAlikeByAnyNumberOfThreads) {
  const Set set = test::coloured_noise(7, 72);
  const auto one = epoch_of(set, {.batch = 7, .threads = 1}, 0, "autoaugment");
  const auto three = epoch_of(set, {.batch = 7, .threads = 3}, 0, "autoaugment");
  EXPECT_TRUE(at::equal(one[0].images, three[0].images));
  EXPECT_TRUE(at::equal(one[0].labels, three[0].labels));
}

TEST(Batches, AugmentARowAnewInEveryEpoch) {
  const Set set = test::coloured_noise(1);
  std::set<std::string> seen;
  for (int epoch = 0; epoch < 20; ++epoch) {
    const at::Tensor image = epoch_of(set, {}, epoch, "crop-flip")[0].images.contiguous();
    seen.emplace(static_cast<const char*>(image.data_ptr()),
                 static_cast<std::size_t>(image.numel()));
  }
  EXPECT_GT(seen.size(), 8);  // of 3 * 3 windows, mirrored or not
}

class Unreadable final : public images::ImageSet {
 public:
  Unreadable() {
    shape_ = {1, 2, 2};
    labels_.assign(5, 0);
  }
  void read(std::int64_t /*row*/, std::uint8_t* /*pixels*/) const override {
    throw std::runtime_error("cat.png cannot be read");
  }
};

TEST(Batches, TellWhatCouldNotBeRead) {
  EXPECT_THROW(epoch_of(std::make_shared<Unreadable>(), {}, 0), std::runtime_error);
}

TEST(Mixup, IsNoneWithoutItsNumber) {
  for (const Batch& batch : epoch_of(test::numbered_rows(10), {.batch = 4}, 0)) {
    EXPECT_EQ(batch.share, 1);
    EXPECT_FALSE(batch.partners.defined());
  }
}

TEST(Mixup, GivesEveryRowOfABatchAPartnerWhichIsNobodyElses) {
  const auto batches = epoch_of(test::numbered_rows(23), {.batch = 8, .mixup = 1}, 0);
  for (const Batch& batch : batches) {
    const auto [sorted, order] = batch.partners.sort();
    EXPECT_TRUE(at::equal(sorted, at::arange(batch.labels.size(0))));
  }
  EXPECT_FALSE(at::equal(batches[0].partners, batches[1].partners));
}

TEST(Mixup, DrawsAShareForEveryStepTheSameInAllProcesses) {
  const Set set = test::numbered_rows(24);
  const auto shares = [&](int rank) {
    std::set<double> drawn;
    for (const Batch& batch :
         epoch_of(set, {.batch = 4, .mixup = 1, .rank = rank, .processes = 2}, 0)) {
      drawn.insert(batch.share);
    }
    return drawn;
  };
  EXPECT_EQ(shares(0).size(), 3);
  EXPECT_EQ(shares(0), shares(1));
}

TEST(Mixup, LeavesTheOrderOfRowsAsItIs) {
  const Set set = test::numbered_rows(24);
  EXPECT_EQ(rows_in(epoch_of(set, {.batch = 8, .mixup = 0.2}, 0)),
            rows_in(epoch_of(set, {.batch = 8}, 0)));
}

/// Grey or in colour, and not square.
Set noise(int channels) {
  const images::ImageShape shape{channels, 16, 24};
  images::Random random{2};
  std::vector<std::uint8_t> pixels(23 * shape.bytes());
  for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(random.below(256));
  std::vector<std::int32_t> labels(23);
  for (std::int32_t& label : labels) label = static_cast<std::int32_t>(random.below(3));
  return images::keep_pixels(shape, std::move(pixels), std::move(labels));
}

void expect_same(const Batch& a, const Batch& b) {
  EXPECT_TRUE(at::equal(a.images, b.images));
  EXPECT_TRUE(at::equal(a.labels, b.labels));
  EXPECT_EQ(a.all_rows, b.all_rows);
  EXPECT_EQ(a.share, b.share);
  ASSERT_EQ(a.partners.defined(), b.partners.defined());
  if (!a.partners.defined()) return;
  EXPECT_TRUE(at::equal(a.partners, b.partners));
}

struct ResidentCase {
  std::string name;
  int channels;
  const char* augmentation;
  BatchOptions options;
};

class ResidentBatches : public testing::TestWithParam<ResidentCase> {};
INSTANTIATE_TEST_SUITE_P(
    Of, ResidentBatches,
    testing::Values(ResidentCase{"PlainColour", 3, "none", {.batch = 4, .seed = 7}},
                    ResidentCase{
                        "WindowsOfGrey", 1, "crop-flip", {.batch = 4, .mixup = 1, .seed = 7}},
                    ResidentCase{"WindowsOfTheSecondProcess",
                                 3,
                                 "crop-flip",
                                 {.batch = 4, .mixup = 1, .seed = 7, .rank = 1, .processes = 2}}),
    [](const auto& info) { return info.param.name; });

TEST_P(ResidentBatches, AreThoseOfTheHost) {
  const auto& [name, channels, augmentation, options] = GetParam();
  const Set set = noise(channels);
  const auto resident = resident_batches(*set, augmentation, options, at::kCPU);
  ASSERT_TRUE(resident);
  for (const int epoch : {0, 3}) {
    resident->start(epoch);
    const auto found = rest_of_epoch(*resident);
    const auto expected = epoch_of(set, options, epoch, augmentation);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t step = 0; step < found.size(); ++step) {
      expect_same(found[step], expected[step]);
    }
  }
}

class Huge final : public images::ImageSet {
 public:
  Huge() {
    shape_ = {3, 1 << 15, 1 << 15};
    labels_.assign(1, 0);
  }
  void read(std::int64_t /*row*/, std::uint8_t* /*pixels*/) const override {}
};

TEST(ResidentBatchesOf, SetsThatAreTooLargeOrNeedTheHostAreNone) {
  EXPECT_FALSE(resident_batches(Huge(), "none", {}, at::kCPU));
  EXPECT_FALSE(resident_batches(*test::coloured_noise(4), "autoaugment", {}, at::kCPU));
  EXPECT_FALSE(resident_batches(*test::coloured_noise(4, 72), "crop-flip", {}, at::kCPU));
  EXPECT_TRUE(resident_batches(*test::coloured_noise(4, 72), "none", {}, at::kCPU));
}

TEST(ReadImages, GivesRowsAndLabelsInTheirOrder) {
  const Set set = test::numbered_rows(20);
  const at::Tensor images = read_images(*set, 7, 6, 3);
  EXPECT_EQ(images.sizes(), (at::IntArrayRef{6, 2, 2, 1}));
  EXPECT_TRUE(at::equal(images.flatten(1).select(1, 3).to(at::kLong), at::arange(7, 13)));
  EXPECT_TRUE(at::equal(read_labels(*set, 7, 6), at::arange(7, 13) % 5));
}

}  // namespace
}  // namespace p2p::learn
