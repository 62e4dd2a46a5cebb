#pragma once

#include <string>
#include <vector>

#include "p2p/correction.hpp"

/// What the methods share: each is one function from MethodInput to MethodResult, listed in
/// registry.cpp. make_correction turns the result into an offset.
namespace p2p::correction {

struct MethodInput {
  const ClassPrior& prior;
  const CorrectionOptions& options;
  const Evidence& evidence;
  /// log t of the target that was asked for, [C], sum of t 1; -inf where t_c = 0. Uniform for
  /// methods that estimate it.
  const std::vector<double>& log_target;
};

/// delta = alpha * (log t - log r), both up to a constant.
struct MethodResult {
  std::vector<double> log_residual;  ///< [C]; what it says of classes that are not corrected is not
                                     ///< looked at
  std::vector<double> log_target = {};  ///< [C]; empty: the one asked for
  double temperature = 1.0;             ///< scores are used as z / T
  std::vector<double> scale = {};       ///< [C], or empty
  std::optional<double> second_temperature = {};
  std::vector<std::int64_t> floored =
      {};  ///< classes whose r is only a floor: their delta is capped
  std::vector<Round> rounds = {};
  bool converged = true;
  std::vector<std::string> warnings = {};
};

using MethodFunction = MethodResult (*)(const MethodInput&);

MethodResult run_none(const MethodInput& input);
MethodResult run_empirical(const MethodInput& input);
MethodResult run_p2p(const MethodInput& input);
MethodResult run_match(const MethodInput& input);
MethodResult run_gala(const MethodInput& input);
MethodResult run_em(const MethodInput& input);
MethodResult run_map_em(const MethodInput& input);
MethodResult run_bbse(const MethodInput& input);
MethodResult run_rlls(const MethodInput& input);
MethodResult run_drops(const MethodInput& input);
MethodResult run_temperature(const MethodInput& input);
MethodResult run_vector_scaling(const MethodInput& input);
MethodResult run_bias(const MethodInput& input);
MethodResult run_gla(const MethodInput& input);

/// Classes whose offset a method may move, [C]: ClassPrior::is_corrected.
std::vector<char> corrected_classes(const ClassPrior& prior);

/// Adds the sentences that are not there yet.
void append_new(std::vector<std::string>& all, const std::vector<std::string>& more);

/// The tolerance of an iteration over these scores: the one asked for, else 1e-9 for f64 and 1e-6
/// for narrower types, whose posteriors are computed in f32.
double tolerance_for(const CorrectionOptions& options, DType dtype);

}  // namespace p2p::correction
