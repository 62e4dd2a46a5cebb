#include "correction_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "p2p/error.hpp"
#include "p2p/open.hpp"
#include "progress.hpp"

namespace p2p::cli {
namespace {

constexpr std::string_view kEstimated = "estimated:";

std::string method_names() {
  std::vector<std::string_view> names;
  for (const MethodInfo& method : methods()) names.push_back(method.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

bool is_file(const std::string& target) {
  return target != "uniform" && target != "empirical" && !target.starts_with(kEstimated);
}

// The number of --strength, or nothing for `auto`.
std::optional<double> parse_strength(const std::string& text) {
  if (text == "auto") return std::nullopt;
  const std::optional<double> value = parse_number(text);
  if (!value) throw_usage(fmt::format("--strength '{}' is neither a number nor auto", text));
  return value;
}

}  // namespace

void add_evidence_options(CLI::App& verb, EvidenceArguments& arguments) {
  add_files(
      verb, "--holdout", arguments.holdout,
      "scores of rows the model was not trained on, as the model makes them; repeat for more");
  add_files(verb, "--holdout-labels", arguments.holdout_labels, "labels of the held-out rows");
  add_files(verb, "--unlabelled", arguments.unlabelled,
            "scores of rows of the target, whose labels nobody knows");
  add_files(verb, "--holdout-second", arguments.holdout_second,
            "the held-out rows as a second, zero-shot model scores them (gla)");
}

void add_method_options(CLI::App& verb, CorrectionArguments& arguments) {
  verb.add_option("--target", arguments.target,
                  "prior to aim at: uniform, empirical, a file of counts or probabilities, or "
                  "estimated:em, map-em, bbse or rlls from --unlabelled")
      ->type_name("TARGET")
      ->capture_default_str();
  verb.add_option("--tau", arguments.tau, "exponent of the prior in empirical and gala")
      ->type_name("T")
      ->capture_default_str();
  verb.add_option("--eps", arguments.eps, "drops: how far from uniform the worst target may lie")
      ->type_name("E")
      ->capture_default_str();
  verb.add_option("--match-to", arguments.match_to,
                  "match: source (held-out rows and the training prior) or target (unlabelled rows "
                  "and the target)")
      ->check(CLI::IsMember({"source", "target"}))
      ->type_name("WHICH")
      ->capture_default_str();
  verb.add_option("--confusion", arguments.confusion,
                  "bbse and rlls: count mean posteriors (soft) or predictions (hard)")
      ->check(CLI::IsMember({"soft", "hard"}))
      ->type_name("KIND")
      ->capture_default_str();
  verb.add_option("--max-rounds", arguments.max_rounds, "most passes of an iterative method")
      ->type_name("N")
      ->capture_default_str();
  verb.add_flag("--allow-unconverged", arguments.allow_unconverged,
                "take the last round when --max-rounds did not suffice");
}

void add_correction_options(CLI::App& verb, CorrectionArguments& arguments) {
  verb.add_option("--method", arguments.method,
                  method_names() + "; or auto: chosen on the labelled held-out rows")
      ->type_name("METHOD")
      ->capture_default_str();
  verb.add_option("--strength", arguments.strength,
                  "share of the correction; 0 is the identity; auto: chosen on the labelled "
                  "held-out rows")
      ->type_name("A")
      ->capture_default_str();
  verb.add_option("--objective", arguments.objective,
                  "auto: judged by nll, accuracy, balanced-accuracy or macro-f1")
      ->type_name("WHAT")
      ->capture_default_str();
  verb.add_option("--folds", arguments.folds,
                  "auto: parts of the held-out rows, each judged by "
                  "corrections fitted on the others")
      ->type_name("K")
      ->capture_default_str();
  verb.add_option("--max-group-loss", arguments.max_group_loss,
                  "auto: no recall of many, medium or few classes may fall by more")
      ->type_name("X")
      ->capture_default_str();
  add_method_options(verb, arguments);
}

std::vector<std::string> input_files(const EvidenceArguments& evidence,
                                     const CorrectionArguments& correction) {
  std::vector<std::string> files;
  for (const auto* list : {&evidence.holdout, &evidence.holdout_labels, &evidence.unlabelled,
                           &evidence.holdout_second}) {
    files.insert(files.end(), list->begin(), list->end());
  }
  if (is_file(correction.target)) files.push_back(correction.target);
  return files;
}

bool looks_at_holdout(const CorrectionArguments& arguments, const ClassPrior& prior) {
  const std::optional<double> strength = parse_strength(arguments.strength);
  if (strength == 0.0) return false;
  if (arguments.method == "auto" || !strength) return true;
  const MethodInfo& method = info(find_method(arguments.method));
  if (method.method == Method::kNone) return false;
  return method.needs_holdout || method.estimates_target ||
         arguments.target.starts_with(kEstimated) ||
         (method.method == Method::kMatch && arguments.match_to == "source" && !prior.match);
}

void take_holdout(const RunFolder& run, EvidenceArguments& evidence) {
  if (!evidence.holdout.empty() || !evidence.holdout_labels.empty()) return;
  const std::string scores = run.file("holdout_scores.npy");
  const std::string labels = run.file("holdout_labels.npy");
  std::error_code error;
  for (const std::string& file : {scores, labels}) {
    if (!std::filesystem::is_regular_file(file, error)) return;
  }
  evidence.holdout = {scores};
  evidence.holdout_labels = {labels};
  evidence.run = run.path;
}

void note_holdout(const OutputOptions& words, const EvidenceArguments& evidence) {
  if (evidence.run.empty()) return;
  note(words, fmt::format("the held-out rows are those of the run '{}' (say otherwise with "
                          "--holdout and --holdout-labels)",
                          evidence.run));
}

CorrectionOptions method_options(const CorrectionArguments& arguments, const ClassPrior& prior) {
  CorrectionOptions options;
  options.tau = arguments.tau;
  options.eps = arguments.eps;
  options.match_to = arguments.match_to == "source" ? MatchTo::kSource : MatchTo::kTarget;
  options.confusion = arguments.confusion == "soft" ? Confusion::kSoft : Confusion::kHard;
  options.max_rounds = arguments.max_rounds;
  options.allow_unconverged = arguments.allow_unconverged;
  if (arguments.target.starts_with(kEstimated)) {
    const std::string estimator = arguments.target.substr(kEstimated.size());
    const std::array<std::string_view, 4> known{"em", "map-em", "bbse", "rlls"};
    if (std::ranges::find(known, estimator) == known.end()) {
      throw_usage(fmt::format("--target estimated:{} is not estimated:em, map-em, bbse or rlls",
                              estimator));
    }
    options.estimated_target = find_method(estimator);
  } else if (arguments.target == "empirical") {
    if (prior.empirical.empty()) {
      throw_usage(
          "--target empirical needs the training counts, but the prior holds none; estimate it "
          "with --counts");
    }
    options.target = prior.empirical;
  } else if (arguments.target != "uniform") {
    options.target = read_shares(arguments.target, prior.n_classes(), prior.settings.classes);
  }
  return options;
}

namespace {

ChosenCorrection choose(const CorrectionArguments& arguments, const ClassPrior& prior,
                        ScoreKind applied_to, const Evidence& evidence) {
  SelectOptions select;
  select.applied_to = applied_to;
  select.correction = method_options(arguments, prior);
  select.choose_method = arguments.method == "auto";
  const std::optional<double> strength = parse_strength(arguments.strength);
  select.choose_strength = !strength;
  if (!select.choose_method) select.correction.method = find_method(arguments.method);
  select.correction.strength = strength.value_or(1);
  select.objective = find_objective(arguments.objective);
  select.folds = arguments.folds;
  select.group_loss = arguments.max_group_loss;
  ChosenCorrection chosen;
  if (!select.choose_method && strength) {
    chosen = {make_correction(prior, select.correction, evidence), arguments.method, *strength, {}};
  } else {
    Selection selection = select_correction(prior, select, evidence);
    chosen = {selection.correction, selection.chosen.name, selection.chosen.strength, selection};
  }
  std::ranges::move(unused_inputs(prior, select, evidence),
                    std::back_inserter(chosen.correction.warnings));
  return chosen;
}

}  // namespace

ChosenCorrection find_correction(const CorrectionArguments& arguments,
                                 const EvidenceArguments& evidence, const ScoreOptions& like,
                                 const ClassPrior& prior, ScoreKind applied_to,
                                 const NamedClasses& known, const OutputOptions& words) {
  OpenedEvidence opened(evidence, like, known, words.threads);
  Progress progress(fmt::format("{}, at most {} rounds", arguments.method, arguments.max_rounds), 0,
                    !words.quiet);
  opened.evidence().rows_done = progress.rows_done();
  ChosenCorrection found = choose(arguments, prior, applied_to, opened.evidence());
  if (like.ignore_index && evidence.holdout_labels.empty()) {
    found.correction.warnings.emplace_back(
        "--ignore-index is a value of labels, and there are none (--holdout-labels)");
  }
  return found;
}

void say_found(const ChosenCorrection& found, const ClassPrior& prior, const OutputOptions& words) {
  for (const std::string& missing : missing_parts(prior)) {
    warn("the prior is incomplete: " + missing);
  }
  for (const std::string& warning : found.correction.warnings) warn(warning);
  if (found.selection) note(words, found.selection->sentence);
  const std::vector<std::int64_t>& capped = found.correction.offset.capped;
  if (capped.empty()) return;
  warn(
      fmt::format("{} classes whose prior is only the floor were raised no more than the most "
                  "raised measured class: {}",
                  capped.size(), fmt::join(capped, ", ")));
}

OpenedEvidence::OpenedEvidence(const EvidenceArguments& arguments, const ScoreOptions& like,
                               const NamedClasses& known, int threads) {
  evidence_.threads = threads;
  evidence_.holdout = open_rows(arguments.holdout, like, known, "--holdout");
  evidence_.unlabelled = open_rows(arguments.unlabelled, like, known, "--unlabelled");
  // Another model made these.
  ScoreOptions of_second = like;
  of_second.head.clear();
  evidence_.holdout_second =
      open_rows(arguments.holdout_second, of_second, known, "--holdout-second");
  if (arguments.holdout_labels.empty()) return;
  if (arguments.holdout.empty()) {
    throw_usage("--holdout-labels need the scores of the same rows (--holdout)");
  }
  labels_ = open_labels_of(*scores_.front(), arguments.holdout_labels, like);
  evidence_.holdout.labels = labels_.get();
  evidence_.holdout.ignore_index = like.ignore_index;
}

EvidenceRows OpenedEvidence::open_rows(const std::vector<std::string>& files,
                                       const ScoreOptions& like, const NamedClasses& known,
                                       const std::string& option) {
  if (files.empty()) return {};
  for (const std::string& file : files) {
    if (file != "-") continue;
    throw_usage(option + " - cannot be read again and again; write the rows to a file");
  }
  ScoreOptions options = like;
  options.scores = files;
  options.exclude.clear();
  scores_.push_back(std::make_unique<OpenedScores>(open(options, known)));
  OpenedScores& opened = *scores_.back();
  return {.scores = &opened.set, .kind = opened.kind, .kind_stated = !opened.kind_assumed};
}

}  // namespace p2p::cli
