#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "p2p/class_prior.hpp"
#include "p2p/error.hpp"
#include "prior/pool.hpp"

namespace p2p {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// Default floor of q: this fraction of one row, spread over all classes.
constexpr double kFloorFraction = 0.01;
// Fewer labelled rows of a class do not tell how much its rows vary.
constexpr std::int64_t kLeastOwnRows = 3;

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

// Standard errors of log q; see finish_prior() in the header. Classes with fewer than
// `least_own_rows` labelled rows are not stratified.
std::vector<double> log_stderr(const PosteriorSum& sums, const std::vector<double>& posterior,
                               double total, std::int64_t least_own_rows = 0) {
  const std::vector<double> squared = sums.posterior_squared();
  const std::vector<std::int64_t> label_rows = sums.label_rows();
  const auto labelled =
      static_cast<double>(std::accumulate(label_rows.begin(), label_rows.end(), std::int64_t{0}));
  const std::vector<double> own = labelled > 0 ? sums.own_class() : std::vector<double>();
  const auto rows = static_cast<double>(sums.rows());
  std::vector<double> result(posterior.size(), kNaN);
  for (std::size_t c = 0; c < result.size(); ++c) {
    if (posterior[c] <= 0 || rows < 2) continue;
    double between = posterior[c] * posterior[c] / rows;
    if (labelled > 0 && label_rows[c] >= least_own_rows) {
      const auto own_rows = static_cast<double>(label_rows[c]);
      const double rest = posterior[c] - own[c];
      between = (own_rows > 0 ? own[c] * own[c] / own_rows : 0) +
                (labelled > own_rows ? rest * rest / (labelled - own_rows) : 0);
    }
    const double variance =
        std::max(0.0, squared[c] - between) / (total * total) * rows / (rows - 1);
    result[c] = std::sqrt(variance) / (posterior[c] / total);
  }
  return result;
}

void demand_length(const std::vector<double>& values, std::int64_t classes, const char* what) {
  if (static_cast<std::int64_t>(values.size()) == classes) return;
  throw_bad_data(fmt::format("{} of {} values for {} classes; give one per class", what,
                             values.size(), classes));
}

// The errors of log q to pool by: NaN, not measured, where there are labels and none of the class.
std::vector<double> pooling_errors(const PosteriorSum& sums, const std::vector<double>& posterior,
                                   double total) {
  std::vector<double> errors = log_stderr(sums, posterior, total, kLeastOwnRows);
  const std::vector<std::int64_t> label_rows = sums.label_rows();
  if (std::ranges::all_of(label_rows, [](auto m) { return m == 0; })) return errors;
  for (std::size_t c = 0; c < errors.size(); ++c) {
    if (label_rows[c] == 0) errors[c] = kNaN;
  }
  return errors;
}

// q, the shares of all rows' posteriors, where `set.pool` says so drawn together once no part is
// missing; the classes that are not corrected keep theirs.
std::vector<double> shares_of(const ClassPrior& prior, const PosteriorSum& sums,
                              const std::vector<double>& posterior, double total) {
  std::vector<double> shares(posterior);
  for (double& share : shares) share /= total;
  if (!prior.settings.pool) return shares;
  if (prior.empirical.empty()) {
    throw_usage(
        "--pool draws the prior towards a power of the class frequencies and needs --counts or "
        "--labels");
  }
  if (!missing_parts(prior).empty()) return shares;
  const std::vector<double> errors = pooling_errors(sums, posterior, total);
  std::vector<std::size_t> kept;
  std::vector<double> q;
  std::vector<double> error;
  std::vector<double> frequencies;
  for (std::size_t c = 0; c < shares.size(); ++c) {
    if (!prior.is_corrected(static_cast<std::int64_t>(c))) continue;
    kept.push_back(c);
    q.push_back(shares[c]);
    error.push_back(errors[c]);
    frequencies.push_back(prior.empirical[c]);
  }
  const std::vector<double> drawn = pooled(q, error, frequencies);
  const double scale = sum(q) / sum(drawn);
  for (std::size_t i = 0; i < kept.size(); ++i) shares[kept[i]] = drawn[i] * scale;
  return shares;
}

// Complete sets of parts become one entry each; order does not tell how the file came about.
std::vector<PriorInput> canonical(std::vector<PriorInput> inputs) {
  const auto key = [](const PriorInput& in) {
    return std::tie(in.record.name, in.record.sha256, in.record.shape, in.parts, in.part);
  };
  std::ranges::sort(inputs, [&](const auto& a, const auto& b) { return key(a) < key(b); });
  std::vector<PriorInput> result;
  for (std::size_t i = 0; i < inputs.size();) {
    const PriorInput& first = inputs[i];
    std::size_t end = i;
    while (end < inputs.size() && inputs[end].record.name == first.record.name &&
           inputs[end].record.sha256 == first.record.sha256 &&
           inputs[end].record.shape == first.record.shape && inputs[end].parts == first.parts) {
      ++end;
    }
    // A file that the data set holds k times has every part k times.
    const auto copies = static_cast<std::int64_t>(
        std::count_if(inputs.begin() + static_cast<std::ptrdiff_t>(i),
                      inputs.begin() + static_cast<std::ptrdiff_t>(end),
                      [&](const PriorInput& in) { return in.part == first.part; }));
    const auto found = static_cast<std::int64_t>(end - i);
    bool complete = found / copies == first.parts && found % copies == 0;
    for (std::size_t k = i; complete && k < end; ++k) {
      complete = inputs[k].part == static_cast<std::int64_t>(k - i) / copies + 1;
    }
    if (complete) {
      result.insert(result.end(), static_cast<std::size_t>(copies), {first.record, 1, 1});
    } else {
      result.insert(result.end(), inputs.begin() + static_cast<std::ptrdiff_t>(i),
                    inputs.begin() + static_cast<std::ptrdiff_t>(end));
    }
    i = end;
  }
  return result;
}

}  // namespace

std::vector<double> normalised(const std::vector<double>& weights, const std::string& name) {
  for (std::size_t c = 0; c < weights.size(); ++c) {
    if (!(weights[c] >= 0) || std::isinf(weights[c])) {
      throw_bad_data(fmt::format("{}: value {} of class {} is not a finite number of at least 0",
                                 name, weights[c], c));
    }
  }
  const double total = sum(weights);
  if (!(total > 0)) throw_bad_data(name + ": all values are 0; at least one must be positive");
  std::vector<double> result(weights);
  for (double& value : result) value /= total;
  return result;
}

bool ClassPrior::is_corrected(std::int64_t c) const {
  const auto at = static_cast<std::size_t>(c);
  return (settings.counts.empty() || settings.counts[at] > 0) &&
         !std::ranges::binary_search(settings.excluded, c);
}

ClassPrior finish_prior(PriorSettings settings, const PosteriorSum& sums,
                        std::vector<PriorInput> inputs) {
  ClassPrior prior;
  prior.settings = std::move(settings);
  prior.inputs = canonical(std::move(inputs));
  prior.n_rows = sums.rows();
  prior.sums = sums.save();
  const PriorSettings& set = prior.settings;
  const std::int64_t classes = sums.classes();
  const std::vector<double> posterior = sums.posterior();
  const double total = sum(posterior);
  demand_length(set.training_offset, classes, "a training offset");
  if (!set.counts.empty()) demand_length(set.counts, classes, "counts");
  if (prior.n_rows == 0 || !(total > 0)) {
    throw_bad_data("no rows to estimate a prior from: all were ignored or have weight 0");
  }
  if (!set.counts.empty()) prior.empirical = normalised(set.counts, "counts");
  if (set.smoothing > 0 && set.counts.empty()) {
    throw_usage(
        "--smoothing pulls the prior towards the class frequencies and needs --counts or --labels");
  }

  prior.log_q_stderr = log_stderr(sums, posterior, total);
  const std::vector<double> shares = shares_of(prior, sums, posterior, total);
  const auto rows = static_cast<double>(prior.n_rows);
  const double floor = set.floor.value_or(kFloorFraction / (rows * static_cast<double>(classes)));
  prior.effective.resize(posterior.size());
  for (std::int64_t c = 0; c < classes; ++c) {
    const auto at = static_cast<std::size_t>(c);
    double q = shares[at];
    if (set.smoothing > 0) {
      q = (rows * q + set.smoothing * prior.empirical[at]) / (rows + set.smoothing);
    }
    if (q < floor) {
      q = floor;
      if (prior.is_corrected(c)) prior.floored.push_back(c);
    }
    prior.effective[at] = q;
  }
  const double floored_total = sum(prior.effective);
  for (double& q : prior.effective) q /= floored_total;

  // r = q / exp(b) relative to its largest exponent, so that no offset overflows.
  prior.residual.assign(posterior.size(), kNaN);
  double largest = -std::numeric_limits<double>::infinity();
  for (std::int64_t c = 0; c < classes; ++c) {
    const auto at = static_cast<std::size_t>(c);
    if (!prior.is_corrected(c)) continue;
    prior.residual[at] = std::log(prior.effective[at]) - set.training_offset[at];
    largest = std::max(largest, prior.residual[at]);
  }
  if (std::isinf(largest)) {
    throw_usage(
        "no class is left to correct: all are excluded or without training images; leave some");
  }
  double residual_total = 0;
  for (double& r : prior.residual) {
    if (std::isnan(r)) continue;
    r = std::exp(r - largest);
    if (!(r >= std::numeric_limits<double>::min() * static_cast<double>(classes))) {
      throw_usage(
          "the training offset spans more than a float64 can hold (about 700 between classes); "
          "check --trained-with");
    }
    residual_total += r;
  }
  for (double& r : prior.residual) r /= residual_total;

  const bool labelled = std::ranges::any_of(prior.sums.label_rows, [](auto m) { return m > 0; });
  for (std::int64_t c = 0; labelled && !set.counts.empty() && c < classes; ++c) {
    const auto at = static_cast<std::size_t>(c);
    if (set.counts[at] > 0 && prior.sums.label_rows[at] == 0) prior.uncovered.push_back(c);
  }
  return prior;
}

}  // namespace p2p
