#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "p2p/posterior_sum.hpp"
#include "p2p/row_source.hpp"
#include "p2p/score_reading.hpp"
#include "p2p/types.hpp"

namespace p2p {

/// Everything about an estimate that was decided before a row was read; merge() demands it equal.
struct PriorSettings {
  std::vector<std::string> classes;  ///< names, or empty
  std::string rows = "train";  ///< where the rows come from: train | train-augmented | holdout |
                               ///< loo
  ScoreKind input_kind = ScoreKind::kLogits;
  ScoreReading reading = {};  ///< how the stored numbers became scores of that kind
  double temperature = 1.0;
  std::string trained_with = "ce";      ///< how the offset came about, for people
  std::vector<double> training_offset;  ///< b, [C]
  std::vector<double> counts;           ///< training images per class, [C], or empty
  bool weighted = false;                ///< rows were weighted to the training prior
  double smoothing = 0;                 ///< kappa, in rows
  bool pool = false;  ///< draw q towards a power of the frequencies once no part is missing
  std::optional<double> floor;         ///< lower bound of q; default 1 / (100 N C)
  std::vector<std::int64_t> excluded;  ///< classes whose score is left as it is, ascending
};

/// One input file, or a part of the data set it belongs to.
struct PriorInput {
  InputRecord record;
  std::int64_t part = 1;
  std::int64_t parts = 1;
};

/// How r was found by matching (Sinkhorn-Knopp) instead of in one step: mean softmax(z / T + f) =
/// pi over the rows, log r = log pi - f.
struct PriorMatch {
  std::vector<double> offset;   ///< f, [C], mean 0 over its finite entries; -inf where b is
  std::vector<double> changes;  ///< max_c |log pi_c - log mean posterior_c| of each round
  bool converged = true;
  std::vector<std::int64_t> unmatched = {};  ///< classes without any posterior, whatever the
                                             ///< offset: f is b there
};

/// An effective prior and what is needed to use, explain and merge it. All vectors have one entry
/// per class.
struct ClassPrior {
  PriorSettings settings;
  std::int64_t n_rows = 0;
  std::vector<PriorInput> inputs;

  std::vector<double> effective;  ///< q = mean softmax(z / T + b), smoothed, floored; sums to 1
  std::vector<double>
      residual;  ///< r, proportional to q / exp(b); sums to 1; NaN where not corrected
  std::vector<double> empirical;     ///< pi, or empty
  std::vector<double> log_q_stderr;  ///< standard error of log q, NaN where q has no rows behind it
  std::vector<std::int64_t> floored;    ///< classes whose q was raised to the floor
  std::vector<std::int64_t> uncovered;  ///< classes with training images but no labelled row here
  PosteriorSum::State sums;
  std::optional<PriorMatch> match;  ///< r comes from here; q is that of the first round

  [[nodiscard]] std::int64_t n_classes() const {
    return static_cast<std::int64_t>(effective.size());
  }
  /// False for excluded classes and classes without training images: their offset is always 0.
  [[nodiscard]] bool is_corrected(std::int64_t c) const;
};

/// Turns sums into a prior:
///   q = S / sum(S); q~ = (N q + kappa pi) / (N + kappa); raised to the floor and renormalised; log
///   r = log q~ - b.
/// Standard error of log q without labels: sqrt((mean p^2 - q^2) / (N - 1)) / q; with labels
/// stratified, own class against the rest: N^2 Var = S2 - D^2 / m_c - (S - D)^2 / (N - m_c), an
/// upper bound (in expectation) of full stratification that needs O(C) memory. With settings.pool q
/// is pooled (docs/method.md) unless parts are missing. Error: no rows; smoothing or pool without
/// counts; pool of too few measured classes; counts or an offset of another length. O(C).
ClassPrior finish_prior(PriorSettings settings, const PosteriorSum& sums,
                        std::vector<PriorInput> inputs);

/// The prior of all rows behind both; same bits as one pass over them when they are parts of one
/// data set. Error{kBadData}: classes, counts, offset, temperature, input kind or another setting
/// differ, a part is given twice (whole arrays in memory are not recognised), or one was matched
/// in several passes.
ClassPrior merge(const ClassPrior& a, const ClassPrior& b);

/// Error{kBadData} naming the first setting that keeps two estimates from being merged.
void demand_same_settings(const PriorSettings& a, const PriorSettings& b);

/// Sentences naming the parts of a data set that are not in the prior; empty when complete.
std::vector<std::string> missing_parts(const ClassPrior& prior);

/// Total variation between q and pi above which rows may not follow the training distribution.
inline constexpr double kGrossMismatch = 0.2;

/// A sentence for people when q is so far from the class frequencies that the rows may not follow
/// the training distribution. Empty otherwise, and without counts, with labels, and while parts are
/// missing: then the comparison says nothing.
std::string mismatch_warning(const ClassPrior& prior);

/// The prior file (docs/formats/prior.md): JSON, 17 significant digits, same prior same bytes.
std::string write_prior(const ClassPrior& prior);
/// Error{kBadData} naming what is wrong, also a number that is not what the sums of the file give;
/// `name` is used in messages. O(C).
ClassPrior parse_prior(const std::string& text, const std::string& name);

/// n / sum(n). Error: negative, not finite, or all zero; `name` is used in messages.
std::vector<double> normalised(const std::vector<double>& weights, const std::string& name);

}  // namespace p2p
