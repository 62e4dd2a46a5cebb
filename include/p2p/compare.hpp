#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/correction.hpp"
#include "p2p/evidence.hpp"
#include "p2p/test_rows.hpp"

namespace p2p {

/// A correction to be found, and what it is called in the table.
struct Contender {
  std::string name;
  std::shared_ptr<const ClassPrior> prior;
  /// A method that estimates the target itself is run without `target` and `estimated_target`.
  CorrectionOptions options;
  double prior_seconds =
      0;  ///< spent on a prior that this contender alone uses; counted as its own
};

/// The methods in the order given, with what the evidence offers beside them: after p2p the same
/// with the prior measured on the held-out rows ("p2p (held-out)"), after match to source rows
/// match to target rows ("match (target)"). One pass over held-out rows. Error as estimate_prior.
std::vector<Contender> contenders(const std::shared_ptr<const ClassPrior>& prior,
                                  std::span<const Method> methods, const CorrectionOptions& options,
                                  const Evidence& evidence);

/// A correction with the time it took, or why there is none.
struct FoundCorrection {
  std::string name;
  std::optional<Correction> correction;
  std::string problem;  ///< one sentence; empty when there is a correction
  double seconds = 0;   ///< to find it
};

/// Each contender's correction. One that lacks inputs, or that cannot be made of good data (no
/// convergence, nothing to fit to), gets its sentence and does not stop the others. Cost: the sum
/// of theirs. Error as make_correction for everything else.
std::vector<FoundCorrection> find_corrections(std::span<const Contender> contenders,
                                              const Evidence& evidence);

/// Inputs and options that are given, but that no contender looks at, each as a sentence.
std::vector<std::string> unused_inputs(std::span<const Contender> contenders,
                                       const Evidence& evidence);

struct CompareOptions {
  std::string reference = "p2p";  ///< name of the correction that the others are compared with
  std::int64_t bootstrap = 1000;  ///< replicates; 0: no intervals
  std::uint64_t seed = 0;
  int threads = 1;
  std::atomic<std::int64_t>* rows_done = nullptr;  ///< progress, over all passes
};

enum class Standing : std::uint8_t {
  kUndecided,  ///< the interval holds 0
  kBetter,
  kWorse,
};

/// A method's metric minus the reference's on the same rows.
struct Difference {
  double value = 0;
  Interval ci95;
  Standing standing = Standing::kUndecided;
};

/// One line of the table.
struct ComparedMethod {
  FoundCorrection found;
  std::string problem;  ///< why there are no values, or empty
  std::optional<TableValues> values;
  std::optional<TableIntervals> ci95;  ///< with the bootstrap
  /// Against the reference, when both have values and there is a bootstrap.
  std::optional<Difference> accuracy, balanced_accuracy, nll;
};

struct Comparison {
  std::int64_t n_rows = 0;     ///< rows used
  std::int64_t n_ignored = 0;  ///< rows left out (ignore index, excluded classes)
  std::int64_t n_classes = 0;
  std::int64_t bootstrap = 0;
  std::string reference;
  std::vector<ComparedMethod> methods;  ///< in the order given
  TableValues best;                     ///< of each column
};

/// All corrections on the same labelled rows. Values and intervals are those of evaluate() for the
/// corrected scores in float64; the bootstrap draws the same rows for every correction. One pass
/// over the rows for each correction, O(N C), then O(bootstrap (N + C)); memory 24 bytes a row,
/// O(C) a thread, and 64 * bootstrap bytes. Same bits for any number of threads.
/// Error{kUsage}: scores that can be read only once. Error{kBadData}: labels or rows that
/// evaluate() would refuse.
Comparison compare(std::vector<FoundCorrection> corrections, const TestRows& test,
                   const CompareOptions& options);

}  // namespace p2p
