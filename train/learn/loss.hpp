#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace p2p::learn {

/// Losses for long tails. z scores, y class, n_c training images, pi = n / sum(n):
///   ce                -log softmax(z)_y
///   la[:TAU]          -log softmax(z + tau log pi)_y (Menon et al. 2021), tau 1
///   balanced-softmax  -log softmax(z + log n)_y (Ren et al. 2020)
///   ldam              -log softmax(z - s m_y e_y)_y, m_c = 0.5 (min n / n_c)^(1/4), s of the
///   cosine
///                     head, which it needs (Cao et al. 2019)
///   ldam-drw          ldam, from 80 % of the epochs on weighted as cb, but of mean 1 over rows: on
///                     average what dividing by the weights of a batch gives, as they do
///   vs[:GAMMA:TAU]    -log softmax((n / max n)^gamma z + tau log pi)_y (Kini et al. 2021),
///                     gamma 0.15, tau 1.25
///   focal[:GAMMA]     -(1 - p_y)^gamma log p_y (Lin et al. 2017), gamma 2
///   cb[:BETA]         -w_y log softmax(z)_y, w_c proportional to (1 - beta) / (1 - beta^n_c), mean
///                     1 over classes (Cui et al. 2019), beta 0.9999
struct Loss {
  enum class Kind : std::uint8_t { kSoftmax, kMargin, kFocal };
  Kind kind = Kind::kSoftmax;
  bool cosine_head = false;
  std::vector<double> scale;        ///< of the scores, [C], or empty: 1
  std::vector<double> offset;       ///< added to the scores, [C], or empty: 0
  std::vector<double> margin;       ///< taken from the true class's score, [C], or empty
  double gamma = 0;                 ///< kFocal
  std::vector<double> weights;      ///< of the rows' classes, [C], or empty: 1
  double weights_from = 0;          ///< share of the epochs from which on `weights` count
  std::string trained_with = "ce";  ///< for p2p estimate --trained-with, where it has a name
  /// b, [C]: softmax(z + b) models the posterior under the prior of the training rows. Of vs the
  /// additive part: exact for gamma 0, else scores of class c stay divided by (n_c / max n)^gamma.
  /// Of ldam and focal 0: at their optimum softmax(z) is not quite the posterior.
  std::vector<double> training_offset;
};

/// Error{kUsage}: another name, with those that there are; a number that it cannot have. `counts`:
/// training images of each class, at least one.
Loss parse_loss(const std::string& text, const std::vector<std::int64_t>& counts);

/// The loss on scores and targets of one device.
class LossFunction {
 public:
  LossFunction(const Loss& loss, double label_smoothing, at::Device device);
  /// Of each row, [N]: sum over classes c of target_c times the loss with y = c, where target is
  /// (1 - smoothing) on `labels` and smoothing / C on all. scores float [N, C], labels [N]. With
  /// label smoothing margin and weight stay those of `labels`. `progress`: share of the epochs
  /// done.
  at::Tensor operator()(const at::Tensor& scores, const at::Tensor& labels, double progress) const;
  /// Whether the weights of the loss count at that progress.
  [[nodiscard]] bool weighs(double progress) const {
    return weights_.defined() && progress >= weights_from_;
  }

 private:
  Loss::Kind kind_;
  double gamma_;
  double smoothing_;
  double weights_from_;
  at::Tensor scale_, offset_, margin_, weights_;  ///< undefined where there is none
};

}  // namespace p2p::learn
