#include "correction/shift_estimate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "correction/confusion.hpp"
#include "correction/held_out.hpp"
#include "correction/mean_posterior.hpp"
#include "correction/not_found.hpp"
#include "correction/source_model.hpp"
#include "p2p/error.hpp"

namespace p2p::correction {
namespace {

using Eigen::VectorXd;

constexpr int kHalvings = 10;
// Nats per row that rounding may cost.
constexpr double kLikelihoodNoise = 1e-12;
constexpr double kLargestExponent = 700;  // exp stays finite
constexpr double kBytesPerCell = 24;

using Indices = std::vector<std::int64_t>;

// "3, 7, 9 and 12 more"
std::string list_classes(const Indices& classes) {
  constexpr std::size_t kListed = 10;
  const std::size_t listed = std::min(classes.size(), kListed);
  std::string out = fmt::format(
      "{}",
      fmt::join(classes.begin(), classes.begin() + static_cast<std::ptrdiff_t>(listed), ", "));
  if (classes.size() > listed) out += fmt::format(" and {} more", classes.size() - listed);
  return out;
}

void demand_affordable(std::int64_t classes, std::string_view method) {
  if (classes <= kMostConfusionClasses) return;
  const auto c = static_cast<double>(classes);
  throw NotFound(
      fmt::format("{} solves for a confusion matrix of {} x {} classes, which takes {:.1f} GB and "
                  "is refused "
                  "above {} classes; use --method em or --method match",
                  method, classes, classes, kBytesPerCell * c * c * 1e-9, kMostConfusionClasses),
      ErrorCode::kUsage);
}

// The part of the system that is solved for; `source` s is [C].
ShiftSystem reduce(ConfusionMatrix&& matrix, VectorXd mu, const VectorXd& source,
                   const Indices& found) {
  const std::int64_t classes = mu.size();
  if (static_cast<std::int64_t>(found.size()) == classes) {
    return {std::move(matrix.joint), std::move(mu), std::move(matrix.share), source, matrix.rows};
  }
  for (std::int64_t c = 0; c < classes; ++c) {
    if (matrix.share[c] == 0 || std::ranges::binary_search(found, c)) continue;
    mu -= matrix.joint.col(c) * (source[c] / matrix.share[c]);
  }
  return {matrix.joint(found, found), mu(found), matrix.share(found), source(found), matrix.rows};
}

// The classes whose row of the confusion matrix is 0.
Indices never_predicted(const ShiftSystem& system, const Indices& found) {
  Indices never;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if ((system.joint.row(static_cast<Eigen::Index>(i)).array() == 0).all()) {
      never.push_back(found[i]);
    }
  }
  return never;
}

// factor * t, each within [s / largest, s * largest], where the factor makes the sum that of s.
VectorXd bounded(const VectorXd& t, const VectorXd& source, double largest) {
  const double mass = source.sum();
  if (std::isinf(largest)) return t * (mass / t.sum());
  const VectorXd low = source / largest;
  const VectorXd high = source * largest;
  const auto at = [&](double log_factor) -> VectorXd {
    return (t * std::exp(log_factor)).cwiseMax(low).cwiseMin(high);
  };
  double lower = -kLargestExponent;
  double upper = kLargestExponent;
  for (int i = 0; i < 100; ++i) {
    const double middle = (lower + upper) / 2;
    (at(middle).sum() < mass ? lower : upper) = middle;
  }
  return at((lower + upper) / 2);
}

std::int64_t count_bounded(const VectorXd& t, const VectorXd& source, double largest) {
  if (std::isinf(largest)) return 0;
  return ((t.array() <= source.array() / largest) || (t.array() >= source.array() * largest))
      .count();
}

// The likelihood of target rows at source + share * (target - source).
class ShiftLikelihood {
 public:
  ShiftLikelihood(const MethodInput& input, const SourceModel& model, const VectorXd& source)
      : rows_(input.evidence.unlabelled, source.size(), model.temperature, {}, input.evidence),
        offset_(model.offset),
        source_(source),
        nothing_(of(VectorXd::Ones(source.size()))) {}

  // Above doing nothing, in nats per row.
  double gain(const VectorXd& target, double share) {
    VectorXd ratio(source_.size());
    for (Eigen::Index c = 0; c < ratio.size(); ++c) {
      ratio[c] = source_[c] > 0 ? 1 + share * (target[c] / source_[c] - 1) : 1;
    }
    return of(ratio) - nothing_;
  }

 private:
  double of(const VectorXd& ratio) {
    return rows_.log_likelihood(offset_, {ratio.begin(), ratio.end()});
  }

  MeanPosterior rows_;
  const std::vector<double>& offset_;
  const VectorXd& source_;
  double nothing_;
};

// The share of the step from source to target that is not worse than doing nothing; 0 when none is.
double backtrack(ShiftLikelihood& likelihood, const VectorXd& target, std::string_view method,
                 std::vector<Round>& rounds, std::vector<std::string>& warnings) {
  double share = 1;
  for (int i = 0; i <= kHalvings; ++i, share /= 2) {
    const double gain = likelihood.gain(target, share);
    rounds.push_back({share, gain});
    if (gain < -kLikelihoodNoise) continue;
    if (i > 0) {
      warnings.push_back(fmt::format(
          "the target that {} solved for makes the target rows less likely than doing nothing, by "
          "{:.3g} nats a row; 1/{} of the step towards it was taken, which gains {:.3g}",
          method, -*rounds.front().objective, std::int64_t{1} << i, gain));
    }
    return share;
  }
  warnings.push_back(fmt::format(
      "the target that {} solved for makes the target rows less likely than doing nothing, by "
      "{:.3g} nats a row, and so does 1/{} of the step towards it; the source prior was kept as "
      "the target",
      method, -*rounds.front().objective, std::int64_t{1} << kHalvings));
  rounds.push_back({0, 0});
  return 0;
}

}  // namespace

MethodResult estimate_shift(const MethodInput& input, ShiftSolver solve) {
  const std::string_view method = info(input.options.method).name;
  const std::int64_t classes = input.prior.n_classes();
  const double largest = input.options.largest_weight;
  demand_affordable(classes, method);
  if (!(largest >= 1)) {
    throw_usage(fmt::format("the largest weight must be at least 1, not {}", largest));
  }

  const SourceModel model = source_model(input);
  VectorXd source(classes);
  std::ranges::transform(model.log_prior, source.begin(), [](double s) { return std::exp(s); });
  const Affine affine{.temperature = model.temperature, .offset = model.offset};
  const Confusion confusion = input.options.confusion;
  ConfusionMatrix matrix =
      confusion_matrix(input.evidence.holdout, classes, affine, confusion, input.evidence);
  VectorXd mu =
      mean_prediction(input.evidence.unlabelled, classes, affine, confusion, input.evidence);

  MethodResult result;
  result.temperature = model.temperature;
  result.warnings = model.warnings;
  Indices found;
  for (std::int64_t c = 0; c < classes; ++c) {
    if (input.prior.is_corrected(c) && matrix.share[c] > 0) found.push_back(c);
  }
  if (found.empty()) {
    throw_bad_data(
        fmt::format("'{}' holds no label of a class that is corrected; {} needs rows of "
                    "as many classes as there are",
                    input.evidence.holdout.labels->name(), method));
  }
  warn_of_classes_without_rows(input, held_out_rows(input), "keep their share of the source prior",
                               result.warnings);

  ShiftSystem system = reduce(std::move(matrix), std::move(mu), source, found);
  if (const Indices never = never_predicted(system, found); !never.empty()) {
    result.warnings.push_back(
        fmt::format("{} of {} classes are never predicted on held-out rows, so that their share is "
                    "hardly determined: {}",
                    never.size(), found.size(), list_classes(never)));
  }
  const VectorXd share = system.share;
  const VectorXd weights = solve(std::move(system), result.warnings);
  const VectorXd raw = weights.cwiseMax(0).cwiseProduct(share);
  const VectorXd found_source = source(found);
  VectorXd target = source;
  if (weights.allFinite() && raw.sum() > 0) {
    target(found) = bounded(raw, found_source, largest);
  } else {
    result.warnings.push_back(
        fmt::format("{} found no class with a positive share; the source prior was kept", method));
  }
  if (const std::int64_t count = count_bounded(target(found), found_source, largest); count > 0) {
    result.warnings.push_back(
        fmt::format("the shares of {} of {} classes were held within {:g} times and 1/{:g} of the "
                    "source prior",
                    count, found.size(), largest, largest));
  }

  ShiftLikelihood likelihood(input, model, source);
  if (std::isinf(largest)) {
    result.rounds.push_back({1, likelihood.gain(target, 1)});
  } else {
    const double step = backtrack(likelihood, target, method, result.rounds, result.warnings);
    target = source + step * (target - source);
  }
  result.log_target.resize(model.log_prior.size());
  std::ranges::transform(target, result.log_target.begin(), [](double t) { return std::log(t); });
  result.log_residual.resize(model.log_prior.size());
  std::ranges::transform(model.log_prior, model.offset, result.log_residual.begin(),
                         [](double s, double d) { return s - d; });
  return result;
}

}  // namespace p2p::correction
