#include <cmath>

#include "correction/method.hpp"
#include "correction/target_em.hpp"

namespace p2p::correction {
namespace {

// KL(a || b); b > 0 where a > 0.
double divergence(const std::vector<double>& a, const std::vector<double>& b) {
  double total = 0;
  for (std::size_t c = 0; c < a.size(); ++c) {
    if (a[c] > 0) total += a[c] * std::log(a[c] / b[c]);
  }
  return total;
}

// f(d, g) = g d / (1 + g d), in [0, 1]; g may be infinite.
double saturation(double d, double g) {
  if (!(d > 0)) return 0;
  return std::isinf(g) ? 1 : g * d / (1 + g * d);
}

// inv(x) = 2 (1 / (1 - x) - 1), infinite at x = 1.
double inverse(double x) { return 2 * (1 / (1 - x) - 1); }

// How far the mean posterior is trusted against the uniform prior.
double trust(const std::vector<double>& source, const std::vector<double>& target,
             const std::vector<double>& uniform) {
  constexpr double kSourceLevel = 0.2;
  constexpr double kUniformShare = 0.9;
  const double s = 1 - saturation(divergence(source, uniform), inverse(kSourceLevel));
  return kUniformShare * saturation(divergence(target, uniform), inverse(s)) +
         (1 - kUniformShare) * (1 - saturation(divergence(target, source), inverse(s)));
}

}  // namespace

MethodResult run_map_em(const MethodInput& input) {
  TargetEm em(input);
  const std::vector<double> free = em.iterate(em.source_prior(), 1);
  const double lam = trust(em.source_prior(), free, em.uniform());
  return em.finish(em.iterate(free, lam));
}

}  // namespace p2p::correction
