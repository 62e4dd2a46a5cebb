#include "p2p/leave_one_out.hpp"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "head/training_rows.hpp"
#include "p2p/error.hpp"
#include "p2p/parallel.hpp"
#include "scan/label_scan.hpp"

namespace p2p {
namespace {

using Doubles = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Rows whose leverages are computed together, unless their C x C matrices take more bytes than
/// these.
constexpr std::int64_t kRowsAtOnce = 256;
constexpr std::int64_t kLeverageBytes = std::int64_t{64} << 20;
/// The least decay, and how far below 0 it may come out, as a share of the mean curvature.
constexpr double kLeastDecay = 1e-6;

// Rows [first, first + rows) of a matrix in place of those of the features.
class LeftOutSource final : public RowSource {
 public:
  LeftOutSource(RowSource& features, std::shared_ptr<const Doubles> scores, std::int64_t first)
      : name_(features.name()),
        record_(features.record()),
        scores_(std::move(scores)),
        first_(first),
        rows_(features.rows()) {}

  [[nodiscard]] std::int64_t rows() const override { return rows_; }
  [[nodiscard]] std::int64_t classes() const override { return scores_->cols(); }
  [[nodiscard]] DType dtype() const override { return DType::kF64; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] bool random_access() const override { return true; }
  [[nodiscard]] InputRecord record() override { return record_; }

  void read(std::int64_t first, std::int64_t count, void* out) override {
    std::copy_n(scores_->row(first_ + first).data(), count * scores_->cols(),
                static_cast<double*>(out));
  }

 private:
  std::string name_;
  InputRecord record_;
  std::shared_ptr<const Doubles> scores_;
  std::int64_t first_;
  std::int64_t rows_;
};

// The head at its training rows.
struct Fit {
  Doubles features;    ///< [N, d + 1], a last column of ones
  Doubles parameters;  ///< [C, d + 1], the bias last
  Doubles logits;      ///< [N, C]
  Doubles posterior;   ///< [N, C]
  Doubles residual;    ///< [N, C], posterior less the one-hot label
};

Fit fit_of(const head::TrainingRows& rows, const LinearHead& head,
           const std::vector<double>& offset) {
  Fit fit;
  fit.features.resize(rows.rows(), rows.width() + 1);
  fit.features.leftCols(rows.width()) = rows.features.cast<double>();
  fit.features.rightCols(1).setOnes();
  fit.parameters.resize(head.classes, head.width + 1);
  fit.parameters.leftCols(head.width) =
      head::ConstMatrixView(head.weights.data(), head.classes, head.width).cast<double>();
  fit.parameters.rightCols(1) =
      Eigen::Map<const Eigen::VectorXf>(head.bias.data(), head.classes).cast<double>();
  fit.logits = fit.features * fit.parameters.transpose();
  const Eigen::Map<const Eigen::RowVectorXd> b(offset.data(), head.classes);
  fit.posterior.resize(rows.rows(), head.classes);
  for (Eigen::Index i = 0; i < fit.logits.rows(); ++i) {
    const Eigen::RowVectorXd adjusted = fit.logits.row(i) + b;
    fit.posterior.row(i) = (adjusted.array() - adjusted.maxCoeff()).exp();
    fit.posterior.row(i) /= fit.posterior.row(i).sum();
  }
  fit.residual = fit.posterior;
  for (Eigen::Index i = 0; i < fit.residual.rows(); ++i) {
    fit.residual(i, rows.labels[static_cast<std::size_t>(i)]) -= 1;
  }
  return fit;
}

// The Hessian of the summed loss, [C (d + 1), C (d + 1)]; its lower triangle alone is filled.
Doubles curvature(const Fit& fit, int threads) {
  const Eigen::Index classes = fit.posterior.cols();
  const Eigen::Index width = fit.features.cols();
  Doubles hessian = Doubles::Zero(classes * width, classes * width);
  parallel_for(classes * (classes + 1) / 2, threads, [&](int, std::int64_t pair) {
    auto c = static_cast<Eigen::Index>((std::sqrt(8.0 * static_cast<double>(pair) + 1) - 1) / 2);
    while (c * (c + 1) / 2 > pair) --c;
    while ((c + 1) * (c + 2) / 2 <= pair) ++c;
    const Eigen::Index k = pair - c * (c + 1) / 2;
    Eigen::VectorXd weight = -fit.posterior.col(c).cwiseProduct(fit.posterior.col(k));
    if (c == k) weight += fit.posterior.col(c);
    hessian.block(c * width, k * width, width, width).noalias() =
        fit.features.transpose() * (weight.asDiagonal() * fit.features);
  });
  return hessian;
}

[[noreturn]] void refuse_certainty() {
  throw_bad_data(
      "the head is certain of its training rows, so all rows are known by heart and what it would "
      "say without one of them cannot be told; measure on held-out rows with --rows holdout");
}

double stationary_decay(const Fit& fit, const Doubles& hessian) {
  const auto rows = static_cast<double>(fit.features.rows());
  const Doubles gradient = fit.residual.transpose() * fit.features / rows;
  const double along = gradient.cwiseProduct(fit.parameters).sum();
  const double least = kLeastDecay * hessian.diagonal().mean() / rows;
  if (!(least > 0)) refuse_certainty();
  if (!(along <= least * fit.parameters.squaredNorm())) {
    throw_bad_data(fmt::format(
        "the head was not fitted to these rows by this loss: the mean loss rises along its weights "
        "(by {:.3g} for weights as large again); state --trained-with, or measure on held-out rows "
        "with --rows holdout",
        along));
  }
  return std::max(least, -along / fit.parameters.squaredNorm());
}

std::int64_t rows_at_once(std::int64_t classes) {
  const std::int64_t bytes = classes * classes * static_cast<std::int64_t>(sizeof(double));
  return std::clamp(kLeverageBytes / bytes, std::int64_t{1}, kRowsAtOnce);
}

// Replaces the logits of rows [first, first + count) by those of the head without each row.
void leave_out(const Fit& fit, const Doubles& inverse, Eigen::Index first, Eigen::Index count,
               Doubles& scores) {
  const Eigen::Index classes = fit.posterior.cols();
  const Eigen::Index width = fit.features.cols();
  const Doubles features = fit.features.middleRows(first, count);
  std::vector<Eigen::MatrixXd> leverages(static_cast<std::size_t>(count),
                                         Eigen::MatrixXd(classes, classes));
  Doubles through(count, width);
  for (Eigen::Index c = 0; c < classes; ++c) {
    for (Eigen::Index k = 0; k <= c; ++k) {
      through.noalias() = features * inverse.block(c * width, k * width, width, width);
      const Eigen::VectorXd leverage = through.cwiseProduct(features).rowwise().sum();
      for (Eigen::Index i = 0; i < count; ++i) {
        Eigen::MatrixXd& of_row = leverages[static_cast<std::size_t>(i)];
        of_row(c, k) = of_row(k, c) = leverage[i];
      }
    }
  }
  for (Eigen::Index i = 0; i < count; ++i) {
    const Eigen::MatrixXd& a = leverages[static_cast<std::size_t>(i)];
    const Eigen::VectorXd p = fit.posterior.row(first + i);
    const Eigen::VectorXd pushed = a * fit.residual.row(first + i).transpose();
    // A W = A diag(p) - (A p) p^T
    const Eigen::MatrixXd kept = Eigen::MatrixXd::Identity(classes, classes) -
                                 (a * p.asDiagonal() - (a * p) * p.transpose());
    scores.row(first + i) =
        fit.logits.row(first + i) + kept.partialPivLu().solve(pushed).transpose();
  }
}

}  // namespace

ScoreSet leave_one_out_scores(ScoreSet& features, LabelSource& labels, const LinearHead& head,
                              const std::vector<double>& training_offset, int threads) {
  if (features.classes() != head.width) {
    throw_bad_data(fmt::format(
        "'{}' has features of width {}, but the head takes {}; use the head of the same network",
        features.sources().front()->name(), features.classes(), head.width));
  }
  const std::int64_t size = head.classes * (head.width + 1);
  if (size > kLargestHessian) {
    throw_bad_data(fmt::format(
        "leaving rows out of a head of {} classes and {} features needs a matrix of {} rows, above "
        "the limit of {}; measure on held-out rows with --rows holdout",
        head.classes, head.width, size, kLargestHessian));
  }
  HeadOptions options;
  options.threads = threads;
  const LabelRules rules{head.classes, std::nullopt, {}, true};
  count_labels(labels, rules, threads);  // refuses labels out of range
  const head::TrainingRows rows = head::load_rows(features, labels, head.classes, options);
  const Fit fit = fit_of(rows, head, training_offset);
  Doubles hessian = curvature(fit, threads);
  const double decay = stationary_decay(fit, hessian);
  hessian.diagonal().array() += decay * static_cast<double>(rows.rows());
  const Eigen::LLT<Eigen::Ref<Doubles>> factor(hessian);  // in place
  if (factor.info() != Eigen::Success) refuse_certainty();
  const Doubles inverse = factor.solve(Doubles::Identity(size, size));
  auto scores = std::make_shared<Doubles>(rows.rows(), head.classes);
  const std::int64_t at_once = rows_at_once(head.classes);
  parallel_for((rows.rows() + at_once - 1) / at_once, threads, [&](int, std::int64_t block) {
    const std::int64_t first = block * at_once;
    leave_out(fit, inverse, first, std::min(at_once, rows.rows() - first), *scores);
  });
  std::vector<std::unique_ptr<RowSource>> sources;
  std::int64_t first = 0;
  for (const std::unique_ptr<RowSource>& source : features.sources()) {
    sources.push_back(std::make_unique<LeftOutSource>(*source, scores, first));
    first += source->rows();
  }
  return ScoreSet(std::move(sources));
}

}  // namespace p2p
