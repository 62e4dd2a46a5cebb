#include <algorithm>
#include <cmath>

#include "correction/mean_posterior.hpp"
#include "correction/method.hpp"

namespace p2p::correction {
namespace {

// A class that no row believes in is taken to have this share of one row.
constexpr double kFloorFraction = 0.01;

}  // namespace

MethodResult run_gala(const MethodInput& input) {
  const ClassPrior& prior = input.prior;
  MeanPosterior mean(input.evidence.unlabelled, prior.n_classes(), prior.settings.temperature, {},
                     input.evidence);
  const std::vector<double> m = mean(std::vector<double>(prior.residual.size(), 0.0));
  const double floor =
      kFloorFraction / (static_cast<double>(mean.rows()) * static_cast<double>(prior.n_classes()));
  MethodResult result;
  result.temperature = prior.settings.temperature;
  result.log_residual.resize(m.size());
  for (std::size_t c = 0; c < m.size(); ++c) {
    if (m[c] < floor && prior.is_corrected(static_cast<std::int64_t>(c))) {
      result.floored.push_back(static_cast<std::int64_t>(c));
    }
    result.log_residual[c] = input.options.tau * std::log(std::max(m[c], floor));
  }
  return result;
}

}  // namespace p2p::correction
