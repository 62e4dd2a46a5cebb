#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/correct.hpp"
#include "p2p/row_source.hpp"
#include "p2p/types.hpp"

namespace p2p {

struct TrackOptions {
  /// t0, [C], any positive scale: the stored prior that a reset goes back to. Empty: r, which is
  /// the identity offset.
  std::vector<double> target = {};
  double half_life = 10'000;        ///< rows after which what was learned counts half
  std::int64_t reset_every = 1000;  ///< batches from one full reset to the next; 0: never
  double drift_limit = 20;  ///< nats that t may lose against t0 before a reset; infinity: never
  double largest_weight = 1000;  ///< t / t0 stays within [1/largest, largest]; finite
};

struct BatchOptions {
  ScoreKind kind = ScoreKind::kLogits;  ///< never kAuto
  bool kind_stated = false;             ///< the user said so: logits may look like probabilities
  int threads = 1;
};

/// Why t went back to t0 before a batch was learned.
enum class TrackReset : std::uint8_t { kNone, kSchedule, kDrift };

/// What one batch did.
struct TrackStep {
  std::int64_t batch = 0;       ///< counted from 1, refused ones included
  std::int64_t rows = 0;        ///< of this batch
  std::int64_t total_rows = 0;  ///< learned since the first batch
  TrackReset reset = TrackReset::kNone;
  double gain = 0;   ///< mean log-likelihood of its rows under t, as t was before them, less t0
  double drift = 0;  ///< S after this batch
  std::vector<double> target;  ///< t, [C], sums to 1 over corrected classes, NaN elsewhere
  LogOffset offset;            ///< what it makes of the scores that follow
};

/// Follows the prior of the data that are seen now, batch by batch, in memory O(C). With r the
/// residual prior, t0 the stored prior and p(x | t) = softmax(z / T + log t - log r) over corrected
/// classes (the others keep their score), a batch of n rows does
///   gain  = (1/n) sum_i log sum_c p_i(t0)_c t_c / t0_c
///   S     = max(0, S - n gain), and t = t0, S = 0 when S > drift_limit
///   t     = (1 - eta) t + eta mean_i p_i(t),  eta = 1 - 2^(-n / half_life)
/// and t / t0 is cut to [1/largest_weight, largest_weight], t normalised. n of the last line counts
/// rows by their share in corrected classes. Sources: Saerens et al. 2002 (the EM step), Page 1954
/// (S), Press et al. 2023, arXiv 2306.05401 (the full reset).
class PriorTracker {
 public:
  /// Everything that a restart needs; source and position are the caller's.
  struct State {
    std::string prior;           ///< fingerprint of r and T
    std::string stored_target;   ///< fingerprint of t0
    std::vector<double> target;  ///< t, [C], NaN where not corrected
    double drift = 0;            ///< S
    std::int64_t batches = 0;
    std::int64_t rows = 0;
    std::int64_t since_reset = 0;  ///< batches
    std::string source;            ///< what was read, or empty
    std::int64_t position = 0;     ///< bytes of it that are done with
  };

  /// Error{kUsage}: options out of range; {kBadData}: a target of another length, negative or all
  /// zero.
  explicit PriorTracker(ClassPrior prior, TrackOptions options = {});

  /// Learns a batch. One pass in float64, O(n C), memory O(C * threads); same bits for any number
  /// of threads. Error{kBadData}: no rows, another number of classes, a bad row or one of another
  /// kind, named; then nothing has changed.
  TrackStep update(ScoreSet& batch, const BatchOptions& options);
  /// Counts a batch that could not be learned, so that batches keep their numbers.
  void refuse_batch() { ++state_.batches; }

  /// The offset for scores that follow: as make_correction with target t.
  [[nodiscard]] LogOffset offset() const;
  [[nodiscard]] const std::vector<double>& target() const { return state_.target; }
  [[nodiscard]] std::int64_t batches() const { return state_.batches; }
  [[nodiscard]] std::int64_t rows() const { return state_.rows; }

  /// Without source and position.
  [[nodiscard]] State save() const { return state_; }
  /// Goes on from a saved state, with the same bits. Error{kBadData}: a state of another prior or
  /// stored prior, or damaged; `name` is used in messages.
  void load(State state, const std::string& name);

 private:
  struct BatchSums;
  [[nodiscard]] BatchSums scan(ScoreSet& batch, const BatchOptions& options,
                               const std::vector<double>& ratio) const;
  void reset(State& state) const;
  void learn(State& state, const std::vector<double>& posterior) const;

  ClassPrior prior_;
  TrackOptions options_;
  std::vector<char> corrected_;
  std::vector<double> stored_;  ///< t0, NaN where not corrected
  std::vector<double> offset_;  ///< log t0 - log r; 0 where not corrected
  State state_;
};

/// The state file: JSON, 17 significant digits.
std::string write_tracker_state(const PriorTracker::State& state);
/// Error{kBadData} naming what is wrong; `name` is used in messages.
PriorTracker::State parse_tracker_state(const std::string& text, const std::string& name);

}  // namespace p2p
