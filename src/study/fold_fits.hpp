#pragma once

#include <exception>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "p2p/select.hpp"
#include "study/folds.hpp"

namespace p2p::study {

/// The offsets of candidates at strength 1: one for each fold, fitted on the rows outside of it, or
/// one for all where the method does not fit the held-out rows.
class FoldFits {
 public:
  /// At the strength of the candidate. Rethrows what the first fit that failed threw.
  [[nodiscard]] std::vector<LogOffset> offsets(const Candidate& candidate) const;

 private:
  friend FoldFits fit_on_folds(const ClassPrior&, const CorrectionOptions&, const Evidence&,
                               const Folds&, std::span<const Candidate>);
  struct Fit {
    LogOffset offset;
    std::exception_ptr failure;
  };
  std::map<std::string, std::vector<Fit>> fits_;  // by the name of the candidate
};

/// Fits side by side on the threads of the evidence, each for all strengths of its method, where
/// its rows can be read by several at once. Same bits for any number of threads. The whole of the
/// held-out rows must have been found to be of their kind before. Stopped: as parallel_for.
FoldFits fit_on_folds(const ClassPrior& prior, const CorrectionOptions& options,
                      const Evidence& evidence, const Folds& folds,
                      std::span<const Candidate> candidates);

}  // namespace p2p::study
