#pragma once

#include <vector>

#include "correction/mean_posterior.hpp"
#include "correction/method.hpp"
#include "correction/source_model.hpp"

namespace p2p::correction {

/// Expectation-maximisation over target rows (Saerens et al. 2002), from the source model
/// softmax(z / T + d) of prior s. Priors here are vectors [C], normalised over the corrected
/// classes, 0 elsewhere; w_c = t_c / s_c, 1 elsewhere. A round at t is one pass:
///   m = mean softmax(z / T + d + log w), over the corrected classes
///   F(t) = P(lam m + (1 - lam) / K), K corrected classes; its change is TV(F(t), t)
///   t <- P(t^a (lam m + (1 - lam) / K)^(1 - a)), a = em_damping
/// P maps to the nearest prior, by Kullback-Leibler divergence, with every w_c in
/// [1/largest_weight, largest_weight]. Plain EM is lam = 1, a = 0, largest_weight infinite;
/// otherwise two rounds at a time are extrapolated (SQUAREM, Varadhan and Roland 2008), and taken
/// back where the change grew more than kLargestGrowth times. Once 8 rounds have not lowered the
/// least change, only extrapolations are taken that do not lower what the rounds raise,
///   (1/N) sum_n log sum_c w_c softmax(z_n / T + d)_c + (1 - lam) / lam * share / K sum_c log t_c,
/// share that of the corrected classes in s, so that they cannot go round in circles; two passes in
/// float64 each. The fixed points are the same. Memory O(C).
class TargetEm {
 public:
  static constexpr double kLargestGrowth = 10;

  /// Error as MeanPosterior and source_model.
  explicit TargetEm(const MethodInput& input);

  /// s, and 1 / K.
  [[nodiscard]] const std::vector<double>& source_prior() const { return source_prior_; }
  [[nodiscard]] const std::vector<double>& uniform() const { return uniform_; }

  /// The fixed point from `start`, or the last round within max_rounds of all calls together.
  std::vector<double> iterate(const std::vector<double>& start, double lam);

  /// The result with t, or with s and a warning where t explains the target rows no better than s.
  /// The last round's objective becomes the gain, (1/N) sum_n log sum_c w_c softmax(z / T + d)_c in
  /// nats a row. Warns of what makes t doubtful. One pass in float64.
  MethodResult finish(std::vector<double> t);

 private:
  [[nodiscard]] std::vector<double> project(std::vector<double> values) const;
  [[nodiscard]] std::vector<double> weights(const std::vector<double>& t) const;
  [[nodiscard]] double objective(const std::vector<double>& t, double lam);
  [[nodiscard]] std::vector<double> pulled_mean(const std::vector<double>& t, double lam);
  void warn_of_doubts(const std::vector<double>& t, double gain,
                      std::vector<std::string>& warnings) const;

  const MethodInput& input_;
  SourceModel source_;
  MeanPosterior mean_;
  std::vector<char> corrected_;
  double corrected_classes_ = 0;      // K
  double share_ = 0;                  // of the corrected classes in the source prior
  std::vector<double> source_prior_;  // s
  std::vector<double> uniform_;
  std::vector<Round> rounds_;
  bool converged_ = true;
};

}  // namespace p2p::correction
