#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "correction/held_out.hpp"
#include "correction/labelled_pass.hpp"
#include "correction/method.hpp"
#include "correction/not_found.hpp"
#include "p2p/error.hpp"

namespace p2p::correction {
namespace {

constexpr int kMostRounds = 25;
// At the cap a target still counts as found when the worst one in the ball loses no more than this
// share above it.
constexpr double kClosedGap = 1e-3;
// The range of 1/lambda in units of the spread of the losses, and of lambda in nats; halvings of
// its logarithm.
constexpr double kFlattest = 1e-9, kSteepest = 1e9;
constexpr int kHalvings = 100;
constexpr int kNewtonSteps = 60;
constexpr double kLeastResponse = 0.1;

// Below, h are weights of the k classes that may move, sum 1; g = (k / C) h.

std::vector<double> tilted(const std::vector<double>& loss, double inverse_lambda) {
  const double largest = std::ranges::max(loss);
  std::vector<double> log_h;
  double total = 0;
  for (const double l : loss) {
    log_h.push_back((l - largest) * inverse_lambda);
    total += std::exp(log_h.back());
  }
  for (double& h : log_h) h -= std::log(total);
  return log_h;
}

double divergence(const std::vector<double>& log_h) {
  double result = std::log(static_cast<double>(log_h.size()));
  for (const double h : log_h) result += std::exp(h) * h;
  return result;
}

// The h of largest mean loss with KL(h || uniform) <= radius.
std::vector<double> worst(const std::vector<double>& loss, double radius) {
  const double spread = std::ranges::max(loss) - std::ranges::min(loss);
  if (!(spread > 0)) return tilted(loss, 0);
  double flat = std::log(kFlattest / spread), steep = std::log(kSteepest / spread);
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = 0.5 * (flat + steep);
    (divergence(tilted(loss, std::exp(middle))) <= radius ? flat : steep) = middle;
  }
  return tilted(loss, std::exp(flat));
}

double mean_under(const std::vector<double>& log_h, const std::vector<double>& loss) {
  double mean = 0;
  for (std::size_t i = 0; i < loss.size(); ++i) mean += std::exp(log_h[i]) * loss[i];
  return mean;
}

// log h_i = (a_i - m) / (k_i + lambda), m such that h sums to 1. Newton from below the root of a
// convex, decreasing function.
std::vector<double> balanced(const std::vector<double>& a, const std::vector<double>& k,
                             double lambda) {
  std::vector<double> log_h(a.size());
  double m = std::ranges::max(a);
  for (int step = 0; step < kNewtonSteps; ++step) {
    double total = 0, slope = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      log_h[i] = (a[i] - m) / (k[i] + lambda);
      total += std::exp(log_h[i]);
      slope += std::exp(log_h[i]) / (k[i] + lambda);
    }
    const double move = total / slope * std::log(total);
    if (!(move > 0) || m + move == m) break;
    m += move;
  }
  double total = 0;
  for (const double h : log_h) total += std::exp(h);
  for (double& h : log_h) h -= std::log(total);
  return log_h;
}

// The h for which loss_i - k_i (log h_i - log before_i) = m + lambda log h_i, lambda >= 0 the
// least with KL(h || uniform) <= radius: the worst target, if losses fall by k as shares rise.
std::vector<double> answer(const std::vector<double>& loss, const std::vector<double>& before,
                           double radius) {
  std::vector<double> a(loss.size()), k(loss.size());
  for (std::size_t i = 0; i < loss.size(); ++i) {
    // d loss / d log h = -(1 - mean posterior of the class), and 1 - exp(-loss) is no less than
    // that; twice, because of what the shares of the other classes do.
    k[i] = std::max(2 * (1 - std::exp(-loss[i])), kLeastResponse);
    a[i] = loss[i] + k[i] * before[i];
  }
  std::vector<double> free = balanced(a, k, 0);
  if (divergence(free) <= radius) return free;
  double tight = std::log(kSteepest), loose = std::log(kFlattest);
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = 0.5 * (tight + loose);
    (divergence(balanced(a, k, std::exp(middle))) <= radius ? tight : loose) = middle;
  }
  return balanced(a, k, std::exp(tight));
}

class Alternation {
 public:
  explicit Alternation(const MethodInput& input) : input_(input) {
    const std::vector<std::int64_t> rows = held_out_rows(input);
    for (std::size_t c = 0; c < rows.size(); ++c) {
      if (rows[c] > 0 && input.prior.is_corrected(static_cast<std::int64_t>(c))) {
        moving_.push_back(c);
      }
    }
    warn_of_classes_without_rows(input, rows, "keep their share of the uniform target",
                                 result_.warnings);
    demand_reach(rows.size());
    result_.temperature = input.prior.settings.temperature;
    result_.floored = input.prior.floored;
    result_.log_residual.resize(rows.size());
    std::ranges::transform(input.prior.residual, result_.log_residual.begin(),
                           [](double r) { return std::log(r); });
  }

  MethodResult run() {
    const auto moving = static_cast<double>(moving_.size());
    const double share = moving / static_cast<double>(input_.log_target.size());
    const double radius = input_.options.eps / share;
    const double tolerance = tolerance_for(input_.options, input_.evidence.holdout.scores->dtype());
    const int cap = std::min(kMostRounds, input_.options.max_rounds);
    std::vector<double> log_h(moving_.size(), -std::log(moving));
    std::vector<double> best = log_h;
    double least_gap = std::numeric_limits<double>::infinity();
    result_.converged = input_.options.eps == 0;
    for (int round = 0; round < cap && !result_.converged; ++round) {
      const std::vector<double> loss = losses(log_h);
      const double objective = share * mean_under(log_h, loss);
      const double gap = share * mean_under(worst(loss, radius), loss) - objective;
      if (gap < least_gap) {
        least_gap = gap;
        best = log_h;
        closed_ = gap <= kClosedGap * objective;
      }
      std::vector<double> next = answer(loss, log_h, radius);
      double change = 0;
      for (std::size_t i = 0; i < next.size(); ++i) {
        change = std::max(change, std::abs(next[i] - log_h[i]));
      }
      result_.rounds.push_back({.change = change, .objective = objective});
      result_.converged = change <= tolerance;
      log_h = std::move(next);
    }
    if (!result_.converged && closed_) {
      log_h = best;
      result_.converged = true;
    }
    result_.log_target = log_target(log_h);
    return std::move(result_);
  }

 private:
  // (k / C) log k bounds KL(g || u) when only k of C classes may move.
  void demand_reach(std::size_t classes) const {
    const auto moving = static_cast<double>(moving_.size());
    const double reach =
        moving_.empty() ? 0 : moving / static_cast<double>(classes) * std::log(moving);
    if (input_.options.eps == 0 || input_.options.eps < reach) return;
    throw NotFound(fmt::format(
        "--eps {} is out of reach: {} of {} classes are corrected and have labelled held-out rows "
        "in '{}', so that it must stay below {:.4g}; give more rows or a smaller --eps",
        input_.options.eps, moving_.size(), classes, input_.evidence.holdout.labels->name(),
        reach));
  }

  [[nodiscard]] std::vector<double> log_target(const std::vector<double>& log_h) const {
    std::vector<double> log_g = input_.log_target;
    const double share = static_cast<double>(moving_.size()) / static_cast<double>(log_g.size());
    for (std::size_t i = 0; i < moving_.size(); ++i) log_g[moving_[i]] = log_h[i] + std::log(share);
    return log_g;
  }

  // Mean loss of each moving class of softmax(z / T - log r + log g).
  std::vector<double> losses(const std::vector<double>& log_h) {
    const std::vector<double> log_g = log_target(log_h);
    const Affine affine{
        .temperature = result_.temperature,
        .offset = p2p_offset({input_.prior, input_.options, input_.evidence, log_g})};
    const LabelledSums sums = labelled_pass(input_.evidence.holdout, input_.prior.n_classes(),
                                            affine, {}, input_.evidence);
    std::vector<double> loss;
    for (const std::size_t c : moving_) {
      loss.push_back(sums.loss[c] / static_cast<double>(sums.rows[c]));
    }
    return loss;
  }

  const MethodInput& input_;
  std::vector<std::size_t> moving_;
  bool closed_ = false;
  MethodResult result_;
};

}  // namespace

MethodResult run_drops(const MethodInput& input) { return Alternation(input).run(); }

}  // namespace p2p::correction
