#include "p2p/estimate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "p2p/error.hpp"
#include "p2p/score_kind.hpp"
#include "prior/match.hpp"
#include "prior/memorised.hpp"
#include "prior/posterior_pass.hpp"

namespace p2p {
namespace {

constexpr std::size_t kListedClasses = 10;

std::string class_list(const std::vector<std::int64_t>& classes) {
  const std::size_t shown = std::min(classes.size(), kListedClasses);
  return fmt::format(
      "{}{}",
      fmt::join(classes.begin(), classes.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
      classes.size() > shown ? ", ..." : "");
}

void validate(const EstimateOptions& options, std::int64_t classes) {
  if (!(options.temperature > 0) || !std::isfinite(options.temperature)) {
    throw_usage(
        fmt::format("--temperature must be positive and finite, not {}", options.temperature));
  }
  if (!(options.smoothing >= 0) || !std::isfinite(options.smoothing)) {
    throw_usage(
        fmt::format("--smoothing must be at least 0 and finite, not {}", options.smoothing));
  }
  if (options.pool && options.smoothing > 0) {
    throw_usage("--pool and --smoothing both draw q towards the class frequencies; leave one out");
  }
  if (options.floor && !(*options.floor > 0 && *options.floor * static_cast<double>(classes) < 1)) {
    throw_usage(fmt::format("--floor must lie between 0 and 1/C = {:.6g}, not {}",
                            1.0 / static_cast<double>(classes), *options.floor));
  }
  if (options.parts < 1 || options.part < 1 || options.part > options.parts) {
    throw_usage(fmt::format("--part {}/{}: K counts from 1 to N", options.part, options.parts));
  }
  if (!options.counts.empty() && static_cast<std::int64_t>(options.counts.size()) != classes) {
    throw_bad_data(fmt::format(
        "counts have {} values, but the scores have {} classes; give one count per class",
        options.counts.size(), classes));
  }
  if (!options.counts.empty()) normalised(options.counts, "counts");
  if (!options.classes.empty() && static_cast<std::int64_t>(options.classes.size()) != classes) {
    throw_bad_data(fmt::format("{} class names for {} classes; give one name per class",
                               options.classes.size(), classes));
  }
  for (const std::int64_t c : options.excluded) {
    if (c < 0 || c >= classes) {
      throw_usage(fmt::format("--exclude {}: classes are numbered 0 to {}", c, classes - 1));
    }
  }
}

void validate_iteration(const EstimateOptions& options, const ScoreSet& scores) {
  if (options.max_rounds < 1) {
    throw_usage(fmt::format("--max-rounds must be at least 1, not {}", options.max_rounds));
  }
  if (options.parts > 1) {
    throw_usage("--iterate needs all rows at once; leave --part out");
  }
  if (options.smoothing > 0) {
    throw_usage(
        "--iterate makes the mean posterior equal the class frequencies, so --smoothing cannot "
        "change it; leave one of them out");
  }
  if (options.pool) {
    throw_usage("--iterate does not use the q that --pool changes; leave one of them out");
  }
  if (!scores.rewindable()) {
    throw_bad_data(fmt::format(
        "'{}' can be read only once, but --iterate reads it again and again; give a file",
        scores.sources().front()->name()));
  }
}

// mean softmax over the rows: the sums, divided by their own sum.
std::vector<double> mean_of(const PosteriorSum& sums) {
  std::vector<double> mean = sums.posterior();
  const double total = std::accumulate(mean.begin(), mean.end(), 0.0);
  for (double& m : mean) m /= total;
  return mean;
}

}  // namespace

PriorSettings prior_settings(const EstimateOptions& options, std::int64_t classes) {
  validate(options, classes);
  PriorSettings settings;
  settings.classes = options.classes;
  settings.rows = options.rows;
  settings.input_kind = options.kind;
  settings.reading = options.reading;
  settings.temperature = options.temperature;
  settings.trained_with = describe(options.training);
  settings.counts = options.counts;
  settings.smoothing = options.smoothing;
  settings.pool = options.pool;
  settings.floor = options.floor;
  settings.excluded = options.excluded;
  std::ranges::sort(settings.excluded);
  const auto repeated = std::ranges::unique(settings.excluded);
  settings.excluded.erase(repeated.begin(), repeated.end());
  return settings;
}

std::vector<std::string> prior_warnings(const ClassPrior& prior, double zeros) {
  std::vector<std::string> warnings;
  const PriorSettings& settings = prior.settings;
  if (!settings.counts.empty()) {
    std::vector<std::int64_t> empty;
    for (std::int64_t c = 0; c < prior.n_classes(); ++c) {
      if (settings.counts[static_cast<std::size_t>(c)] == 0) empty.push_back(c);
    }
    if (!empty.empty()) {
      warnings.push_back(
          fmt::format("{} classes have no training images and are left as they are: {}",
                      empty.size(), class_list(empty)));
    }
  }
  if (std::string mismatch = mismatch_warning(prior); !mismatch.empty()) {
    warnings.push_back(std::move(mismatch));
  }
  if (!prior.uncovered.empty()) {
    warnings.push_back(fmt::format("{} classes have training images but no row here: {}",
                                   prior.uncovered.size(), class_list(prior.uncovered)));
  }
  if (prior.match && !prior.match->converged) {
    warnings.push_back(unconverged_sentence("match", prior.match->changes) +
                       "; the last round was taken");
  }
  if (prior.match && !prior.match->unmatched.empty()) {
    warnings.push_back(
        fmt::format("{} classes have no posterior in any row and could not be matched: {}",
                    prior.match->unmatched.size(), class_list(prior.match->unmatched)));
  }
  if (!prior.floored.empty()) {
    warnings.push_back(fmt::format(
        "{} classes have almost no posterior mass; their prior was raised to the floor: {}",
        prior.floored.size(), class_list(prior.floored)));
  }
  if (std::string memorised = memorised_warning(prior, zeros); !memorised.empty()) {
    warnings.push_back(std::move(memorised));
  }
  return warnings;
}

Estimate estimate_prior(ScoreSet& scores, LabelSource* labels, const EstimateOptions& options) {
  const std::int64_t classes = scores.classes();
  PriorSettings settings = prior_settings(options, classes);
  if (options.iterate) validate_iteration(options, scores);
  Estimate result;

  PassLabels pass{.source = labels, .rules = {classes, options.ignore_index, {}}};
  if (labels != nullptr) {
    demand_same_rows(scores, *labels);
    const LabelCounts found = count_labels(*labels, pass.rules, options.threads);
    result.n_ignored = found.ignored;
    if (!settings.counts.empty()) {
      pass.class_weights = weights_towards(normalised(settings.counts, "counts"), found.rows);
      settings.weighted = true;
    } else if (options.labels_are_counts) {
      settings.counts.assign(found.rows.begin(), found.rows.end());
    }
  }
  if (options.iterate && settings.counts.empty()) {
    throw_usage(
        "--iterate matches the mean posterior to the class frequencies and needs --counts or "
        "--labels");
  }
  settings.training_offset = training_offset(options.training, settings.counts, classes);

  if (options.kind == ScoreKind::kAuto) {
    settings.input_kind = detect_kind(scores);
    result.kind_assumed = true;
  }
  PosteriorModel model = posterior_model(settings, options.kind_stated);
  const double zeros = share_with_zeros(settings.input_kind, scores);

  const std::vector<Block> blocks = plan_blocks(scores, options.part, options.parts);
  if (blocks.empty() && scores.rows() > 0) {
    const std::size_t all = plan_blocks(scores).size();
    throw_bad_data(fmt::format(
        "part {} of {} has no rows: the data set has {} blocks of {} rows, which are not cut; use "
        "at most {} parts",
        options.part, options.parts, all, kBlockRows, all));
  }
  const PosteriorSum sums =
      posterior_pass(scores, blocks, model, pass, options.threads, options.rows_done);

  std::vector<PriorInput> inputs;
  for (const auto& source : scores.sources()) {
    inputs.push_back({source->record(), options.part, options.parts});
  }
  result.prior = finish_prior(std::move(settings), sums, std::move(inputs));
  if (options.iterate) {
    ClassPrior& prior = result.prior;
    std::vector<double> log_pi(prior.empirical);
    for (double& value : log_pi) value = std::log(value);
    std::vector<char> moves;
    for (std::int64_t c = 0; c < classes; ++c) moves.push_back(prior.is_corrected(c) ? 1 : 0);
    bool first = true;
    const auto mean = [&](const std::vector<double>& offset) {
      if (std::exchange(first, false)) return mean_of(sums);
      model.offset = offset;
      return mean_of(
          posterior_pass(scores, blocks, model, pass, options.threads, options.rows_done));
    };
    prior.match = match_offset(prior.settings.training_offset, log_pi, mean,
                               {.moves = moves,
                                .tolerance = default_tolerance(scores.dtype()),
                                .max_rounds = options.max_rounds});
    if (!prior.match->converged && !options.allow_unconverged) {
      throw_bad_data(unconverged_sentence("match", prior.match->changes) +
                     "; raise --max-rounds, or take the last round with --allow-unconverged");
    }
    prior.residual = matched_residual(prior, prior.match->offset);
  }
  result.warnings = prior_warnings(result.prior, zeros);
  return result;
}

}  // namespace p2p
