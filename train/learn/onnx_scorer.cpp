#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <vector>

#include "engine/run_model.hpp"
#include "engine/session.hpp"
#include "io/text.hpp"
#include "learn/scorer.hpp"
#include "p2p/error.hpp"

namespace p2p::learn {
namespace {

class OnnxScorer final : public Scorer {
 public:
  OnnxScorer(const std::string& path, const images::ImageShape& images, int threads)
      : path_(path), session_(engine::open_onnx(path, threads)) {
    if (session_->inputs().size() != 1 || session_->inputs()[0].scalar != engine::Scalar::kF32) {
      throw_bad_data(fmt::format(
          "{} takes {} inputs, the first {} of {}; expected one of float32 images [N, channels, "
          "height, width]",
          io::quote(path), session_->inputs().size(), io::quote(session_->inputs()[0].name),
          session_->inputs()[0].type));
    }
    const std::vector<std::int64_t>& shape = session_->inputs()[0].shape;
    if (shape.empty()) return;
    const std::array<std::int64_t, 4> wanted{-1, images.channels, images.height, images.width};
    bool fits = shape.size() == wanted.size();
    for (std::size_t i = 1; fits && i < wanted.size(); ++i) {
      fits = shape[i] < 0 || shape[i] == wanted[i];
    }
    if (!fits) {
      throw_bad_data(fmt::format(
          "{} takes {} of shape {} (-1 is any number), the images are [N, {}, {}, {}]; --resize "
          "scales them",
          io::quote(path), io::quote(session_->inputs()[0].name), io::shape_text(shape),
          images.channels, images.height, images.width));
    }
    if (shape[0] > 0) batch_ = shape[0];
  }

  Scores score(const at::Tensor& images) override {
    const at::Tensor values = images.contiguous();
    engine::Tensor batch{.scalar = engine::Scalar::kF32, .shape = values.sizes().vec(), .data = {}};
    batch.data.resize(values.nbytes());
    std::memcpy(batch.data.data(), values.data_ptr<float>(), batch.data.size());
    const engine::Tensor made = session_->run({batch}, {session_->outputs().front().name}).front();
    std::vector<float> scores(static_cast<std::size_t>(engine::element_count(made.shape)));
    if (engine::scalar_kind(made.scalar) != engine::ScalarKind::kFloat ||
        made.scalar == engine::Scalar::kF64) {
      throw_bad_data(fmt::format("output {} of {} holds {}; expected float32 scores",
                                 io::quote(session_->outputs().front().name), io::quote(path_),
                                 engine::scalar_name(made.scalar)));
    }
    engine::convert_scalars(made.data.data(), made.scalar, static_cast<std::int64_t>(scores.size()),
                            scores.data(), engine::Scalar::kF32);
    return {{}, at::tensor(scores).view(made.shape)};
  }

 private:
  std::string path_;
  std::unique_ptr<engine::Session> session_;
};

}  // namespace

std::unique_ptr<Scorer> onnx_scorer(const std::string& path, const images::ImageShape& shape,
                                    int threads) {
  return std::make_unique<OnnxScorer>(path, shape, threads);
}

}  // namespace p2p::learn
