#include "correction/affine_fit.hpp"

#include <LBFGS.h>
#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <exception>
#include <iterator>
#include <limits>

#include "correction/not_found.hpp"
#include "p2p/error.hpp"
#include "scan/label_scan.hpp"

namespace p2p::correction {
namespace {

using Vector = Eigen::VectorXd;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// 1/T may fall to this share of where it started; beyond, the scores count as saying nothing.
constexpr double kLeastInverse = 1e-6;
// Where losses differ by less than this share, their difference is rounding; the gradient is not.
constexpr double kTrustedDifference = 1e-10;
// A fit has ended, too, when so many rounds lowered the mean loss by no more than this many
// tolerances.
constexpr std::size_t kFlatRounds = 20;
constexpr double kFlatGain = 100;
// Curvatures below this share of what they could be say little of what they are elsewhere.
constexpr double kLeastCurvature = 0.02;
constexpr double kLeastShare = 1e-6;

// Thrown out of the solver when the gradient is small enough or the passes are used up.
struct Done {};

// The mean loss of the rows as a function of the free variables v:
//   1/T = (1 + a v) / T_start;  scale_c = scale_start + a_c v_c;
//   offset_c = offset_start + (P (d_c v_c - what the others do to the mean of x_c))_c,
// with a and d one over the root of the curvature at the start, so that the loss is about as round
// as can be without the curvature between classes; P the projection to mean 0. What the solver is
// told differs from the loss by a constant: see told().
class MeanLoss {
 public:
  MeanLoss(const EvidenceRows& rows, std::int64_t classes, const FitShape& shape, Affine start,
           const std::vector<double>& class_weights, const std::vector<char>& free,
           double tolerance, int max_rounds, const Evidence& evidence)
      : rows_(rows),
        classes_(classes),
        shape_(shape),
        start_(std::move(start)),
        tolerance_(tolerance),
        max_rounds_(max_rounds),
        evidence_(evidence) {
    const auto size = static_cast<std::size_t>(classes);
    if (shape_.scale && start_.scale.empty()) start_.scale.assign(size, 1.0);
    if (shape_.offset && start_.offset.empty()) start_.offset.assign(size, 0.0);
    demand_same_rows(*rows.scores, *rows.labels);
    const std::vector<std::int64_t> count =
        count_labels(*rows.labels, {classes, rows.ignore_index, {}}, evidence.threads).rows;
    double total = 0;
    for (std::size_t c = 0; c < size; ++c) {
      total += class_weights[c] * static_cast<double>(count[c]);
    }
    if (!(total > 0)) {
      throw_bad_data(fmt::format("'{}' holds no label of a row to fit to; at least one is needed",
                                 rows.labels->name()));
    }
    pass_.gradient = true;
    pass_.class_weights.resize(size);
    std::vector<std::size_t> with_rows;
    for (std::size_t c = 0; c < size; ++c) {
      pass_.class_weights[c] = class_weights[c] / total;
      const double share = pass_.class_weights[c] * static_cast<double>(count[c]);
      if (share > 0) with_rows.push_back(c);
      if (free[c] == 0 || share == 0) continue;
      moving_.push_back(c);
      shares_.push_back(std::max(share, kLeastShare));
    }
    if (with_rows.size() == 1) {
      throw NotFound(fmt::format(
          "the labels '{}' hold rows of one class to fit to, {}: any fit then only raises it "
          "without end; give rows of two classes or more",
          rows.labels->name(), with_rows.front()));
    }
    measure_curvature();
    first_scale_ = shape_.temperature ? 1 : 0;
    first_offset_ = first_scale_ + (shape_.scale ? moving_.size() : 0);
    best_ = Vector::Zero(
        static_cast<Eigen::Index>(first_offset_ + (shape_.offset ? moving_.size() : 0)));
  }

  // What LBFGSpp calls.
  double operator()(const Vector& v, Vector& gradient) {
    if (shape_.temperature && inverse_ratio(v) < kLeastInverse) return kInfinity;
    const Affine affine = affine_at(v);
    reading_ = true;
    const LabelledSums sums = labelled_pass(rows_, classes_, affine, pass_, evidence_);
    reading_ = false;
    const double largest = fill(sums, affine, v, gradient);
    rounds_.push_back({.change = largest, .objective = sums.weighted_loss});
    const double value = told(v, sums.weighted_loss, gradient);
    if (value <= best_told_) {
      best_ = v;
      best_gradient_ = gradient;
      best_told_ = value;
      best_loss_ = sums.weighted_loss;
      best_change_ = largest;
    }
    if (largest <= tolerance_) {
      best_ = v;
      best_change_ = largest;
      throw Done{};
    }
    flat_ = is_flat(sums.weighted_loss);
    if (flat_ || rounds() >= max_rounds_) throw Done{};
    return value;
  }

  [[nodiscard]] Affine affine_at(const Vector& v) const {
    Affine affine = start_;
    if (shape_.temperature) affine.temperature = start_.temperature / inverse_ratio(v);
    std::vector<double> move(moving_.size(), 0.0);
    double mean = 0;
    for (std::size_t i = 0; i < moving_.size(); ++i) {
      if (shape_.temperature) move[i] -= inverse_stretch_ * v[0] * centre_[i];
      if (shape_.scale) {
        const double more = scale_stretch_[i] * at(v, first_scale_ + i);
        affine.scale[moving_[i]] += more;
        move[i] -= more * centre_[i];
      }
      if (shape_.offset) move[i] += offset_stretch_[i] * at(v, first_offset_ + i);
      mean += move[i] / static_cast<double>(moving_.size());
    }
    for (std::size_t i = 0; shape_.offset && i < moving_.size(); ++i) {
      affine.offset[moving_[i]] += move[i] - mean;
    }
    return affine;
  }

  [[nodiscard]] const Vector& best() const { return best_; }
  [[nodiscard]] double least() const { return best_told_; }
  // A pass over the rows was begun and not ended: what was thrown is its error.
  [[nodiscard]] bool reading() const { return reading_; }
  [[nodiscard]] double least_loss() const { return best_loss_; }
  [[nodiscard]] bool flat() const { return flat_; }
  [[nodiscard]] bool is_flat_gain(double gain) const {
    return gain <= kFlatGain * tolerance_ * std::max(1.0, std::abs(best_loss_));
  }
  [[nodiscard]] bool converged() const { return best_change_ <= tolerance_ || flat_; }
  [[nodiscard]] int rounds() const { return static_cast<int>(rounds_.size()); }
  [[nodiscard]] std::vector<Round> take_rounds() { return std::move(rounds_); }
  // T ran away to infinity.
  [[nodiscard]] bool says_nothing() const {
    return shape_.temperature && !converged() && inverse_ratio(best_) < 1e3 * kLeastInverse;
  }

 private:
  // The last kFlatRounds lowered the least loss by next to nothing and have come to a loss near it,
  // as along the valleys of fits with more parameters than their rows determine. A loss far above
  // it is that of a step that is still to be shortened.
  bool is_flat(double loss) {
    if (!shape_.scale) return false;
    least_losses_.push_back(best_loss_);
    if (least_losses_.size() <= kFlatRounds) return false;
    const double gain = least_losses_[least_losses_.size() - 1 - kFlatRounds] - best_loss_;
    return is_flat_gain(std::max(gain, loss - best_loss_));
  }

  static double at(const Vector& v, std::size_t i) { return v[static_cast<Eigen::Index>(i)]; }

  // (1/T) / (1/T_start).
  [[nodiscard]] double inverse_ratio(const Vector& v) const { return 1 + inverse_stretch_ * v[0]; }

  // Mean and variance of z_c / T among the rows that class c is in doubt about.
  void measure_curvature() {
    LabelledPass pass = pass_;
    pass.curvature = true;
    const LabelledSums sums = labelled_pass(rows_, classes_, start_, pass, evidence_);
    std::vector<double> variance;
    double total = 0;
    for (std::size_t i = 0; i < moving_.size(); ++i) {
      const std::size_t c = moving_[i];
      const double h = sums.curvature[c];
      centre_.push_back(shape_.offset && h > 0 ? sums.curvature_score[c] / h : 0);
      const double reduced = sums.curvature_square[c] - h * centre_[i] * centre_[i];
      variance.push_back(std::max(reduced, 0.0));
      total += variance[i];
      offset_stretch_.push_back(1 / std::sqrt(std::max(h, kLeastCurvature * shares_[i])));
    }
    for (std::size_t i = 0; i < moving_.size(); ++i) {
      const double least = kLeastCurvature * total * shares_[i];
      scale_stretch_.push_back(total > 0 ? 1 / std::sqrt(std::max(variance[i], least)) : 1);
    }
    if (total > 1) inverse_stretch_ = 1 / std::sqrt(total);
  }

  // Writes the gradient by v; returns the largest component by (log T, scale, offset).
  double fill(const LabelledSums& sums, const Affine& affine, const Vector& v,
              Vector& gradient) const {
    gradient.setZero(v.size());
    double largest = 0, mean = 0;
    for (const std::size_t c : moving_) mean += sums.residual[c];
    mean /= static_cast<double>(moving_.size());
    const auto by_offset = [&](std::size_t i) {
      return shape_.offset ? sums.residual[moving_[i]] - mean : 0;
    };
    if (shape_.temperature) {
      double slope = 0;
      for (std::size_t c = 0; c < sums.slope.size(); ++c) {
        slope += (affine.scale.empty() ? 1 : affine.scale[c]) * sums.slope[c];
      }
      largest = std::abs(slope);
      gradient[0] = inverse_stretch_ * slope / inverse_ratio(v);
      for (std::size_t i = 0; i < moving_.size(); ++i) {
        gradient[0] -= inverse_stretch_ * centre_[i] * by_offset(i);
      }
    }
    for (std::size_t i = 0; shape_.scale && i < moving_.size(); ++i) {
      const double slope = sums.slope[moving_[i]];
      largest = std::max(largest, std::abs(slope));
      gradient[static_cast<Eigen::Index>(first_scale_ + i)] =
          scale_stretch_[i] * (slope - centre_[i] * by_offset(i));
    }
    for (std::size_t i = 0; shape_.offset && i < moving_.size(); ++i) {
      largest = std::max(largest, std::abs(by_offset(i)));
      gradient[static_cast<Eigen::Index>(first_offset_ + i)] = offset_stretch_[i] * by_offset(i);
    }
    return largest;
  }

  // The loss, told to the solver as a sum of differences to the best point so far: where a
  // difference would be rounding noise, it is integrated from the gradients instead.
  [[nodiscard]] double told(const Vector& v, double loss, const Vector& gradient) const {
    if (best_told_ == kInfinity) return loss;
    const double difference = loss - best_loss_;
    if (std::abs(difference) > kTrustedDifference * std::max(1.0, std::abs(loss))) {
      return best_told_ + difference;
    }
    return best_told_ + 0.5 * (v - best_).dot(gradient + best_gradient_);
  }

  const EvidenceRows& rows_;
  std::int64_t classes_;
  FitShape shape_;
  Affine start_;
  double tolerance_;
  int max_rounds_;
  const Evidence& evidence_;
  LabelledPass pass_;
  std::vector<std::size_t> moving_;  // classes
  // Of the moving classes.
  std::vector<double> shares_, centre_, scale_stretch_, offset_stretch_;
  double inverse_stretch_ = 1;
  std::size_t first_scale_ = 0, first_offset_ = 0;
  std::vector<Round> rounds_;
  std::vector<double> least_losses_;  // so far, after each round
  bool flat_ = false;
  bool reading_ = false;
  Vector best_, best_gradient_;
  double best_told_ = kInfinity, best_loss_ = kInfinity, best_change_ = kInfinity;
};

// Down to the least loss, or as far as passes and flatness let it.
void minimise(MeanLoss& loss) {
  LBFGSpp::LBFGSParam<double> parameters;
  parameters.m = 12;
  parameters.epsilon = 0;
  parameters.epsilon_rel = 0;
  parameters.linesearch = LBFGSpp::LBFGS_LINESEARCH_BACKTRACKING_ARMIJO;
  parameters.max_linesearch = 40;
  double before = kInfinity;
  do {
    before = loss.least();
    try {
      LBFGSpp::LBFGSSolver<double, LBFGSpp::LineSearchBacktracking> solver(parameters);
      Vector v = loss.best();
      double value = 0;
      solver.minimize(loss, v, value);
    } catch (const Done&) {
      break;
    } catch (const std::exception&) {
      if (loss.reading()) throw;
      // A line search that found no smaller loss: once more from the best point, by the gradient.
    }
  } while (loss.least() < before);
}

}  // namespace

AffineFit fit_affine(const EvidenceRows& rows, std::int64_t classes, const FitShape& shape,
                     Affine start, const std::vector<double>& class_weights,
                     const std::vector<char>& free, double tolerance, int max_rounds,
                     const Evidence& evidence) {
  assert(!(shape.temperature && shape.scale));
  AffineFit fit;
  fit.affine = std::move(start);
  double before = kInfinity;
  while (true) {
    const int passes = max_rounds - static_cast<int>(fit.rounds.size());
    MeanLoss loss(rows, classes, shape, fit.affine, class_weights, free, tolerance, passes,
                  evidence);
    minimise(loss);
    if (loss.says_nothing()) {
      throw NotFound(fmt::format(
          "no temperature fits the labels '{}' to the scores '{}': the best is infinite, as if the "
          "scores said nothing about the classes; check that rows and labels are in the same order",
          rows.labels->name(), rows.scores->sources().front()->name()));
    }
    fit.affine = loss.affine_at(loss.best());
    fit.converged = loss.converged();
    std::ranges::move(loss.take_rounds(), std::back_inserter(fit.rounds));
    // What is flat where it ended may be steep by the curvatures there.
    const bool again = loss.flat() && !loss.is_flat_gain(before - loss.least_loss()) &&
                       static_cast<int>(fit.rounds.size()) < max_rounds;
    if (!again) return fit;
    before = loss.least_loss();
  }
}

}  // namespace p2p::correction
