#include "head/sgd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "kernels/kernels.hpp"
#include "kernels/product.hpp"
#include "p2p/error.hpp"
#include "p2p/parallel.hpp"

namespace p2p::head {
namespace {

// Fewer multiplications than this in a step are not worth a second thread.
constexpr std::int64_t kSmallStep = 1 << 20;

class Descent {
 public:
  Descent(const TrainingRows& rows, const Objective& objective, const HeadOptions& options,
          LinearHead& head)
      : rows_(rows),
        objective_(objective),
        options_(options),
        head_(head),
        classes_(rows.classes),
        tiles_((classes_ + kClassTile - 1) / kClassTile),
        weights_(head.weights.data(), classes_, rows.width()),
        bias_(head.bias.data(), classes_),
        factors_(Eigen::VectorXf::Ones(classes_)),
        momentum_weights_(Matrix::Zero(objective.scales_only ? 0 : classes_, rows.width())),
        momentum_bias_(Eigen::VectorXf::Zero(classes_)) {
    const std::int64_t work = std::int64_t{options.batch} * classes_ * rows.width();
    threads_ = work < kSmallStep ? 1 : options.threads;
  }

  /// Mean loss of the batch before the step.
  double step(std::span<const std::int64_t> batch, double learning_rate) {
    gather(batch);
    forward();
    const double loss = differences(batch);
    backward(learning_rate);
    return loss;
  }

  void keep_factors() {
    if (!objective_.scales_only) return;
    for (std::int64_t c = 0; c < classes_; ++c) {
      weights_.row(c) *= factors_[c];
      bias_[c] *= factors_[c];
    }
  }

 private:
  void gather(std::span<const std::int64_t> batch) {
    const auto count = static_cast<std::int64_t>(batch.size());
    features_.resize(count, rows_.width());
    logits_.resize(count, classes_);
    for (std::int64_t i = 0; i < count; ++i) {
      features_.row(i) = rows_.features.row(batch[static_cast<std::size_t>(i)]);
    }
  }

  template <class Task>
  void each_tile(Task&& task) {
    parallel_for(tiles_, threads_, [&](int, std::int64_t tile) {
      const std::int64_t first = tile * kClassTile;
      task(first, std::min(kClassTile, classes_ - first));
    });
  }

  void forward() {
    MatrixView logits(logits_.data(), logits_.rows(), classes_);
    each_tile([&](std::int64_t first, std::int64_t count) {
      add_logits({features_.data(), features_.rows(), features_.cols()},
                 {head_.weights.data(), classes_, rows_.width()}, head_.bias.data(), first,
                 first + count, logits);
    });
    if (objective_.scales_only) {
      raw_ = logits_;
      logits_.array().rowwise() *= factors_.transpose().array();
    }
  }

  // logits_ becomes the gradient of the mean loss with respect to itself.
  double differences(std::span<const std::int64_t> batch) {
    const double rest = objective_.smoothing / static_cast<double>(classes_);
    const double own = 1 - objective_.smoothing;  // beside `rest`
    const std::int64_t count = logits_.rows();
    posteriors_.resize(static_cast<std::size_t>(count * classes_));
    largest_.resize(static_cast<std::size_t>(count));
    sums_.resize(static_cast<std::size_t>(count));
    const std::int64_t bad =
        kernels::softmax_rows(logits_.data(), DType::kF32, count, classes_, {}, false,
                              posteriors_.data(), {largest_.data(), sums_.data()});
    if (bad >= 0) return std::numeric_limits<double>::quiet_NaN();
    double total = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto row = static_cast<std::size_t>(batch[static_cast<std::size_t>(i)]);
      const std::int64_t label = rows_.labels[row];
      const double weight = objective_.weights.empty() ? 1 : objective_.weights[row];
      const auto share = static_cast<float>(weight / static_cast<double>(count));
      float* z = logits_.row(i).data();
      const double* p = posteriors_.data() + i * classes_;
      const float largest = largest_[static_cast<std::size_t>(i)];
      double mean = 0;
      for (std::int64_t c = 0; rest > 0 && c < classes_; ++c) {
        mean += static_cast<double>(z[c] - largest);
      }
      // Of the largest logit: 1 over the sum of exponentials.
      const double log_sum = -std::log(*std::max_element(p, p + classes_));
      total += weight * (log_sum - own * static_cast<double>(z[label] - largest) - rest * mean);
      for (std::int64_t c = 0; c < classes_; ++c) {
        z[c] = share * static_cast<float>(p[c] - rest);
      }
      z[label] -= share * static_cast<float>(own);
    }
    return total / static_cast<double>(count);
  }

  void backward(double learning_rate) {
    const auto rate = static_cast<float>(learning_rate);
    const auto kept = static_cast<float>(options_.momentum);
    const auto decay = static_cast<float>(options_.weight_decay);
    each_tile([&](std::int64_t first, std::int64_t count) {
      const auto differences = logits_.middleCols(first, count);
      auto bias_step = momentum_bias_.segment(first, count);
      if (objective_.scales_only) {
        bias_step =
            kept * bias_step +
            differences.cwiseProduct(raw_.middleCols(first, count)).colwise().sum().transpose();
        factors_.segment(first, count) -= rate * bias_step;
        return;
      }
      auto step = momentum_weights_.middleRows(first, count);
      step *= kept;
      kernels::add_outer_products({.d = logits_.data() + first,
                                   .d_stride = classes_,
                                   .x = features_.data(),
                                   .rows = features_.rows(),
                                   .columns = count,
                                   .width = features_.cols(),
                                   .out = momentum_weights_.row(first).data()});
      if (decay != 0) step += decay * weights_.middleRows(first, count);
      weights_.middleRows(first, count) -= rate * step;
      bias_step = kept * bias_step + differences.colwise().sum().transpose();
      bias_.segment(first, count) -= rate * bias_step;
    });
  }

  const TrainingRows& rows_;
  const Objective& objective_;
  const HeadOptions& options_;
  LinearHead& head_;
  std::int64_t classes_;
  std::int64_t tiles_;
  int threads_ = 1;
  MatrixView weights_;
  Eigen::Map<Eigen::VectorXf> bias_;
  Eigen::VectorXf factors_;
  Matrix momentum_weights_;
  Eigen::VectorXf momentum_bias_;
  Matrix features_, logits_, raw_;
  std::vector<double> posteriors_;
  std::vector<float> largest_, sums_;
};

}  // namespace

void minimise(const TrainingRows& rows, const Objective& objective, Sampler& sampler,
              const HeadOptions& options, double learning_rate, LinearHead& head,
              std::vector<double>& losses) {
  Descent descent(rows, objective, options, head);
  const auto batch = static_cast<std::size_t>(options.batch);
  const std::int64_t steps = (rows.rows() + options.batch - 1) / options.batch;
  const auto total = static_cast<double>(steps * options.epochs);
  std::int64_t done = 0;
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    const std::vector<std::int64_t> order = sampler.epoch();
    double sum = 0;
    for (std::size_t first = 0; first < order.size(); first += batch) {
      const std::size_t count = std::min(batch, order.size() - first);
      const double phase = std::numbers::pi * static_cast<double>(done++) / total;
      const double rate = learning_rate * (1 + std::cos(phase)) / 2;
      const double loss = descent.step(std::span(order).subspan(first, count), rate);
      if (!std::isfinite(loss)) {
        throw_bad_data(fmt::format(
            "the loss is not finite in step {} of epoch {}; lower --lr, or scale the features",
            first / batch + 1, epoch + 1));
      }
      sum += loss * static_cast<double>(count);
      if (options.rows_done != nullptr) {
        options.rows_done->fetch_add(static_cast<std::int64_t>(count), std::memory_order_relaxed);
      }
    }
    losses.push_back(sum / static_cast<double>(order.size()));
  }
  descent.keep_factors();
}

}  // namespace p2p::head
