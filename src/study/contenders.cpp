#include <chrono>

#include "p2p/compare.hpp"
#include "study/held_out_prior.hpp"

namespace p2p {
namespace {

Contender held_out_contender(const ClassPrior& prior, const CorrectionOptions& options,
                             const Evidence& evidence) {
  const auto start = std::chrono::steady_clock::now();
  Contender contender;
  contender.name = "p2p (held-out)";
  contender.prior = std::make_shared<const ClassPrior>(study::measured_on_holdout(prior, evidence));
  contender.options = options;
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  contender.prior_seconds = spent.count();
  return contender;
}

}  // namespace

std::vector<Contender> contenders(const std::shared_ptr<const ClassPrior>& prior,
                                  std::span<const Method> methods, const CorrectionOptions& options,
                                  const Evidence& evidence) {
  std::vector<Contender> result;
  for (const Method method : methods) {
    CorrectionOptions own = options;
    own.method = method;
    result.push_back({std::string(info(method).name), prior, own});
    if (method == Method::kP2P && evidence.holdout.scores != nullptr) {
      result.push_back(held_out_contender(*prior, own, evidence));
    }
    if (method == Method::kMatch && own.match_to == MatchTo::kSource &&
        evidence.unlabelled.scores != nullptr) {
      own.match_to = MatchTo::kTarget;
      result.push_back({"match (target)", prior, own});
    }
  }
  return result;
}

}  // namespace p2p
