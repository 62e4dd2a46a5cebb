#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <utility>

#include "command.hpp"
#include "correction_options.hpp"
#include "p2p/error.hpp"
#include "p2p/inspect.hpp"
#include "p2p/moved_inputs.hpp"
#include "p2p/open.hpp"
#include "progress.hpp"
#include "report/terminal.hpp"
#include "run_folder.hpp"

namespace p2p::cli {
namespace {

struct Options {
  std::string prior;
  ScoreOptions scores;
  std::vector<std::string> labels;
  EvidenceArguments evidence;
  OutputOptions output;
};

Balance measure_balance(const Options& options, const ClassPrior& prior) {
  OpenedScores scores = open(options.scores, {"'" + options.prior + "'", prior.settings.classes});
  if (scores.set.classes() != prior.n_classes()) {
    throw_bad_data(fmt::format(
        "'{}' is a prior of {} classes, but the scores have {}; use a prior of the same model",
        options.prior, prior.n_classes(), scores.set.classes()));
  }
  const auto labels = open_labels_of(scores, options.labels, options.scores);
  note_kind(options.output, scores);
  if (prior.settings.counts.empty()) return judge_balance(std::nullopt);
  EvaluateOptions evaluate;
  evaluate.kind = scores.kind;
  evaluate.kind_stated = !scores.kind_assumed;
  evaluate.temperature = prior.settings.temperature;
  evaluate.counts = prior.settings.counts;
  evaluate.ignore_index = options.scores.ignore_index;
  evaluate.excluded = options.scores.exclude.empty() ? prior.settings.excluded : scores.excluded;
  evaluate.seed = options.output.seed;
  evaluate.threads = options.output.threads;
  return judge_balance(residual_slope(scores.set, *labels, evaluate));
}

MovedInputs measure_inputs(const Options& options, const ClassPrior& prior) {
  for (const std::string& missing : missing_parts(prior)) {
    warn("the prior is incomplete: " + missing);
  }
  OpenedEvidence opened(options.evidence, options.scores,
                        {"'" + options.prior + "'", prior.settings.classes},
                        options.output.threads);
  Progress progress("inspect", 0, !options.output.quiet);
  opened.evidence().rows_done = progress.rows_done();
  return judge_inputs(prior, opened.evidence());
}

// A run has a prior, its held-out rows and, unless others are given, labelled test scores if it was
// tested.
void open_run(Options& options) {
  if (!is_run(options.prior)) return;
  const bool given = !options.scores.scores.empty() || !options.labels.empty();
  const bool judged =
      !given && std::filesystem::exists(std::filesystem::path(options.prior) / "test_scores.npy");
  ScoreOptions scores = judged ? options.scores : ScoreOptions();
  scores.scores = {std::exchange(options.prior, "")};
  const std::optional<RunFolder> run =
      take_run(scores, {.rows = judged ? "test" : "train",
                        .labels = judged ? &options.labels : nullptr,
                        .prior = &options.prior});
  if (run && !options.evidence.unlabelled.empty()) take_holdout(*run, options.evidence);
  if (judged) options.scores = scores;
}

void run(Options options, const CLI::App& verb) {
  open_run(options);
  if (options.scores.scores.empty() != options.labels.empty()) {
    throw_usage("inspect needs --scores and --labels together, or neither");
  }
  const EvidenceArguments& evidence = options.evidence;
  if (evidence.unlabelled.empty() &&
      !(evidence.holdout.empty() && evidence.holdout_labels.empty())) {
    throw_usage(
        "--holdout and --holdout-labels say what the inputs were like before; give the rows to "
        "compare with by --unlabelled");
  }
  if (evidence.holdout.empty() != evidence.holdout_labels.empty()) {
    throw_usage("inspect needs --holdout and --holdout-labels together, or neither");
  }
  if (options.scores.scores.empty() && !evidence.unlabelled.empty()) {
    warn_idle(verb, {"--exclude"}, "it is about --scores, and there are none");
    if (evidence.holdout_labels.empty()) {
      warn_idle(verb, {"--ignore-index"}, "it is a value of labels, and there are none");
    }
  } else if (options.scores.scores.empty()) {
    warn_idle(verb,
              {"--head", "--input", "--normalise", "--log-base", "--binary", "--classes",
               "--class-axis", "--ignore-index", "--exclude"},
              "it says how to read --scores, and there are none");
  }
  const ClassPrior prior = load_prior(options.prior);
  std::optional<Balance> balance;
  if (!options.labels.empty()) balance = measure_balance(options, prior);
  std::optional<MovedInputs> inputs;
  if (!evidence.unlabelled.empty()) {
    inputs = measure_inputs(options, prior);
    for (const std::string& warning : inputs->warnings) warn("the label shift: " + warning);
    note_holdout(options.output, evidence);
  }
  const PriorInspection inspection = inspect_prior(prior);
  if (options.output.json) {
    report::Json json = report::inspection_json(prior, inspection, balance);
    if (inputs) json["inputs"] = report::moved_inputs_json(*inputs);
    print_json(json);
  } else {
    print(report::inspection_text(prior, inspection, balance) +
          (inputs ? report::moved_inputs_text(prior, *inputs) : ""));
  }
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "inspect",
      "compare a prior with class frequencies; bias left in labelled scores; moved inputs");
  verb->add_option("PRIOR", options->prior,
                   "prior file; or the folder of a p2p train run, with its test scores and labels")
      ->required()
      ->type_name("");
  add_score_options(*verb, options->scores, false);
  verb->add_option("--labels", options->labels, "labels of the scores")->type_name("FILE");
  add_files(*verb, "--unlabelled", options->evidence.unlabelled,
            "scores of the rows to come, as the model makes them: have their inputs moved, or does "
            "a label shift explain them?");
  add_files(*verb, "--holdout", options->evidence.holdout,
            "scores of rows that the model was not trained on: how the inputs were before");
  add_files(*verb, "--holdout-labels", options->evidence.holdout_labels,
            "labels of the held-out rows");
  add_output_options(*verb, options->output);
  verb->footer(
      fmt::format("Examples:\n"
                  "  p2p estimate {0}:train_logits --counts {0}:counts -o prior.json && p2p "
                  "inspect prior.json\n"
                  "  p2p inspect prior.json --scores {0}:test_logits --labels {0}:test_labels "
                  "--unlabelled {0}:test_logits",
                  kSample));
  verb->callback([options, verb] { run(*options, *verb); });
}

}  // namespace p2p::cli
