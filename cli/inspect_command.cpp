#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <utility>

#include "command.hpp"
#include "p2p/error.hpp"
#include "p2p/inspect.hpp"
#include "p2p/open.hpp"
#include "report/terminal.hpp"
#include "run_folder.hpp"

namespace p2p::cli {
namespace {

struct Options {
  std::string prior;
  ScoreOptions scores;
  std::vector<std::string> labels;
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

// A run has a prior and, unless others are given, labelled test scores if it was tested.
void open_run(Options& options) {
  if (!is_run(options.prior)) return;
  const bool given = !options.scores.scores.empty() || !options.labels.empty();
  const bool judged =
      !given && std::filesystem::exists(std::filesystem::path(options.prior) / "test_scores.npy");
  ScoreOptions scores = judged ? options.scores : ScoreOptions();
  scores.scores = {std::exchange(options.prior, "")};
  take_run(scores, {.rows = judged ? "test" : "train",
                    .labels = judged ? &options.labels : nullptr,
                    .prior = &options.prior});
  if (judged) options.scores = scores;
}

void run(Options options, const CLI::App& verb) {
  open_run(options);
  if (options.scores.scores.empty() != options.labels.empty()) {
    throw_usage("inspect needs --scores and --labels together, or neither");
  }
  if (options.scores.scores.empty()) {
    warn_idle(verb,
              {"--head", "--input", "--normalise", "--log-base", "--binary", "--classes",
               "--class-axis", "--ignore-index", "--exclude"},
              "it says how to read --scores, and there are none");
  }
  const ClassPrior prior = load_prior(options.prior);
  std::optional<Balance> balance;
  if (!options.labels.empty()) balance = measure_balance(options, prior);
  const PriorInspection inspection = inspect_prior(prior);
  if (options.output.json) {
    print_json(report::inspection_json(prior, inspection, balance));
  } else {
    print(report::inspection_text(prior, inspection, balance));
  }
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "inspect",
      "compare a prior with the class frequencies; measure the bias left in labelled scores");
  verb->add_option("PRIOR", options->prior,
                   "prior file; or the folder of a p2p train run, with its test scores and labels")
      ->required()
      ->type_name("");
  add_score_options(*verb, options->scores, false);
  verb->add_option("--labels", options->labels, "labels of the scores")->type_name("FILE");
  add_output_options(*verb, options->output);
  verb->footer(
      fmt::format("Examples:\n"
                  "  p2p estimate {0}:train_logits --counts {0}:counts -o prior.json && p2p "
                  "inspect prior.json\n"
                  "  p2p inspect prior.json --scores {0}:test_logits --labels {0}:test_labels",
                  kSample));
  verb->callback([options, verb] { run(*options, *verb); });
}

}  // namespace p2p::cli
