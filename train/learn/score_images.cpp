#include "learn/score_images.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "io/text.hpp"
#include "learn/batches.hpp"
#include "p2p/error.hpp"

namespace p2p::learn {
namespace {

// As many rows as the scorer wants, the missing ones black.
at::Tensor filled(const at::Tensor& images, std::int64_t rows) {
  if (images.size(0) >= rows) return images;
  return at::constant_pad_nd(images, {0, 0, 0, 0, 0, 0, 0, rows - images.size(0)});
}

at::Tensor on_cpu(const at::Tensor& rows, std::int64_t count) {
  return rows.defined() ? rows.slice(0, 0, count).to(at::kCPU).contiguous() : rows;
}

// A row may have classes of -inf, but a largest score that is a number.
void expect_numbers(const at::Tensor& scores, std::int64_t first) {
  const at::Tensor largest = scores.amax(1);  // NaN where a score is
  const at::Tensor bad = largest.isfinite().logical_not().nonzero();
  if (bad.numel() == 0) return;
  const auto row = bad[0].item<std::int64_t>();
  throw_bad_data(
      fmt::format("the largest score that the model gives row {} is {}; expected finite numbers, "
                  "or -inf for some of the classes: train it with a lower --lr, or give the --mean "
                  "and --std that it was trained with",
                  first + row, largest[row].item<float>()));
}

}  // namespace

void score_images(Scorer& scorer, const images::ImageSet& set, const ScoreOptions& options,
                  const TakeScores& take) {
  const at::NoGradGuard no_gradients;
  const std::int64_t batch = scorer.batch() > 0 ? scorer.batch() : options.batch;
  const auto read = [&](std::int64_t first) {
    const std::int64_t count = std::min(batch, set.rows() - first);
    return std::async(std::launch::async, [&set, &options, first, count] {
      return read_images(set, first, count, options.threads);
    });
  };
  std::future<at::Tensor> ahead = read(0);
  std::int64_t classes = 0;  // none yet
  for (std::int64_t first = 0; first < set.rows();) {
    const at::Tensor images = ahead.get();
    const std::int64_t count = images.size(0);
    if (first + count < set.rows()) ahead = read(first + count);
    const at::Tensor batch_images = filled(images, scorer.batch());
    const Scores made = scorer.score(to_unit_range(batch_images.to(scorer.device())));
    const std::int64_t rows = batch_images.size(0);
    if (made.scores.dim() != 2 || made.scores.size(0) != rows || made.scores.size(1) < 2 ||
        (classes > 0 && made.scores.size(1) != classes)) {
      throw_bad_data(
          fmt::format("the model makes scores of shape {} of {} images; expected [{}, "
                      "classes] with 2 classes or more, always as many",
                      io::shape_text(made.scores.sizes().vec()), rows, rows));
    }
    classes = made.scores.size(1);
    const at::Tensor scores = on_cpu(made.scores, count);
    expect_numbers(scores, first);
    take(first, {on_cpu(made.features, count), scores});
    first += count;
  }
}

}  // namespace p2p::learn
