#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>

#include "command.hpp"
#include "correction_options.hpp"
#include "p2p/compare.hpp"
#include "p2p/error.hpp"
#include "p2p/estimate.hpp"
#include "p2p/open.hpp"
#include "progress.hpp"
#include "report/study.hpp"
#include "run_folder.hpp"
#include "study_options.hpp"
#include "training_options.hpp"

namespace p2p::cli {
namespace {

struct Options {
  ScoreOptions reading;
  std::string run;
  std::string prior;
  std::vector<std::string> train, train_labels;
  std::string counts;
  std::optional<std::string> trained_with;
  std::vector<std::string> test, test_labels, second;
  std::vector<std::string> methods;
  std::vector<std::string> out;
  double strength = 1;
  std::int64_t bootstrap = CompareOptions().bootstrap;
  EvidenceArguments evidence;
  CorrectionArguments correction;
  GroupArguments groups;
  OutputOptions words;
};

// All methods, or those named; p2p is always among them, the others are compared with it.
std::vector<Method> chosen_methods(const Options& options) {
  std::vector<Method> named;
  for (const std::string& name : options.methods) named.push_back(find_method(name));
  std::vector<Method> chosen;
  for (const MethodInfo& method : methods()) {
    if (named.empty() || method.method == Method::kP2P ||
        std::ranges::find(named, method.method) != named.end()) {
      chosen.push_back(method.method);
    }
  }
  return chosen;
}

struct Measured {
  std::shared_ptr<const ClassPrior> prior;
  std::string name;  // for messages
  std::optional<double> seconds;
};

Measured measure_prior(const Options& options, const std::optional<RunFolder>& folder,
                       const std::string& training_values, EstimateOptions estimate) {
  if (!options.prior.empty()) {
    const auto prior = std::make_shared<const ClassPrior>(load_prior(options.prior));
    for (const std::string& missing : missing_parts(*prior)) {
      warn("the prior is incomplete: " + missing);
    }
    return {prior, "'" + options.prior + "'", std::nullopt};
  }
  ScoreOptions reading = options.reading;
  reading.scores = options.train;
  OpenedScores scores = open(reading);
  if (folder && scores.set.classes() != folder->classes) {
    throw_bad_data(
        fmt::format("'{}' has {} classes, but the run '{}' has {}; use scores of the same model",
                    options.train.front(), scores.set.classes(), folder->path, folder->classes));
  }
  estimate.kind = scores.kind;
  estimate.kind_stated = !scores.kind_assumed;
  estimate.reading = options.reading.reading;
  if (!options.counts.empty())
    estimate.counts = read_shares(options.counts, scores.set.classes(), scores.classes);
  if (!training_values.empty()) {
    estimate.training.values =
        read_per_class(training_values, scores.set.classes(), scores.classes);
    estimate.training.file = training_values;
  }
  if (folder && !options.trained_with) estimate.training = folder->training(estimate.counts);
  estimate.classes = scores.classes;
  estimate.ignore_index = options.reading.ignore_index;
  estimate.excluded = scores.excluded;
  estimate.threads = options.words.threads;
  std::unique_ptr<LabelSource> labels;
  if (!options.train_labels.empty())
    labels = open_labels_of(scores, options.train_labels, options.reading);
  const auto start = std::chrono::steady_clock::now();
  Progress progress("estimate", scores.set.rows(), !options.words.quiet);
  estimate.rows_done = progress.rows_done();
  Estimate measured = estimate_prior(scores.set, labels.get(), estimate);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  for (const std::string& warning : measured.warnings) warn(warning);
  return {std::make_shared<const ClassPrior>(std::move(measured.prior)),
          "'" + options.train.front() + "'", spent.count()};
}

std::vector<std::string> inputs_of(const Options& options, const std::string& training_values) {
  std::vector<std::string> inputs = input_files(options.evidence, options.correction);
  for (const auto* list : {&options.train, &options.train_labels, &options.test,
                           &options.test_labels, &options.second}) {
    inputs.insert(inputs.end(), list->begin(), list->end());
  }
  for (const std::string* file : {&options.prior, &options.counts, &training_values,
                                  &options.reading.classes, &options.reading.head}) {
    if (!file->empty()) inputs.push_back(*file);
  }
  return inputs;
}

// The test rows of a run and its prior, or its counts where the prior is measured here.
std::optional<RunFolder> open_run(Options& options) {
  if (options.run.empty()) return std::nullopt;
  if (!is_run(options.run)) {
    throw_bad_data(fmt::format(
        "'{}' is no run of p2p train (a folder with run.json); give score files by --test",
        options.run));
  }
  options.reading.scores = {options.run};
  const bool measured = !options.train.empty();
  std::optional<RunFolder> folder =
      take_run(options.reading, {.labels = &options.test_labels,
                                 .counts = measured ? &options.counts : nullptr,
                                 .prior = measured ? nullptr : &options.prior});
  options.test = options.reading.scores;
  return folder;
}

void check(const Options& options) {
  if (options.prior.empty() && options.train.empty()) {
    throw_usage(
        "compare needs scores of training rows (--train), or a prior from p2p estimate (--prior)");
  }
  if (!options.prior.empty() && !(options.train.empty() && options.train_labels.empty() &&
                                  options.counts.empty() && !options.trained_with)) {
    throw_usage(fmt::format(
        "the prior '{}' holds what --train, --train-labels, --counts and --trained-with would say; "
        "leave those out, or measure another prior with --train and without --prior",
        options.prior));
  }
}

void run(Options options, const CLI::App& verb) {
  const std::optional<RunFolder> folder = open_run(options);
  check(options);
  EstimateOptions estimate;
  std::string training_values;
  if (options.trained_with) {
    estimate.training = parse_training(*options.trained_with, training_values);
  }
  std::vector<std::string> inputs = inputs_of(options, training_values);
  if (folder) std::ranges::copy(folder->files(), std::back_inserter(inputs));
  check_table_files(options.out, {".csv", ".json", ".md"}, inputs);
  const std::vector<Method> methods = chosen_methods(options);

  const Measured measured = measure_prior(options, folder, training_values, std::move(estimate));
  const ClassPrior& prior = *measured.prior;
  CorrectionOptions correction = method_options(options.correction, prior);
  correction.strength = options.strength;
  if (folder) take_holdout(*folder, options.evidence);
  ScoreOptions reading = options.reading;
  reading.scores = options.test;
  const OpenedTestRows test(reading, options.test_labels, options.second, prior, measured.name,
                            options.groups);
  OpenedEvidence opened(options.evidence, options.reading, {measured.name, prior.settings.classes},
                        options.words.threads);
  Comparison comparison;
  std::vector<std::string> unused;
  {
    Progress progress("compare", 0, !options.words.quiet);
    opened.evidence().rows_done = progress.rows_done();
    CompareOptions compare_options;
    compare_options.bootstrap = options.bootstrap;
    compare_options.seed = options.words.seed;
    compare_options.threads = options.words.threads;
    compare_options.rows_done = progress.rows_done();
    const std::vector<Contender> all =
        contenders(measured.prior, methods, correction, opened.evidence());
    unused = unused_inputs(all, opened.evidence());
    comparison = compare(find_corrections(all, opened.evidence()), test.rows(), compare_options);
  }

  if (prior.settings.counts.empty()) {
    warn_idle(verb, {"--many", "--few"}, "groups are those of training counts, and there are none");
  }
  note_kind(options.words, test.scores());
  note_holdout(options.words, options.evidence);
  if (!options.second.empty() && std::ranges::find(methods, Method::kGla) == methods.end()) {
    unused.emplace_back("no method of the table looks at --second");
  }
  for (const std::string& sentence : unused) warn(sentence);
  for (const ComparedMethod& method : comparison.methods) {
    if (!method.values) continue;
    for (const std::string& warning : method.found.correction->warnings) {
      warn(method.found.name + ": " + warning);
    }
  }
  report::Json json;
  json["target"] = options.correction.target;
  json["strength"] = options.strength;
  json["prior_seconds"] = measured.seconds ? report::Json(*measured.seconds) : report::Json();
  json.update(report::comparison_json(comparison));
  write_tables(options.out, {{".csv", [&] { return report::comparison_csv(comparison); }},
                             {".md", [&] { return report::comparison_markdown(comparison); }},
                             {".json", [&] { return json.dump(2) + "\n"; }}});
  if (options.words.json) {
    print_json(json);
  } else {
    print(report::comparison_text(comparison));
  }
}

}  // namespace

void add_compare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "compare", "every correction on the same labelled rows: one table, each against p2p");
  CLI::Option* run_folder =
      verb->add_option("RUN", options->run,
                       "folder of a p2p train run, in place of --test, --test-labels and --prior")
          ->type_name("")
          ->each([verb](const std::string& path) { free_for_run(*verb, path); });
  add_files(*verb, "--test", options->test,
            "scores of the rows to judge on, as the model makes them; repeat for more")
      ->required()
      ->excludes(run_folder);
  add_files(*verb, "--test-labels", options->test_labels,
            "their labels: for the table alone, no correction sees them")
      ->required();
  add_files(*verb, "--train", options->train, "scores of the training rows: p2p is measured here");
  add_files(*verb, "--train-labels", options->train_labels, "labels of the training rows");
  verb->add_option("--counts", options->counts, "training images per class")->type_name("FILE");
  verb->add_option("--trained-with", options->trained_with,
                   "ce, la[:TAU], balanced-softmax, weights:FILE or offset:FILE")
      ->type_name("LOSS")
      ->default_str("ce");
  verb->add_option("--prior", options->prior, "prior file in place of --train and --counts")
      ->type_name("PRIOR");
  add_evidence_options(*verb, options->evidence);
  add_files(*verb, "--second", options->second,
            "the test rows as a second, zero-shot model scores them (gla)");
  verb->add_option("--methods", options->methods,
                   "methods to compare, with commas between (default: all); p2p is always there")
      ->type_name("METHOD")
      ->expected(1)
      ->take_all()
      ->delimiter(',');
  verb->add_option("--strength", options->strength, "share of every correction; 0 is the identity")
      ->type_name("A")
      ->capture_default_str();
  add_method_options(*verb, options->correction);
  add_group_options(*verb, options->groups);
  verb->add_option("--bootstrap", options->bootstrap, "replicates for 95 % intervals, 0 for none")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str()
      ->type_name("B");
  add_files(*verb, "-o,--out", options->out,
            "also write the table: .csv, .json or .md (Markdown); repeat for more");
  add_reading_options(*verb, options->reading);
  add_output_options(*verb, options->words);
  verb->footer(fmt::format(
      "Examples:\n"
      "  p2p compare --train {0}:train_logits --counts {0}:counts --unlabelled {0}:test_logits "
      "--test {0}:test_logits --test-labels {0}:test_labels\n"
      "  p2p compare --train {0}:train_logits --counts {0}:counts --test {0}:test_logits "
      "--test-labels {0}:test_labels --methods none,empirical --bootstrap 200 -o table.md",
      kSample));
  verb->callback([options, verb] { run(*options, *verb); });
}

}  // namespace p2p::cli
