#include "correction/held_out.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "prior/posterior_pass.hpp"
#include "scan/label_scan.hpp"

namespace p2p::correction {
namespace {

constexpr std::size_t kListedClasses = 10;
constexpr double kFloorFraction = 0.01;

}  // namespace

std::vector<std::int64_t> held_out_rows(const MethodInput& input) {
  const EvidenceRows& rows = input.evidence.holdout;
  demand_same_rows(*rows.scores, *rows.labels);
  return count_labels(*rows.labels, {input.prior.n_classes(), rows.ignore_index, {}},
                      input.evidence.threads)
      .rows;
}

std::vector<double> weights_towards_training(const ClassPrior& prior,
                                             const std::vector<std::int64_t>& rows) {
  if (prior.empirical.empty()) return {};
  return weights_towards(prior.empirical, rows);
}

std::vector<double> p2p_offset(const MethodInput& input) {
  const std::vector<char> corrected = corrected_classes(input.prior);
  std::vector<double> offset(corrected.size(), 0.0);
  double total = 0;
  std::int64_t finite = 0;
  for (std::size_t c = 0; c < offset.size(); ++c) {
    if (corrected[c] == 0) continue;
    offset[c] = input.log_target[c] - std::log(input.prior.residual[c]);
    if (!std::isfinite(offset[c])) continue;
    total += offset[c];
    ++finite;
  }
  for (std::size_t c = 0; c < offset.size(); ++c) {
    if (corrected[c] != 0)
      offset[c] -= total / static_cast<double>(std::max<std::int64_t>(finite, 1));
  }
  return offset;
}

std::vector<std::int64_t> raise_to_floor(const ClassPrior& prior, std::int64_t rows,
                                         std::vector<double>& q) {
  const double floor = prior.settings.floor.value_or(
      kFloorFraction / (static_cast<double>(rows) * static_cast<double>(q.size())));
  std::vector<std::int64_t> raised;
  double total = 0;
  for (std::size_t c = 0; c < q.size(); ++c) {
    if (q[c] < floor) {
      q[c] = floor;
      const auto at = static_cast<std::int64_t>(c);
      if (prior.is_corrected(at)) raised.push_back(at);
    }
    total += q[c];
  }
  for (double& value : q) value /= total;
  return raised;
}

void warn_of_classes_without_rows(const MethodInput& input, const std::vector<std::int64_t>& rows,
                                  const std::string& what, std::vector<std::string>& warnings) {
  std::vector<std::int64_t> without;
  for (std::size_t c = 0; c < rows.size(); ++c) {
    const auto at = static_cast<std::int64_t>(c);
    if (rows[c] == 0 && input.prior.is_corrected(at) && std::isfinite(input.log_target[c])) {
      without.push_back(at);
    }
  }
  if (without.empty()) return;
  const std::size_t shown = std::min(without.size(), kListedClasses);
  warnings.push_back(fmt::format(
      "{} class{} no labelled held-out rows and {}: {}{}", without.size(),
      without.size() == 1 ? " has" : "es have", what,
      fmt::join(without.begin(), without.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
      without.size() > shown ? ", ..." : ""));
}

}  // namespace p2p::correction
