#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "p2p/error.hpp"
#include "study/candidates.hpp"
#include "study/fold_losses.hpp"
#include "study/folds.hpp"
#include "study/selecting.hpp"
#include "study/table_values.hpp"

namespace p2p::study {
namespace {

constexpr double kGainErrors = 2;  // standard errors by which a correction has to beat none

class Selector {
 public:
  Selector(const ClassPrior& prior, const SelectOptions& options, const Evidence& evidence)
      : prior_(prior),
        options_(options),
        evidence_(evidence),
        folds_(make_folds(evidence.holdout, prior.n_classes(), options.folds)),
        target_(target()) {}

  Selection run() {
    Selection result;
    result.candidates = candidates(prior_, options_, evidence_);
    if (const std::string few = too_few(); !few.empty()) {
      result.candidates.clear();
      return leave(std::move(result), Verdict::kTooFewRows, few);
    }
    std::size_t best = 0;
    for (std::size_t i = 0; i < result.candidates.size(); ++i) {
      Candidate& candidate = result.candidates[i];
      std::vector<double> losses = judge(candidate, result.candidates.front());
      if (!candidate.excluded.empty()) continue;
      if (i == 0) none_ = losses;
      if (i == 0 || candidate.loss < result.candidates[best].loss) {
        best = i;
        best_ = std::move(losses);
      }
    }
    const std::size_t chosen = simplest(result.candidates, best);
    const Candidate& winner = result.candidates[chosen];
    const Candidate& top = result.candidates[best];
    const double needed = kGainErrors * (chosen == 0 ? top : winner).gain_stderr;
    const double gain = (chosen == 0 ? top : winner).gain;
    if (chosen != 0 && gain >= needed) {
      result.verdict = Verdict::kCorrect;
      result.chosen = winner;
      result.correction = fit(winner, prior_, options_.correction, evidence_);
      result.sentence = fmt::format(
          "{} at strength {:g}: lowers the held-out NLL weighted to the target by {:.4g} +- {:.2g} "
          "nats, and is {}",
          winner.name, winner.strength, winner.gain, winner.gain_stderr,
          chosen == best
              ? "the best"
              : fmt::format("the simplest within one standard error of the best ({} at strength "
                            "{:g}, {:.4g} nats lower)",
                            top.name, top.strength, winner.behind));
      return result;
    }
    if (std::ranges::all_of(result.candidates.begin() + 1, result.candidates.end(),
                            [](const Candidate& c) { return !c.excluded.empty(); })) {
      std::string why = "leave it alone: there is nothing to choose from";
      for (std::size_t i = 1; i < result.candidates.size(); ++i) {
        const Candidate& candidate = result.candidates[i];
        why += fmt::format("; {} at strength {:g} is out ({})", candidate.name, candidate.strength,
                           candidate.excluded);
      }
      return leave(std::move(result), Verdict::kLeaveAlone, why);
    }
    const bool blind = gain + needed > kNotableGain;
    return leave(
        std::move(result), blind ? Verdict::kTooFewRows : Verdict::kLeaveAlone,
        blind
            ? fmt::format("too few rows to tell: the best correction changes the held-out NLL by "
                          "{:.3g} +- {:.2g} nats over {} rows, so an effect of {:g} nats could "
                          "hide; about {} rows would show it",
                          -gain, needed / kGainErrors, used_rows(), kNotableGain,
                          rows_needed(needed))
            : fmt::format("leave it alone: no correction lowers the held-out NLL by more than two "
                          "standard errors (the best by {:.3g} +- {:.2g} nats over {} rows)",
                          gain, needed / kGainErrors, used_rows()));
  }

 private:
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

  // Standard errors shrink with the square root of the rows.
  [[nodiscard]] std::int64_t rows_needed(double error) const {
    const double times = 2 * error / kNotableGain;
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

  // Fills in what the rows say of a candidate; the losses of its rows.
  std::vector<double> judge(Candidate& candidate, const Candidate& none) {
    std::vector<LogOffset> offsets;
    try {
      offsets = offsets_of(candidate);
    } catch (const Error& error) {
      candidate.excluded = error.what();
      candidate.loss = candidate.gain = candidate.gain_stderr =
          std::numeric_limits<double>::quiet_NaN();
      candidate.behind = candidate.behind_stderr = candidate.loss;
      return {};
    }
    RowLosses rows = fold_losses(evidence_.holdout, folds_, offsets, evidence_);
    candidate.loss = weighted_mean(rows.loss, folds_.label, target_).value;
    set_groups(candidate, rows.hits);
    if (&candidate != &none) {
      const WeightedMean gain = difference(none_, rows.loss);
      candidate.gain = gain.value;
      candidate.gain_stderr = gain.standard_error;
      candidate.excluded = guard(candidate, none);
    }
    if (!std::isfinite(candidate.loss)) candidate.excluded = "its loss is not finite";
    return std::move(rows.loss);
  }

  // One offset a fold, or one for all. Offsets are proportional to the strength, so that a method
  // is fitted once for all strengths.
  std::vector<LogOffset> offsets_of(const Candidate& candidate) {
    auto found = fitted_.find(candidate.name);
    if (found == fitted_.end()) {
      Candidate full = candidate;
      full.strength = 1;
      std::vector<LogOffset> offsets;
      if (fits_holdout(candidate)) {
        for (int k = 0; k < folds_.count; ++k) {
          const FoldRows others(evidence_.holdout, folds_, k, FoldRows::Side::kOutside);
          Evidence evidence = evidence_;
          evidence.holdout = others.rows();
          offsets.push_back(fit(full, prior_, fitting_options(), evidence).offset);
        }
      } else {
        offsets.push_back(fit(full, prior_, fitting_options(), evidence_).offset);
      }
      found = fitted_.emplace(candidate.name, std::move(offsets)).first;
    }
    std::vector<LogOffset> offsets = found->second;
    for (LogOffset& offset : offsets) {
      for (double& d : offset.delta) d *= candidate.strength;
    }
    return offsets;
  }

  [[nodiscard]] CorrectionOptions fitting_options() const {
    CorrectionOptions options = options_.correction;
    if (options.estimated_target) {
      options.estimated_target.reset();
      options.target = target_;
      for (double& t : options.target) t = t > 0 ? t : 0;
    }
    return options;
  }

  [[nodiscard]] WeightedMean difference(const std::vector<double>& a,
                                        const std::vector<double>& b) const {
    std::vector<double> values(a.size());
    std::ranges::transform(a, b, values.begin(), std::minus<>());
    return weighted_mean(values, folds_.label, target_);
  }

  void set_groups(Candidate& candidate, const std::vector<std::int64_t>& hits) const {
    if (prior_.settings.counts.empty()) return;
    EvaluateOptions options;
    options.counts = prior_.settings.counts;
    options.many = options_.many;
    options.few = options_.few;
    metrics::RowPlan plan;  // of the classes that the target holds
    plan.label_counts = folds_.label_rows;
    for (std::size_t c = 0; c < target_.size(); ++c) {
      if (!(target_[c] > 0)) plan.label_counts[c] = 0;
      plan.n_used += plan.label_counts[c];
    }
    TableSums sums(prior_.n_classes());
    sums.drawn = plan.label_counts;
    sums.hits = hits;
    const TableValues values = table_values(sums, plan, options);
    candidate.many = values.many;
    candidate.medium = values.medium;
    candidate.few = values.few;
  }

  [[nodiscard]] std::string guard(const Candidate& candidate, const Candidate& none) const {
    const auto lost = [&](const char* name, std::optional<double> before,
                          std::optional<double> after) {
      if (!before || *before - *after <= options_.group_loss) return std::string();
      return fmt::format("{} falls from {:.4g} to {:.4g}, more than {:g}", name, *before, *after,
                         options_.group_loss);
    };
    for (const std::string& sentence :
         {lost("many", none.many, candidate.many), lost("medium", none.medium, candidate.medium),
          lost("few", none.few, candidate.few)}) {
      if (!sentence.empty()) return sentence;
    }
    return "";
  }

  // The first candidate within one standard error of the best.
  std::size_t simplest(std::vector<Candidate>& all, std::size_t best) {
    for (std::size_t i = 0; i < best; ++i) {
      Candidate& candidate = all[i];
      if (!candidate.excluded.empty()) continue;
      const WeightedMean behind = difference(
          i == 0 ? none_
                 : fold_losses(evidence_.holdout, folds_, offsets_of(candidate), evidence_).loss,
          best_);
      candidate.behind = behind.value;
      candidate.behind_stderr = behind.standard_error;
    }
    for (std::size_t i = 0; i < best; ++i) {
      if (all[i].excluded.empty() && all[i].behind <= all[i].behind_stderr) return i;
    }
    return best;
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
  std::vector<double> none_, best_;  // losses of the rows
  std::map<std::string, std::vector<LogOffset>> fitted_;
};

}  // namespace

Selection select_labelled(const ClassPrior& prior, const SelectOptions& options,
                          const Evidence& evidence) {
  return Selector(prior, options, evidence).run();
}

}  // namespace p2p::study
