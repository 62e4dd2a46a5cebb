#include "study/fold_fits.hpp"

#include <algorithm>
#include <ranges>

#include "p2p/parallel.hpp"
#include "study/candidates.hpp"

namespace p2p::study {
namespace {

bool read_side_by_side(const Evidence& evidence) {
  for (const EvidenceRows* rows :
       {&evidence.holdout, &evidence.unlabelled, &evidence.holdout_second}) {
    if (rows->scores != nullptr && !rows->scores->random_access()) return false;
  }
  return true;
}

}  // namespace

FoldFits fit_on_folds(const ClassPrior& prior, const CorrectionOptions& options,
                      const Evidence& evidence, const Folds& folds,
                      std::span<const Candidate> candidates) {
  struct Task {
    Candidate candidate;
    int fold = 0;
    FoldFits::Fit* fit = nullptr;
  };
  FoldFits result;
  std::vector<Task> tasks;
  for (const Candidate& candidate : candidates) {
    std::vector<FoldFits::Fit>& fits = result.fits_[candidate.name];
    if (!fits.empty()) continue;
    fits.resize(fits_holdout(candidate) ? static_cast<std::size_t>(folds.count) : 1);
    for (std::size_t k = 0; k < fits.size(); ++k) {
      tasks.push_back({candidate, static_cast<int>(k), &fits[k]});
      tasks.back().candidate.strength = 1;
    }
  }
  // Those with more to fit come last among the candidates; begun first, they do not end last.
  std::ranges::reverse(tasks);
  const int workers =
      read_side_by_side(evidence) ? std::min(evidence.threads, static_cast<int>(tasks.size())) : 1;
  parallel_for(static_cast<std::int64_t>(tasks.size()), workers, [&](int, std::int64_t i) {
    const Task& task = tasks[static_cast<std::size_t>(i)];
    Evidence own = evidence;
    own.threads = std::max(1, evidence.threads / workers);
    const FoldRows others(evidence.holdout, folds, task.fold, FoldRows::Side::kOutside);
    if (fits_holdout(task.candidate)) own.holdout = others.rows();
    try {
      task.fit->offset = fit(task.candidate, prior, options, own).offset;
    } catch (const std::exception&) {
      task.fit->failure = std::current_exception();
    }
  });
  return result;
}

std::vector<LogOffset> FoldFits::offsets(const Candidate& candidate) const {
  std::vector<LogOffset> offsets;
  for (const Fit& fit : fits_.at(candidate.name)) {
    if (fit.failure) std::rethrow_exception(fit.failure);
    offsets.push_back(fit.offset);
    for (double& d : offsets.back().delta) d *= candidate.strength;
  }
  return offsets;
}

}  // namespace p2p::study
