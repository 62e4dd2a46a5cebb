#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "correction/not_found.hpp"
#include "metrics/posterior_scan.hpp"
#include "study/candidates.hpp"
#include "study/fold_fits.hpp"
#include "study/fold_losses.hpp"
#include "study/folds.hpp"
#include "study/guards.hpp"
#include "study/objective.hpp"
#include "study/selecting.hpp"

namespace p2p::study {
namespace {

// Fits that are judged need no more digits than those of float32 scores, whatever the rows hold.
constexpr double kFoldTolerance = 1e-6;
constexpr double kGainErrors = 2;  // standard errors by which a correction has to beat none

std::string title(const Candidate& candidate) {
  return fmt::format("{} at strength {:g}", candidate.name, candidate.strength);
}

class Selector {
 public:
  Selector(const ClassPrior& prior, const SelectOptions& options, const Evidence& evidence)
      : prior_(prior),
        options_(options),
        evidence_(evidence),
        folds_(make_folds(evidence.holdout, prior.n_classes(), options.folds)),
        target_(target()),
        weights_(class_weights(options.objective, folds_, target_)) {}

  Selection run() {
    Selection result;
    result.objective = options_.objective;
    if (const std::string few = too_few(); !few.empty()) {
      return leave(std::move(result), Verdict::kTooFewRows, few);
    }
    result.candidates = candidates(prior_, options_, evidence_);
    std::vector<Candidate>& all = result.candidates;
    none_ = losses({fit(all.front(), prior_, fitting_options(), evidence_).offset});
    guards_.emplace(prior_, options_, folds_, target_, none_);
    fitted_ = fit_on_folds(prior_, fitting_options(), evidence_, folds_, all);
    for (Candidate& candidate : all) costs_.push_back(judge(candidate));
    while (true) {
      const std::size_t best = best_of(all);
      const std::size_t chosen = simplest(all, best);
      const Judgement& judged = all[chosen == 0 ? best : chosen].judged[objective()];
      if (chosen == 0 || judged.gain < kGainErrors * judged.gain_stderr) {
        return leave_alone(std::move(result), judged);
      }
      if (std::optional<Correction> correction = final_fit(all[chosen])) {
        result.correction = std::move(*correction);
        return choose(std::move(result), chosen, best);
      }
    }
  }

 private:
  [[nodiscard]] std::size_t objective() const {
    return static_cast<std::size_t>(options_.objective);
  }

  std::vector<double> target() const {
    CorrectionOptions options = options_.correction;
    options.method = options.estimated_target || !info(options.method).estimates_target
                         ? Method::kP2P
                         : options.method;
    options.strength = 1;
    return make_correction(prior_, options, evidence_).target;
  }

  [[nodiscard]] std::int64_t used_rows() const {
    std::int64_t rows = 0;
    for (const std::int64_t n : folds_.label_rows) rows += n;
    return rows;
  }

  [[nodiscard]] double notable() const {
    return options_.objective == Objective::kNll ? kNotableGain : kNotableScoreGain;
  }

  // Standard errors shrink with the square root of the rows.
  [[nodiscard]] std::int64_t rows_needed(double error) const {
    const double times = 2 * error / notable();
    return static_cast<std::int64_t>(std::ceil(static_cast<double>(used_rows()) * times * times));
  }

  // Every fold needs rows of the classes that count.
  [[nodiscard]] std::string too_few() const {
    double mass = 0, covered = 0;
    std::int64_t thin = 0, wanted = 0;
    for (std::size_t c = 0; c < target_.size(); ++c) {
      if (!(target_[c] > 0)) continue;
      mass += target_[c];
      ++wanted;
      if (folds_.label_rows[c] >= 2) {
        covered += target_[c];
      } else {
        ++thin;
      }
    }
    if (covered >= 0.5 * mass && used_rows() >= options_.folds) return "";
    return fmt::format(
        "too few rows to tell: {} of {} classes have fewer than 2 of the {} labelled held-out rows",
        thin, wanted, used_rows());
  }

  [[nodiscard]] RowLosses losses(const std::vector<LogOffset>& offsets) const {
    return fold_losses(evidence_.holdout, folds_, offsets, evidence_);
  }

  // Fills in what the rows say of a candidate; its costs [N], empty where it cannot be judged.
  std::vector<double> judge(Candidate& candidate) const {
    RowLosses rows;
    try {
      rows = candidate.method == Method::kNone ? none_ : losses(fitted_.offsets(candidate));
    } catch (const correction::NotFound& error) {
      return exclude_unjudged(candidate, error.what());
    } catch (const metrics::RowWithoutPosterior& error) {
      return exclude_unjudged(candidate, error.what());
    }
    judge(rows, candidate);
    guards_->set_groups(rows, candidate);
    std::vector<double> costs = row_costs(options_.objective, rows, folds_, target_);
    if (candidate.method == Method::kNone) return costs;
    candidate.excluded = guards_->refusal(rows, candidate);
    if (!std::isfinite(candidate.judged[objective()].value)) {
      candidate.excluded = "its loss is not finite";
    }
    return costs;
  }

  void judge(const RowLosses& rows, Candidate& candidate) const {
    for (std::size_t i = 0; i < kObjectives; ++i) {
      const auto by = static_cast<Objective>(i);
      const std::vector<double> weights = class_weights(by, folds_, target_);
      const std::vector<double> costs = row_costs(by, rows, folds_, target_);
      const WeightedMean gain =
          difference(row_costs(by, none_, folds_, target_), costs, folds_, weights);
      candidate.judged[i] = {value_of(by, weighted_mean(costs, folds_.label, weights).value),
                             gain.value, gain.standard_error};
    }
  }

  static std::vector<double> exclude_unjudged(Candidate& candidate, std::string why) {
    constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
    candidate.excluded = std::move(why);
    candidate.judged.fill({kNaN, kNaN, kNaN});
    candidate.behind = candidate.behind_stderr = kNaN;
    return {};
  }

  [[nodiscard]] CorrectionOptions fitting_options() const {
    CorrectionOptions options = options_.correction;
    if (!options.tolerance) options.tolerance = kFoldTolerance;
    if (options.estimated_target) {
      options.estimated_target.reset();
      options.target = target_;
      for (double& t : options.target) t = t > 0 ? t : 0;
    }
    return options;
  }

  [[nodiscard]] std::size_t best_of(const std::vector<Candidate>& all) const {
    std::size_t best = 0;
    for (std::size_t i = 1; i < all.size(); ++i) {
      if (all[i].excluded.empty() &&
          all[i].judged[objective()].gain > all[best].judged[objective()].gain) {
        best = i;
      }
    }
    return best;
  }

  // The first candidate within one standard error of the best.
  std::size_t simplest(std::vector<Candidate>& all, std::size_t best) const {
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (costs_[i].empty()) continue;
      const WeightedMean behind = difference(costs_[i], costs_[best], folds_, weights_);
      all[i].behind = behind.value;
      all[i].behind_stderr = behind.standard_error;
    }
    for (std::size_t i = 0; i < best; ++i) {
      if (all[i].excluded.empty() && all[i].behind <= all[i].behind_stderr) return i;
    }
    return best;
  }

  // The correction of a candidate, fitted on all rows. The fits of the folds were judged, not this
  // one, so that it has to hold against none and the guards as well; else the candidate is out.
  std::optional<Correction> final_fit(Candidate& candidate) {
    Correction correction;
    try {
      correction = fit(candidate, prior_, options_.correction, evidence_);
      if (!fits_holdout(candidate)) return correction;
      const RowLosses rows = losses({correction.offset});
      Candidate whole;
      judge(rows, whole);
      guards_->set_groups(rows, whole);
      candidate.excluded = guards_->refusal(rows, whole);
      if (candidate.excluded.empty() && !(whole.judged[objective()].gain > 0)) {
        candidate.excluded = fmt::format("it does not improve the {} of the rows it was fitted on",
                                         describe(options_.objective));
      }
    } catch (const correction::NotFound& error) {
      candidate.excluded = error.what();
    } catch (const metrics::RowWithoutPosterior& error) {
      candidate.excluded = error.what();
    }
    if (candidate.excluded.empty()) return correction;
    candidate.excluded = "fitted on all rows: " + candidate.excluded;
    return std::nullopt;
  }

  Selection choose(Selection result, std::size_t chosen, std::size_t best) const {
    const Candidate& winner = result.candidates[chosen];
    const Candidate& top = result.candidates[best];
    const Judgement& judged = winner.judged[objective()];
    result.verdict = Verdict::kCorrect;
    result.chosen = winner;
    result.sentence = fmt::format(
        "{}: {} by {:.4g} +- {:.2g}{}, and is {}", title(winner), improves(), judged.gain,
        judged.gain_stderr, unit(),
        chosen == best ? "the best"
                       : fmt::format("the simplest within one standard error of the best ({}, "
                                     "{:.4g}{} better)",
                                     title(top), winner.behind, unit()));
    add_disagreements(winner, result.correction.warnings);
    add_better_excluded(result.candidates, winner, result.correction.warnings);
    return result;
  }

  // `judged`: the best candidate that may be chosen.
  Selection leave_alone(Selection result, const Judgement& judged) const {
    const std::vector<Candidate> all = result.candidates;
    const auto leave_with_warnings = [&](Verdict verdict, std::string sentence) {
      Selection left = leave(std::move(result), verdict, std::move(sentence));
      add_better_excluded(all, all.front(), left.correction.warnings);
      return left;
    };
    if (std::all_of(all.begin() + 1, all.end(),
                    [](const Candidate& c) { return !c.excluded.empty(); })) {
      std::string why = "leave it alone: there is nothing to choose from";
      for (std::size_t i = 1; i < all.size(); ++i) {
        why += fmt::format("; {} is out ({})", title(all[i]), all[i].excluded);
      }
      return leave_with_warnings(Verdict::kLeaveAlone, why);
    }
    const double needed = kGainErrors * judged.gain_stderr;
    if (judged.gain + needed > notable()) {
      return leave_with_warnings(
          Verdict::kTooFewRows,
          fmt::format("too few rows to tell: the best correction {} by {:.3g} +- {:.2g}{} over {} "
                      "rows, so an effect of {:g} could hide; about {} rows would show it",
                      improves(), judged.gain, judged.gain_stderr, unit(), used_rows(), notable(),
                      rows_needed(needed)));
    }
    return leave_with_warnings(
        Verdict::kLeaveAlone,
        fmt::format("leave it alone: no correction {} by more than two standard errors (the best "
                    "by {:.3g} +- {:.2g}{} over {} rows)",
                    improves(), judged.gain, judged.gain_stderr, unit(), used_rows()));
  }

  [[nodiscard]] std::string improves() const {
    return fmt::format("{} the held-out {}",
                       options_.objective == Objective::kNll ? "lowers" : "raises",
                       describe(options_.objective));
  }

  [[nodiscard]] const char* unit() const {
    return options_.objective == Objective::kNll ? " nats" : "";
  }

  // What the chosen correction costs by other objectives.
  void add_disagreements(const Candidate& winner, std::vector<std::string>& warnings) const {
    std::vector<std::string> costs;
    for (std::size_t i = 0; i < kObjectives; ++i) {
      const Judgement& judged = winner.judged[i];
      if (i == objective() || judged.gain >= -kGainErrors * judged.gain_stderr) continue;
      const auto by = static_cast<Objective>(i);
      costs.push_back(fmt::format("the {} goes from {:.4g} to {:.4g} (worse by {:.2g} +- {:.2g})",
                                  describe(by), none_value(by, judged), judged.value, -judged.gain,
                                  judged.gain_stderr));
    }
    if (costs.empty()) return;
    warnings.push_back(
        fmt::format("objectives disagree: {} {}, but {}; choose by what matters (--objective)",
                    title(winner), improves(), fmt::join(costs, ", ")));
  }

  static double none_value(Objective by, const Judgement& judged) {
    return by == Objective::kNll ? judged.value + judged.gain : judged.value - judged.gain;
  }

  // A guard kept out what is better than the best of the others by more than a standard error.
  void add_better_excluded(const std::vector<Candidate>& all, const Candidate& winner,
                           std::vector<std::string>& warnings) const {
    const Candidate* better = nullptr;
    for (const Candidate& c : all) {
      if (c.excluded.empty() || !(c.behind < -c.behind_stderr)) continue;
      if (better == nullptr || c.behind < better->behind) better = &c;
    }
    if (better == nullptr) return;
    warnings.push_back(
        fmt::format("the best was left out: by the {}, {} is better than what was taken ({:.4g} "
                    "against {:.4g}), "
                    "but {}",
                    describe(options_.objective), title(*better), better->judged[objective()].value,
                    winner.judged[objective()].value, better->excluded));
  }

  Selection leave(Selection result, Verdict verdict, std::string sentence) const {
    result.verdict = verdict;
    result.sentence = std::move(sentence);
    return left_alone(std::move(result), prior_, options_, evidence_);
  }

  const ClassPrior& prior_;
  const SelectOptions& options_;
  const Evidence& evidence_;
  Folds folds_;
  std::vector<double> target_;
  std::vector<double> weights_;  // of the classes in the objective
  RowLosses none_;
  std::optional<Guards> guards_;
  FoldFits fitted_;
  std::vector<std::vector<double>> costs_;  // of each candidate, [N] by the objective
};

}  // namespace

Selection select_labelled(const ClassPrior& prior, const SelectOptions& options,
                          const Evidence& evidence) {
  return Selector(prior, options, evidence).run();
}

}  // namespace p2p::study
