#include "prior/match.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "p2p/error.hpp"

namespace p2p {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kShownRounds = 5;

// Adds the constant to the entries that move of `offset` that gives them the mean they have in
// `start`.
void keep_mean(const std::vector<double>& start, const std::vector<char>& moves,
               std::vector<double>& offset) {
  double excess = 0;
  double moving = 0;
  for (std::size_t c = 0; c < offset.size(); ++c) {
    if (moves[c] == 0) continue;
    excess += offset[c] - start[c];
    ++moving;
  }
  for (std::size_t c = 0; c < offset.size(); ++c) {
    if (moves[c] != 0) offset[c] -= excess / moving;
  }
}

// The SQUAREM step (Varadhan and Roland 2008) from three consecutive offsets.
std::vector<double> extrapolated(const std::vector<double>& f0, const std::vector<double>& f1,
                                 const std::vector<double>& f2, const std::vector<char>& moves) {
  const auto bend = [&](std::size_t c) { return (f2[c] - f1[c]) - (f1[c] - f0[c]); };
  double first = 0, second = 0;
  for (std::size_t c = 0; c < f0.size(); ++c) {
    if (moves[c] == 0) continue;
    first += (f1[c] - f0[c]) * (f1[c] - f0[c]);
    second += bend(c) * bend(c);
  }
  if (!(second > 0)) return f2;
  const double length = std::max(1.0, std::sqrt(first / second));
  std::vector<double> result = f2;
  for (std::size_t c = 0; c < f0.size(); ++c) {
    if (moves[c] == 0) continue;
    result[c] = f0[c] + 2 * length * (f1[c] - f0[c]) + length * length * bend(c);
  }
  return result;
}

// Mean 0 over the finite entries.
void centre(std::vector<double>& offset) {
  double total = 0;
  double finite = 0;
  for (const double f : offset) {
    if (!std::isfinite(f)) continue;
    total += f;
    ++finite;
  }
  if (finite == 0) return;
  for (double& f : offset) f -= total / finite;
}

// log(values / sum of values) over the classes that move.
std::vector<double> log_shares(const std::vector<double>& values, const std::vector<char>& moves) {
  double total = 0;
  for (std::size_t c = 0; c < values.size(); ++c) total += moves[c] != 0 ? values[c] : 0;
  std::vector<double> result(values.size(), kNaN);
  for (std::size_t c = 0; c < values.size(); ++c) {
    if (moves[c] != 0) result[c] = std::log(values[c] / total);
  }
  return result;
}

}  // namespace

double default_tolerance(DType dtype) { return dtype == DType::kF64 ? 1e-9 : 1e-6; }

PriorMatch match_offset(std::vector<double> start, const std::vector<double>& log_p,
                        const MeanOfOffset& mean, const MatchRules& rules) {
  const std::size_t classes = start.size();
  PriorMatch match;
  match.converged = false;
  match.offset = start;
  std::vector<char> moves = rules.moves;
  std::vector<double> p(classes);
  for (std::size_t c = 0; c < classes; ++c) {
    p[c] = std::exp(log_p[c]);
    if (moves[c] == 0 || p[c] > 0) continue;
    match.offset[c] = -kInfinity;
    moves[c] = 0;
  }
  if (std::ranges::all_of(moves, [](char m) { return m == 0; })) {
    match.converged = true;
    centre(match.offset);
    return match;
  }
  std::vector<int> unseen(classes, 0);
  std::vector<std::vector<double>> chain;  // offsets since the last extrapolation
  std::vector<double> before;              // where to go back to, or empty
  double change_before = 0;
  std::vector<double> log_target = log_shares(p, moves);
  while (!match.converged && static_cast<int>(match.changes.size()) < rules.max_rounds) {
    const std::vector<double> from = match.offset;
    const std::vector<double> log_mean = log_shares(mean(match.offset), moves);
    double change = 0;
    bool given_up = false;
    for (std::size_t c = 0; c < classes; ++c) {
      if (moves[c] == 0) continue;
      const double step = log_target[c] - log_mean[c];
      if (std::isfinite(step)) {
        match.offset[c] += step;
        change = std::max(change, std::abs(step));
        unseen[c] = 0;
        continue;
      }
      change = std::max(change, kLargestMatchStep);
      match.offset[c] += kLargestMatchStep;
      if (++unseen[c] <= kUnseenRounds) continue;
      match.unmatched.push_back(static_cast<std::int64_t>(c));
      match.offset[c] = start[c];
      moves[c] = 0;
      given_up = true;
    }
    if (given_up) log_target = log_shares(p, moves);
    keep_mean(start, moves, match.offset);
    match.changes.push_back(change);
    match.converged = change <= rules.tolerance;
    if (match.converged || static_cast<int>(match.changes.size()) < kPlainMatchRounds) continue;
    const bool astray = !before.empty() && change > kLargestMatchGrowth * change_before;
    if (astray) match.offset = std::move(before);
    before.clear();
    if (astray || given_up || change >= kLargestMatchStep) {
      chain.clear();
      continue;
    }
    chain.push_back(from);
    if (chain.size() < 2) continue;
    before = match.offset;
    change_before = change;
    match.offset = extrapolated(chain[0], chain[1], match.offset, moves);
    chain.clear();
  }
  // The cap came before the last extrapolation was looked at.
  if (!match.converged && !before.empty()) match.offset = std::move(before);
  centre(match.offset);
  std::ranges::sort(match.unmatched);
  return match;
}

std::vector<double> matched_residual(const ClassPrior& prior, const std::vector<double>& offset) {
  const std::size_t classes = prior.empirical.size();
  std::vector<double> r(classes, kNaN);
  double largest = -kInfinity;
  for (std::size_t c = 0; c < classes; ++c) {
    if (!prior.is_corrected(static_cast<std::int64_t>(c))) continue;
    r[c] = std::log(prior.empirical[c]) - offset[c];
    largest = std::max(largest, r[c]);
  }
  double total = 0;
  for (double& value : r) {
    if (std::isnan(value)) continue;
    value = std::exp(value - largest);
    if (!(value >= std::numeric_limits<double>::min() * static_cast<double>(classes))) {
      throw_bad_data(
          "the matched offset spans more than a float64 can hold (about 700 between classes); "
          "estimate without --iterate");
    }
    total += value;
  }
  for (double& value : r) value /= total;
  return r;
}

std::string unconverged_sentence(std::string_view name, const std::vector<double>& changes) {
  const std::size_t rounds = changes.size();
  std::vector<std::string> trace;
  for (std::size_t i = rounds - std::min(rounds, kShownRounds); i < rounds; ++i) {
    trace.push_back(fmt::format("{}: {:.3g}", i + 1, changes[i]));
  }
  return fmt::format("{} did not converge in {} rounds (change by round: {})", name, rounds,
                     fmt::join(trace, ", "));
}

}  // namespace p2p
