#include <fmt/format.h>

#include <memory>

#include "command.hpp"
#include "p2p/error.hpp"
#include "p2p/metrics.hpp"
#include "p2p/open.hpp"
#include "report/terminal.hpp"
#include "run_folder.hpp"

namespace p2p::cli {
namespace {

struct Options {
  ScoreOptions scores;
  std::vector<std::string> labels;
  std::string counts;
  std::string prior;
  double many = 100;
  double few = 20;
  std::int64_t bootstrap = 0;
  OutputOptions output;
};

void run(Options options, const CLI::App& verb) {
  take_run(options.scores, {.labels = &options.labels,
                            .counts = options.prior.empty() ? &options.counts : nullptr});
  EvaluateOptions evaluate;
  NamedClasses known;
  if (!options.prior.empty()) {
    const ClassPrior prior = load_prior(options.prior);
    if (prior.settings.counts.empty()) {
      throw_bad_data(fmt::format(
          "'{}' holds no training counts; estimate it with --counts, or give --counts here",
          options.prior));
    }
    evaluate.counts = prior.settings.counts;
    known = {"'" + options.prior + "'", prior.settings.classes};
  }
  OpenedScores scores = open(options.scores, known);
  if (!options.prior.empty() &&
      static_cast<std::int64_t>(evaluate.counts.size()) != scores.set.classes()) {
    throw_bad_data(fmt::format(
        "'{}' is a prior of {} classes, but the scores have {}; use a prior of the same model",
        options.prior, evaluate.counts.size(), scores.set.classes()));
  }
  if (!options.counts.empty()) {
    evaluate.counts = read_shares(options.counts, scores.set.classes(), scores.classes);
  }
  if (evaluate.counts.empty()) {
    warn_idle(verb, {"--many", "--few"}, "groups are those of training counts, and there are none");
  }
  const auto labels = open_labels_of(scores, options.labels, options.scores);
  evaluate.kind = scores.kind;
  evaluate.kind_stated = !scores.kind_assumed;
  evaluate.many = options.many;
  evaluate.few = options.few;
  evaluate.ignore_index = options.scores.ignore_index;
  evaluate.excluded = scores.excluded;
  evaluate.bootstrap = options.bootstrap;
  evaluate.seed = options.output.seed;
  evaluate.threads = options.output.threads;
  const Metrics metrics = p2p::evaluate(scores.set, *labels, evaluate);
  note_kind(options.output, scores);
  if (options.output.json) {
    print_json(report::metrics_json(metrics));
  } else {
    print(report::metrics_text(metrics));
  }
}

}  // namespace

void add_evaluate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "evaluate", "accuracy by group, calibration and residual slope of labelled scores");
  add_score_options(*verb, options->scores, true);
  verb->add_option("--labels", options->labels,
                   "labels of the rows, files in the order of the scores, or one for all")
      ->required()
      ->type_name("FILE");
  CLI::Option* counts = verb->add_option("--counts", options->counts,
                                         "training images per class, for groups and slope")
                            ->type_name("FILE");
  verb->add_option(
          "--prior", options->prior,
          "take counts and class names from this prior file, nothing else: scores are used "
          "as they are, whatever its temperature")
      ->type_name("PRIOR")
      ->excludes(counts);
  verb->add_option("--many", options->many, "classes with more training images than this are many")
      ->capture_default_str()
      ->type_name("N");
  verb->add_option("--few", options->few, "classes with fewer training images than this are few")
      ->capture_default_str()
      ->type_name("N");
  verb->add_option("--bootstrap", options->bootstrap, "replicates for 95 % intervals, 0 for none")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str()
      ->type_name("B");
  add_output_options(*verb, options->output);
  verb->footer(
      fmt::format("Examples:\n"
                  "  p2p evaluate {0}:test_logits --labels {0}:test_labels --counts {0}:counts\n"
                  "  p2p evaluate {0}:test_logits --labels {0}:test_labels --bootstrap 200 --json",
                  kSample));
  verb->callback([options, verb] { run(*options, *verb); });
}

}  // namespace p2p::cli
