#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "metrics/row_plan.hpp"
#include "p2p/correct.hpp"
#include "p2p/error.hpp"
#include "p2p/label_source.hpp"
#include "p2p/metrics.hpp"
#include "p2p/row_source.hpp"

namespace p2p::metrics {

/// Used rows of one block, as float64 posteriors, for the length of a call. May hold no row.
struct PosteriorChunk {
  std::int64_t count = 0;
  std::int64_t first_used = 0;              ///< index of the first row among all used rows
  const double* posteriors = nullptr;       ///< [count, C]
  const std::int64_t* rows = nullptr;       ///< [count] row within the data set
  const std::int64_t* labels = nullptr;     ///< [count]
  const std::int64_t* predicted = nullptr;  ///< [count] lowest index of the largest score
  const double* log_true = nullptr;         ///< [count] natural log of the label's posterior
  bool last_of_block = false;
};

struct PosteriorScan {
  /// Scores are used as scale * z / T + delta of this, whatever the temperature of the options. No
  /// second scores.
  const LogOffset* offset = nullptr;
  std::atomic<std::int64_t>* rows_done = nullptr;
};

/// A row whose scores are good, but which has none where a class is not excluded or switched off.
class RowWithoutPosterior : public Error {
 public:
  using Error::Error;
};

/// Workers that scan_posteriors will use.
int posterior_workers(const ScoreSet& scores, const EvaluateOptions& options);

/// Calls visit(worker, chunk) over all used rows; the chunks of a block come in order, on one
/// worker, cut alike for any number of threads. Rows that are not used are not looked at.
/// O(N C); memory of a few chunks per worker. Error: a bad used row, named;
/// RowWithoutPosterior.
void scan_posteriors(const ScoreSet& scores, LabelSource& labels, const RowPlan& plan,
                     const EvaluateOptions& options, const PosteriorScan& what,
                     const std::function<void(int worker, const PosteriorChunk& chunk)>& visit);

}  // namespace p2p::metrics
