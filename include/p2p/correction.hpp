#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/correct.hpp"
#include "p2p/evidence.hpp"

namespace p2p {

/// Every way to find a correction; methods() describes them.
enum class Method : std::uint8_t {
  kNone,
  kEmpirical,
  kP2P,
  kMatch,
  kGala,
  kEm,
  kMapEm,
  kBbse,
  kRlls,
  kDrops,
  kTemperature,
  kVectorScaling,
  kBias,
  kGla,
};

/// One method: what it is called, what it does and what it cannot do without.
struct MethodInfo {
  Method method;
  std::string_view name;          ///< as in --method
  std::string_view summary;       ///< one line
  bool needs_counts = false;      ///< training images per class in the prior
  bool needs_holdout = false;     ///< held-out scores with labels
  bool needs_unlabelled = false;  ///< scores of target rows
  bool needs_second = false;      ///< scores of a second model
  bool estimates_target = false;  ///< finds t itself; --target may then not be given
};

/// All methods, simplest first.
std::span<const MethodInfo> methods();
const MethodInfo& info(Method method);
/// Error{kUsage} listing the names.
Method find_method(std::string_view name);

/// Which rows `match` makes its mean posterior agree on.
enum class MatchTo : std::uint8_t {
  kSource,  ///< held-out rows of the training distribution, with the training prior
  kTarget,  ///< unlabelled target rows, with the target prior
};

/// How the rows of the confusion matrix of bbse and rlls are counted.
enum class Confusion : std::uint8_t {
  kSoft,  ///< mean posteriors: never singular because a class is never predicted
  kHard,  ///< predicted classes (Lipton et al. 2018)
};

struct CorrectionOptions {
  Method method = Method::kP2P;
  std::vector<double> target;  ///< t, [C], any positive scale; empty: uniform
  /// t is estimated from the unlabelled rows: kEm, kMapEm, kBbse or kRlls; `target` is then empty.
  std::optional<Method> estimated_target;
  double strength = 1.0;  ///< alpha; 0 is the identity
  double tau = 1.0;       ///< exponent of kEmpirical and kGala
  double eps = 0.5;       ///< radius of kDrops: KL(g || uniform) <= eps < log C
  MatchTo match_to = MatchTo::kSource;
  Confusion confusion = Confusion::kSoft;
  int max_rounds = 1000;            ///< cap of the iterative methods, in passes
  std::optional<double> tolerance;  ///< at which they stop; default: 1e-9 for f64 scores, else 1e-6
  bool allow_unconverged = false;   ///< at the cap take the last round with a warning, not an error
  double em_damping = 0.1;  ///< share of the old log t kept in a round of EM; 0: the plain rule
  double largest_weight = 1000;  ///< importance weights t / s of estimated targets stay within
                                 ///< [1/largest, largest]; infinity: the plain rule
};

/// One round of an iterative method.
struct Round {
  double change = 0;                     ///< what is compared with the tolerance
  std::optional<double> objective = {};  ///< what the method maximises or minimises, where it looks
};

/// A correction and how it was found.
struct Correction {
  LogOffset offset;
  std::vector<double> residual;  ///< r, [C], sums to 1; NaN where not corrected; empty for kNone
                                 ///< and strength 0
  std::vector<double> target;    ///< t, [C], sums to 1, given or estimated; likewise
  std::vector<Round> rounds;     ///< of the iterative methods, in order
  bool converged = true;
  std::vector<std::string> warnings;  ///< sentences for people
};

/// delta = alpha * (log t - log r), centred; 0 for classes that are not corrected. r and t come
/// from the method (docs/methods). Cost: O(C) for none, empirical and p2p; passes over the evidence
/// for the others. Same bits for any number of threads. Error{kUsage}: a method lacks an input
/// (named), options that do not fit; Error{kBadData}: a target of the wrong length, negative or all
/// zero; evidence of another number of classes; no convergence, with the trace.
Correction make_correction(const ClassPrior& prior, const CorrectionOptions& options,
                           const Evidence& evidence = {});

/// What `options.method` still lacks, as the sentence that make_correction would fail with; empty
/// when nothing.
std::string missing_inputs(const ClassPrior& prior, const CorrectionOptions& options,
                           const Evidence& evidence);

}  // namespace p2p
