#include "p2p/inspect.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "metrics/tv_interval.hpp"

namespace p2p {
namespace {

std::vector<double> average_ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i;
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    for (std::size_t k = i; k < end; ++k) {
      ranks[order[k]] = (static_cast<double>(i) + static_cast<double>(end - 1)) / 2;
    }
    i = end;
  }
  return ranks;
}

double correlation(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xy = 0;
  double xx = 0;
  double yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean_x) * (y[i] - mean_y);
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : std::numeric_limits<double>::quiet_NaN();
}

PriorDistance distance(const ClassPrior& prior) {
  const std::vector<double>& q = prior.effective;
  const std::vector<double>& pi = prior.empirical;
  PriorDistance result;
  std::vector<double> q_seen;
  std::vector<double> pi_seen;
  for (std::size_t c = 0; c < q.size(); ++c) {
    result.tv += std::abs(q[c] - pi[c]) / 2;
    if (pi[c] <= 0) continue;
    q_seen.push_back(q[c]);
    pi_seen.push_back(pi[c]);
    result.kl += q[c] * std::log(q[c] / pi[c]);
    result.max_ratio = std::max({result.max_ratio, q[c] / pi[c], pi[c] / q[c]});
  }
  if (!prior.settings.pool) result.tv_ci95 = tv_interval(prior, result.tv);
  result.spearman = correlation(average_ranks(q_seen), average_ranks(pi_seen));
  return result;
}

void judge_gap(const std::string& measured, const Interval& ci, PriorInspection& result) {
  const std::string interval =
      fmt::format(" (95 % interval without sampling noise {:.4f} to {:.4f})", ci.low, ci.high);
  if (ci.high < kNoGapTv) {
    result.gap = GapVerdict::kNoGap;
    result.gap_sentence =
        measured + interval +
        fmt::format(", below {}: both give nearly the same correction.", kNoGapTv);
  } else if (ci.low >= kNoGapTv) {
    result.gap = GapVerdict::kGap;
    result.gap_sentence =
        measured + interval +
        fmt::format(
            ", at least {}: the model does not hold the prior that its training counts "
            "suggest. Which of the two corrects better, labelled held-out rows tell "
            "(--method auto).",
            kNoGapTv);
  } else {
    result.gap_sentence =
        measured + interval +
        fmt::format(": too few rows to tell whether it is above {}; more rows would tell.",
                    kNoGapTv);
  }
}

}  // namespace

PriorInspection inspect_prior(const ClassPrior& prior, std::int64_t listed) {
  PriorInspection result;
  if (prior.empirical.empty()) {
    result.gap_sentence =
        "The prior was estimated without training counts, so it cannot be compared with the class "
        "frequencies; estimate "
        "it with --counts.";
  } else {
    result.distance = distance(prior);
    const std::string measured = fmt::format(
        "The effective prior and the class frequencies differ by {:.4f} in total variation",
        result.distance->tv);
    if (!missing_parts(prior).empty()) {
      result.gap_sentence =
          measured +
          ", but parts of the data set are missing, whose rows may be of other classes; join all "
          "parts with p2p merge.";
    } else if (!result.distance->tv_ci95) {
      result.gap_sentence =
          measured +
          ", but --pool drew q towards a power of these frequencies, so its distance from them has "
          "no interval; estimate without --pool to judge the gap.";
    } else {
      judge_gap(measured, *result.distance->tv_ci95, result);
    }
  }

  std::vector<ClassBelief> beliefs;
  const double uniform = 1 / static_cast<double>(prior.n_classes());
  for (std::int64_t c = 0; c < prior.n_classes(); ++c) {
    if (!prior.is_corrected(c)) continue;
    const auto at = static_cast<std::size_t>(c);
    const double reference = prior.empirical.empty() ? uniform : prior.empirical[at];
    beliefs.push_back({c, prior.effective[at], reference, prior.effective[at] / reference});
  }
  std::ranges::stable_sort(beliefs, [](const auto& a, const auto& b) { return a.ratio > b.ratio; });
  for (const ClassBelief& belief : beliefs) {
    if (belief.ratio <= 1 || static_cast<std::int64_t>(result.over_believed.size()) == listed)
      break;
    result.over_believed.push_back(belief);
  }
  for (auto belief = beliefs.rbegin(); belief != beliefs.rend(); ++belief) {
    if (belief->ratio >= 1 || static_cast<std::int64_t>(result.under_believed.size()) == listed)
      break;
    result.under_believed.push_back(*belief);
  }
  return result;
}

Balance judge_balance(const std::optional<ResidualSlope>& slope) {
  Balance result;
  result.slope = slope;
  if (!slope) {
    result.sentence =
        "The residual slope is not defined: it needs training counts with at least two different "
        "positive values among "
        "the labelled classes.";
    return result;
  }
  const Interval& ci = slope->ci95;
  const std::string value = fmt::format(
      "Residual slope {:.3f} (95 % interval {:.3f} to {:.3f}): ", slope->value, ci.low, ci.high);
  if (ci.low > kBalancedSlope) {
    result.verdict = BalanceVerdict::kHeadBiased;
    result.sentence =
        value + "these scores still favour frequent classes: correct with what was measured.";
  } else if (ci.high < -kBalancedSlope) {
    result.verdict = BalanceVerdict::kOverCorrected;
    result.sentence = value +
                      "these scores favour rare classes, as after dividing by the prior twice; "
                      "check --trained-with.";
  } else {
    result.verdict = BalanceVerdict::kBalanced;
    result.sentence = value + "no leaning to frequent or rare classes beyond 0.1.";
  }
  return result;
}

}  // namespace p2p
