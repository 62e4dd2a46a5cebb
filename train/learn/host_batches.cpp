#include <ATen/ATen.h>

#include <algorithm>
#include <future>
#include <utility>
#include <vector>

#include "images/augment.hpp"
#include "learn/batches.hpp"
#include "p2p/parallel.hpp"

namespace p2p::learn {
namespace {

at::Tensor empty_images(const images::ImageShape& shape, std::int64_t rows, bool pinned = false) {
  return at::empty({rows, shape.height, shape.width, shape.channels},
                   at::TensorOptions(at::kByte).pinned_memory(pinned));
}

class HostBatches final : public Batches {
 public:
  HostBatches(std::shared_ptr<const images::ImageSet> set, const std::string& augmentation,
              const BatchOptions& options, at::Device device)
      : set_(std::move(set)),
        augmentation_(images::make_augmentation(augmentation, set_->shape())),
        plan_(set_->rows(), options),
        threads_(options.threads),
        device_(device) {}

  [[nodiscard]] std::int64_t steps() const override { return plan_.steps(); }

  void start(int epoch) override {
    ahead_ = {};
    step_ = 0;
    plan_.start(epoch);
  }

  Batch next() override {
    if (!ahead_.valid()) ahead_ = make_ahead();
    Batch batch = ahead_.get();
    if (++step_ < steps()) ahead_ = make_ahead();
    for (at::Tensor* tensor : {&batch.images, &batch.labels, &batch.partners}) {
      if (tensor->defined()) *tensor = tensor->to(device_, /*non_blocking=*/true);
    }
    return batch;
  }

 private:
  // The thread leaves the device alone: a GPU that records takes no calls beside it.
  std::future<Batch> make_ahead() {
    StepPlan plan = plan_.step(step_);
    const at::TensorOptions integers = at::TensorOptions(at::kLong).pinned_memory(is_pinned());
    const std::int64_t partners = plan.partners.empty() ? 0 : plan.count;
    Batch batch{.images = empty_images(set_->shape(), plan.count, is_pinned()),
                .labels = at::empty({plan.count}, integers),
                .all_rows = plan.all_rows,
                .share = plan.share,
                .partners = partners > 0 ? at::empty({partners}, integers) : at::Tensor()};
    return std::async(std::launch::async, [this, plan = std::move(plan), batch = std::move(batch)] {
      fill(plan, batch);
      return batch;
    });
  }

  void fill(const StepPlan& plan, const Batch& batch) const {
    const images::ImageShape& shape = set_->shape();
    auto* bytes = batch.images.data_ptr<std::uint8_t>();
    auto* labels = batch.labels.data_ptr<std::int64_t>();
    constexpr std::size_t kLittle = 64 * 64 * 3;  // threads cost more than they save
    const int threads = shape.bytes() <= kLittle ? 1 : threads_;
    std::vector<std::vector<std::uint8_t>> plain(static_cast<std::size_t>(threads),
                                                 std::vector<std::uint8_t>(shape.bytes()));
    parallel_for(plan.count, threads, [&](int worker, std::int64_t i) {
      const std::int64_t row = plan_.order()[static_cast<std::size_t>(plan.first + i)];
      std::uint8_t* pixels = plain[static_cast<std::size_t>(worker)].data();
      set_->read(row, pixels);
      images::Random random = plan_.augmentation(row);
      augmentation_->apply(shape, pixels, random,
                           bytes + static_cast<std::size_t>(i) * shape.bytes());
      labels[i] = set_->labels()[static_cast<std::size_t>(row)];
    });
    if (batch.partners.defined()) {
      std::ranges::copy(plan.partners, batch.partners.data_ptr<std::int64_t>());
    }
  }

  // A GPU copies pinned memory while the program goes on.
  [[nodiscard]] bool is_pinned() const { return device_.is_cuda(); }

  std::shared_ptr<const images::ImageSet> set_;
  std::unique_ptr<const images::Augmentation> augmentation_;
  BatchPlan plan_;
  int threads_;
  at::Device device_;
  std::int64_t step_ = 0;
  std::future<Batch> ahead_;  ///< last, so that its thread ends before what it reads
};

}  // namespace

std::unique_ptr<Batches> host_batches(std::shared_ptr<const images::ImageSet> set,
                                      const std::string& augmentation, const BatchOptions& options,
                                      at::Device device) {
  return std::make_unique<HostBatches>(std::move(set), augmentation, options, device);
}

at::Tensor read_images(const images::ImageSet& set, std::int64_t first, std::int64_t count,
                       int threads) {
  at::Tensor result = empty_images(set.shape(), count);
  auto* bytes = result.data_ptr<std::uint8_t>();
  const std::size_t size = set.shape().bytes();
  parallel_for(count, threads, [&](int, std::int64_t i) {
    set.read(first + i, bytes + static_cast<std::size_t>(i) * size);
  });
  return result;
}

at::Tensor read_labels(const images::ImageSet& set, std::int64_t first, std::int64_t count) {
  const auto begin = set.labels().begin() + first;
  return at::tensor(std::vector<std::int64_t>(begin, begin + count), at::kLong);
}

}  // namespace p2p::learn
