#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "images/augment.hpp"
#include "images/pixel_set.hpp"
#include "learn/batches.hpp"

namespace p2p::learn {
namespace {

/// The windows of rows of `pixels`, bytes [M, H, W, channels]: of row rows[i], int64 [N], that
/// which begins at windows[i] = {top, left}, int64 [N, 3], black beyond the image, and is mirrored
/// where windows[i][2] is 1.
at::Tensor cut_windows(const at::Tensor& pixels, const at::Tensor& rows,
                       const at::Tensor& windows) {
  const std::int64_t height = pixels.size(1);
  const std::int64_t width = pixels.size(2);
  const auto from = [&](std::int64_t axis) { return windows.select(1, axis).unsqueeze(1); };
  const at::Tensor right = at::arange(width, rows.options()).unsqueeze(0);
  const at::Tensor y = at::arange(height, rows.options()).unsqueeze(0) + from(0);
  const at::Tensor x = at::where(from(2) == 1, width - 1 - right, right) + from(1);
  const at::Tensor inside = at::logical_and(at::logical_and(y >= 0, y < height).unsqueeze(2),
                                            at::logical_and(x >= 0, x < width).unsqueeze(1));
  const at::Tensor lines = rows.unsqueeze(1) * height + y.clamp(0, height - 1);
  const at::Tensor places = lines.unsqueeze(2) * width + x.clamp(0, width - 1).unsqueeze(1);
  return pixels.flatten(0, 2)
      .index_select(0, places.flatten())
      .view({rows.size(0), height, width, pixels.size(3)})
      .mul_(inside.unsqueeze(3));
}

/// In pieces: the host holds no second copy.
at::Tensor upload(const images::ImageSet& set, int threads, at::Device device) {
  constexpr std::int64_t kPiece = 4096;
  const images::ImageShape& shape = set.shape();
  const at::Tensor pixels = at::empty({set.rows(), shape.height, shape.width, shape.channels},
                                      at::TensorOptions(at::kByte).device(device));
  for (std::int64_t first = 0; first < set.rows(); first += kPiece) {
    const std::int64_t count = std::min(kPiece, set.rows() - first);
    pixels.slice(0, first, first + count).copy_(read_images(set, first, count, threads));
  }
  return pixels;
}

class ResidentBatches final : public Batches {
 public:
  ResidentBatches(const images::ImageSet& set, bool windows, const BatchOptions& options,
                  at::Device device)
      : shape_(set.shape()),
        has_windows_(windows),
        mixes_(options.mixup > 0),
        plan_(set.rows(), options),
        pixels_(upload(set, options.threads, device)),
        labels_(read_labels(set, 0, set.rows()).to(device)) {}

  [[nodiscard]] std::int64_t steps() const override { return plan_.steps(); }

  // What an epoch draws goes to the device at once: a copy waits for what the device has to do.
  void start(int epoch) override {
    step_ = 0;
    plan_.start(epoch);
    rows_ = on_device(plan_.order());
    if (has_windows_) windows_ = on_device(draw_windows()).view({-1, 3});
    if (mixes_) partners_ = on_device(draw_partners());
  }

  Batch next() override {
    const StepPlan plan = plan_.step(step_++);
    const auto own = [&](const at::Tensor& all) {
      return all.slice(0, plan.first, plan.first + plan.count);
    };
    const at::Tensor rows = own(rows_);
    return {.images = has_windows_ ? cut_windows(pixels_, rows, own(windows_))
                                   : pixels_.index_select(0, rows),
            .labels = labels_.index_select(0, rows),
            .all_rows = plan.all_rows,
            .share = plan.share,
            .partners = mixes_ ? own(partners_) : at::Tensor()};
  }

 private:
  [[nodiscard]] at::Tensor on_device(const std::vector<std::int64_t>& values) const {
    return at::tensor(values, at::kLong).to(pixels_.device());
  }

  [[nodiscard]] std::vector<std::int64_t> draw_partners() const {
    std::vector<std::int64_t> partners(plan_.order().size());
    for (std::int64_t step = 0; step < steps(); ++step) {
      const StepPlan plan = plan_.step(step);
      std::ranges::copy(plan.partners, partners.begin() + plan.first);
    }
    return partners;
  }

  [[nodiscard]] std::vector<std::int64_t> draw_windows() const {
    std::vector<std::int64_t> windows;
    windows.reserve(3 * plan_.order().size());
    for (const std::int64_t row : plan_.order()) {
      images::Random random = plan_.augmentation(row);
      const images::Window window = images::draw_window(shape_, random);
      windows.insert(windows.end(), {window.top, window.left, window.mirrored ? 1 : 0});
    }
    return windows;
  }

  images::ImageShape shape_;
  bool has_windows_;
  bool mixes_;
  BatchPlan plan_;
  at::Tensor pixels_, labels_;
  at::Tensor rows_, windows_, partners_;  ///< in the epoch's order
  std::int64_t step_ = 0;
};

}  // namespace

std::unique_ptr<Batches> resident_batches(const images::ImageSet& set,
                                          const std::string& augmentation,
                                          const BatchOptions& options, at::Device device) {
  const bool windows = augmentation == "crop-flip" && images::is_small(set.shape());
  if (!windows && augmentation != "none") return nullptr;
  if (static_cast<std::uint64_t>(set.rows()) * set.shape().bytes() > images::kMostPixelBytes) {
    return nullptr;
  }
  try {
    return std::make_unique<ResidentBatches>(set, windows, options, device);
  } catch (const c10::OutOfMemoryError&) {
    return nullptr;
  }
}

}  // namespace p2p::learn
