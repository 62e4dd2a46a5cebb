#include <chrono>

#include "p2p/compare.hpp"
#include "p2p/estimate.hpp"

namespace p2p {
namespace {

// q of the held-out rows, everything else as in `prior`.
Contender held_out_contender(const ClassPrior& prior, const CorrectionOptions& options,
                             const Evidence& evidence) {
  const auto start = std::chrono::steady_clock::now();
  const EvidenceRows& rows = evidence.holdout;
  EstimateOptions estimate;
  estimate.training.loss = Training::Loss::kOffset;
  estimate.training.values = prior.settings.training_offset;
  estimate.kind = rows.kind;
  estimate.kind_stated = rows.kind_stated;
  estimate.counts = prior.settings.counts;
  estimate.classes = prior.settings.classes;
  estimate.rows = "holdout";
  estimate.temperature = prior.settings.temperature;
  estimate.ignore_index = rows.ignore_index;
  estimate.excluded = prior.settings.excluded;
  estimate.threads = evidence.threads;
  estimate.rows_done = evidence.rows_done;
  // Without counts there is nothing to weigh by, and labels would pass for counts.
  LabelSource* labels = prior.settings.counts.empty() ? nullptr : rows.labels;
  Contender contender;
  contender.name = "p2p (held-out)";
  contender.prior =
      std::make_shared<const ClassPrior>(estimate_prior(*rows.scores, labels, estimate).prior);
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
