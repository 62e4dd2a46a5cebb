#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/label_source.hpp"
#include "p2p/row_source.hpp"

namespace p2p {

/// How the model was trained: softmax(z + b) models the posterior under the distribution of the
/// training rows.
struct Training {
  enum class Loss : std::uint8_t {
    kCrossEntropy,     ///< b = 0
    kLogitAdjusted,    ///< b = tau log pi (Menon et al. 2021)
    kBalancedSoftmax,  ///< b = log n (Ren et al. 2020)
    kClassWeights,     ///< b = -log w
    kOffset,           ///< b as given
  };
  Loss loss = Loss::kCrossEntropy;
  double tau = 1.0;
  std::vector<double> values;  ///< w or b, [C]
  std::string file = {};       ///< for messages: where `values` come from, or empty
};

/// b, [C]. Error: counts missing, values of the wrong length, weights that are not positive.
std::vector<double> training_offset(const Training& training, const std::vector<double>& counts,
                                    std::int64_t classes);

/// "ce", "la:1", "balanced-softmax", "weights" or "offset", for people.
std::string describe(const Training& training);

struct EstimateOptions {
  Training training;
  ScoreKind kind = ScoreKind::kAuto;
  bool kind_stated = false;    ///< the user said so: logits may then look like probabilities
  ScoreReading reading = {};   ///< that read_scores made these scores by; the prior remembers it
  std::vector<double> counts;  ///< training images per class, or empty
  std::vector<std::string> classes;
  std::string rows = "train";
  double temperature = 1.0;
  double smoothing = 0;
  bool pool = false;  ///< draw q towards a power of the class frequencies, each class by its error
  std::optional<double> floor;
  std::int64_t part = 1, parts = 1;
  std::optional<std::int64_t> ignore_index;
  bool labels_are_counts = true;  ///< without `counts`, labels stand for them; else the labels only
                                  ///< say which rows count
  std::vector<std::int64_t> excluded;
  bool iterate = false;   ///< r by matching: passes until mean softmax(z / T + f) = pi, log r = log
                          ///< pi - f. Needs counts, all parts and scores that can be read again
  int max_rounds = 1000;  ///< cap of `iterate`, in passes
  bool allow_unconverged = false;  ///< at the cap take the last round with a warning, not an error
  int threads = 1;
  std::atomic<std::int64_t>* rows_done = nullptr;  ///< progress, for a display
};

struct Estimate {
  ClassPrior prior;
  std::int64_t n_ignored = 0;
  bool kind_assumed = false;          ///< the kind was detected, not stated
  std::vector<std::string> warnings;  ///< sentences for people
};

/// The effective prior of the rows of `scores` (Bhat et al., WACV 2025, arXiv 2412.16540; the
/// estimator is also Kaldi's nnet-adjust-priors and abstention's source prior). `labels` (of the
/// whole data set, whatever the part) may be null. Labels alone: their counts are the training
/// counts. Labels and counts: rows of class c are weighted by pi_c N / m_c. One pass, O(N C)
/// (`iterate`: up to max_rounds, until the largest |log pi_c - log mean_c| is 1e-9 for f64 scores,
/// else 1e-6); memory O(C * threads). Same bits for any number of threads. Error{kBadData}: no
/// convergence, with the trace.
Estimate estimate_prior(ScoreSet& scores, LabelSource* labels, const EstimateOptions& options);

/// What `options` say of the prior before a row is read, for scores of `classes` classes. The kind
/// may still be kAuto; it is kept as it is. O(C). Error: options out of range or of another length.
PriorSettings prior_settings(const EstimateOptions& options, std::int64_t classes);

/// Sentences for people about an estimate: classes without images or rows, raised to the floor, not
/// matched; rows that may not follow the training distribution, or that the model memorised
/// (`zeros`: share of rows with a posterior of exactly 0).
std::vector<std::string> prior_warnings(const ClassPrior& prior, double zeros);

}  // namespace p2p
