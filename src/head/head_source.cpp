#include <fmt/format.h>

#include <cmath>
#include <utility>
#include <vector>

#include "head/product.hpp"
#include "kernels/kernels.hpp"
#include "p2p/error.hpp"
#include "p2p/linear_head.hpp"

namespace p2p {
namespace {

// The rows of another source as a head scores them.
class HeadSource final : public RowSource {
 public:
  HeadSource(std::unique_ptr<RowSource> features, std::shared_ptr<const LinearHead> head)
      : features_(std::move(features)), head_(std::move(head)) {
    if (features_->classes() == head_->width) return;
    throw_bad_data(fmt::format(
        "'{}' has features of width {}, but the head takes {}; use the head of the same network",
        features_->name(), features_->classes(), head_->width));
  }

  [[nodiscard]] std::int64_t rows() const override { return features_->rows(); }
  [[nodiscard]] std::int64_t classes() const override { return head_->classes; }
  [[nodiscard]] DType dtype() const override { return DType::kF32; }
  [[nodiscard]] const std::string& name() const override { return features_->name(); }
  [[nodiscard]] bool random_access() const override { return features_->random_access(); }
  [[nodiscard]] bool rewindable() const override { return features_->rewindable(); }
  [[nodiscard]] InputRecord record() override { return features_->record(); }

  void read(std::int64_t first, std::int64_t count, void* out) override {
    const DType dtype = features_->dtype();
    std::vector<std::byte> stored(static_cast<std::size_t>(count * head_->width) *
                                  item_size(dtype));
    features_->read(first, count, stored.data());
    std::vector<float> features(static_cast<std::size_t>(count * head_->width));
    kernels::convert(stored.data(), dtype, count * head_->width, features.data(), DType::kF32);
    for (std::size_t i = 0; i < features.size(); ++i) {
      if (std::isfinite(features[i])) continue;
      const auto width = static_cast<std::size_t>(head_->width);
      throw_bad_data(fmt::format(
          "'{}', row {}, feature {} (both counted from 0) is not finite; recompute the row", name(),
          first + static_cast<std::int64_t>(i / width), i % width));
    }
    head::MatrixView logits(static_cast<float*>(out), count, head_->classes);
    head::add_logits({features.data(), count, head_->width},
                     {head_->weights.data(), head_->classes, head_->width}, head_->bias.data(), 0,
                     head_->classes, logits);
  }

 private:
  std::unique_ptr<RowSource> features_;
  std::shared_ptr<const LinearHead> head_;
};

}  // namespace

ScoreSet head_scores(ScoreSet features, std::shared_ptr<const LinearHead> head) {
  std::vector<std::unique_ptr<RowSource>> sources;
  for (std::unique_ptr<RowSource>& source : std::move(features).take_sources()) {
    sources.push_back(std::make_unique<HeadSource>(std::move(source), head));
  }
  return ScoreSet(std::move(sources));
}

}  // namespace p2p
