#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <memory>

#include "command.hpp"
#include "p2p/error.hpp"
#include "p2p/estimate.hpp"
#include "p2p/leave_one_out.hpp"
#include "p2p/linear_head.hpp"
#include "p2p/open.hpp"
#include "progress.hpp"
#include "run_folder.hpp"
#include "training_options.hpp"

namespace p2p::cli {
namespace {

struct Options {
  ScoreOptions scores;
  OutputOptions output;
  std::string prior;
  std::string counts;
  std::vector<std::string> labels;
  std::optional<std::string> trained_with;
  std::string rows = "train";
  double temperature = 1;
  double smoothing = 0;
  bool pool = false;
  std::optional<double> floor;
  std::string part;
  bool iterate = false;
  int max_rounds = EstimateOptions{}.max_rounds;
  bool allow_unconverged = false;
};

void parse_part(const std::string& text, EstimateOptions& options) {
  if (text.empty()) return;
  const std::size_t slash = text.find('/');
  const auto parse = [&](std::string_view digits, std::int64_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc{} && end == digits.data() + digits.size();
  };
  const std::string_view view = text;
  if (slash == std::string::npos || !parse(view.substr(0, slash), options.part) ||
      !parse(view.substr(slash + 1), options.parts) || options.part < 1 ||
      options.part > options.parts) {
    throw_usage(
        fmt::format("--part '{}' is not of the form K/N with K from 1 to N, as in 1/4", text));
  }
}

// Parts are cut between blocks, so there cannot be more of them.
void demand_rows(const ScoreSet& scores, const EstimateOptions& options) {
  if (!plan_blocks(scores, options.part, options.parts).empty()) return;
  throw_usage(fmt::format(
      "--part {}/{} holds no rows: the data set has {} blocks of {} rows, which parts do not cut; "
      "use at most {} parts",
      options.part, options.parts, plan_blocks(scores).size(), kBlockRows,
      plan_blocks(scores).size()));
}

// What leaving rows out of the head needs, and what it cannot do.
void demand_left_out(const Options& options, const EstimateOptions& estimate) {
  if (options.scores.head.empty() || options.labels.empty() || options.counts.empty()) {
    throw_usage(
        "--rows loo leaves each training row out of the linear head: give its features in place of "
        "scores, --head, --labels and --counts");
  }
  if (estimate.parts > 1 || options.scores.ignore_index) {
    throw_usage(
        "--rows loo takes all rows that the head was fitted to, and no others; leave out --part "
        "and --ignore-index");
  }
}

// The same rows, each scored by the head without it.
ScoreSet left_out(const Options& options, const EstimateOptions& estimate,
                  const OpenedScores& scores, LabelSource& labels) {
  ScoreSet features =
      open_scores(options.scores.scores, {.class_axis = options.scores.class_axis,
                                          .skip_columns = options.scores.skip_columns,
                                          .features = true});
  return leave_one_out_scores(
      features, labels, read_head(options.scores.head),
      training_offset(estimate.training, estimate.counts, scores.set.classes()),
      options.output.threads);
}

std::string rounds_of(const ClassPrior& prior) {
  if (!prior.match) return "";
  return fmt::format(", matched in {} rounds,", prior.match->changes.size());
}

void run(Options options, const CLI::App& verb) {
  const std::optional<RunFolder> folder = take_run(
      options.scores,
      {.rows = options.rows,
       .counts = &options.counts,
       .output = &options.prior,
       .output_name = options.rows == "train" ? "prior.json" : "prior-" + options.rows + ".json"});
  if (options.output.json && options.prior == "-") {
    throw_usage("--json and -o - both want standard output; write the prior to a file");
  }
  std::vector<std::string> inputs = score_files(options.scores);
  inputs.insert(inputs.end(), options.labels.begin(), options.labels.end());
  if (!options.counts.empty()) inputs.push_back(options.counts);
  if (!options.scores.classes.empty()) inputs.push_back(options.scores.classes);
  EstimateOptions estimate;
  parse_part(options.part, estimate);
  if (options.rows == "loo") demand_left_out(options, estimate);
  std::string training_values;
  if (options.trained_with) {
    estimate.training = parse_training(*options.trained_with, training_values);
  }
  if (!training_values.empty()) inputs.push_back(training_values);
  if (folder) std::ranges::copy(folder->files(), std::back_inserter(inputs));
  refuse_overwriting(options.prior, inputs);

  OpenedScores scores = open(options.scores);
  demand_rows(scores.set, estimate);
  estimate.kind = scores.kind;
  estimate.kind_stated = !scores.kind_assumed;
  estimate.reading = options.scores.reading;
  if (!options.counts.empty()) {
    estimate.counts = read_shares(options.counts, scores.set.classes(), scores.classes);
  }
  if (!training_values.empty()) {
    estimate.training.values =
        read_per_class(training_values, scores.set.classes(), scores.classes);
    estimate.training.file = training_values;
  }
  if (folder && !options.trained_with) estimate.training = folder->training(estimate.counts);
  estimate.classes = scores.classes;
  estimate.rows = options.rows;
  estimate.temperature = options.temperature;
  estimate.smoothing = options.smoothing;
  estimate.pool = options.pool;
  estimate.floor = options.floor;
  estimate.ignore_index = options.scores.ignore_index;
  estimate.excluded = scores.excluded;
  estimate.iterate = options.iterate;
  estimate.max_rounds = options.max_rounds;
  estimate.allow_unconverged = options.allow_unconverged;
  estimate.threads = options.output.threads;
  std::unique_ptr<LabelSource> labels;
  if (!options.labels.empty()) labels = open_labels_of(scores, options.labels, options.scores);

  if (options.rows == "loo") scores.set = left_out(options, estimate, scores, *labels);
  if (!labels) warn_idle(verb, {"--ignore-index"}, "it is a value of --labels, and there are none");
  Estimate result;
  {
    const std::int64_t total = options.iterate ? 0 : scores.set.rows() / estimate.parts;
    Progress progress("estimate", total, !options.output.quiet);
    estimate.rows_done = progress.rows_done();
    result = estimate_prior(scores.set, labels.get(), estimate);
  }
  write_text(options.prior, write_prior(result.prior));

  note_kind(options.output, scores);
  for (const std::string& warning : result.warnings) warn(warning);
  if (options.output.json) {
    report::Json json = report::prior_json(result.prior, options.prior);
    json["n_ignored"] = result.n_ignored;
    json["input_kind_assumed"] = scores.kind_assumed;
    json["warnings"] = result.warnings;
    print_json(json);
  } else {
    note(options.output, fmt::format("effective prior of {} classes from {} rows{} written to '{}'",
                                     result.prior.n_classes(), result.prior.n_rows,
                                     rounds_of(result.prior), options.prior));
  }
}

}  // namespace

void add_estimate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "estimate", "measure the effective prior: q = mean softmax(z / T + b) over training rows");
  add_score_options(*verb, options->scores, true);
  verb->add_option("-o,--output", options->prior,
                   "prior file to write, or -; of a run: its prior.json, of other --rows WHICH its "
                   "prior-WHICH.json")
      ->required()
      ->type_name("PRIOR");
  verb->add_option("--counts", options->counts,
                   "training images per class (.npy, .npz, .txt, .csv, .json)")
      ->type_name("FILE");
  add_files(*verb, "--labels", options->labels,
            "labels of these rows (with --part: of the whole data set); repeat it, or once "
            "for all files");
  verb->add_option("--trained-with", options->trained_with,
                   "ce, la[:TAU], balanced-softmax, weights:FILE or offset:FILE")
      ->type_name("LOSS")
      ->default_str("ce");
  verb->add_option(
          "--rows", options->rows,
          "where the rows come from: train, train-augmented or holdout; loo: training rows of "
          "frozen features, each scored by the --head without it")
      ->check(CLI::IsMember({"train", "train-augmented", "holdout", "loo"}))
      ->type_name("WHICH")
      ->capture_default_str();
  verb->add_option("--temperature", options->temperature, "scores are used as z / T from here on")
      ->type_name("T")
      ->capture_default_str();
  verb->add_option("--smoothing", options->smoothing,
                   "pull q towards the class frequencies as K more rows would")
      ->type_name("K")
      ->capture_default_str();
  verb->add_flag("--pool", options->pool,
                 "for few rows: draw log q towards a line in the log class frequencies, each class "
                 "by its standard error");
  verb->add_option("--floor", options->floor, "least value of q (default 1 / (100 N C))")
      ->type_name("X");
  verb->add_option("--part", options->part,
                   "use part K of N of the data set, K from 1; join with p2p merge")
      ->type_name("K/N");
  CLI::Option* iterate = verb->add_flag(
      "--iterate", options->iterate,
      "match: pass over the scores until mean softmax(z / T + f) is the class frequencies");
  verb->add_option("--max-rounds", options->max_rounds, "cap of --iterate, in passes")
      ->type_name("N")
      ->needs(iterate)
      ->capture_default_str();
  verb->add_flag("--allow-unconverged", options->allow_unconverged,
                 "at the cap take the last round with a warning")
      ->needs(iterate);
  add_output_options(*verb, options->output);
  verb->footer(
      fmt::format("Examples:\n"
                  "  p2p estimate {0}:train_logits --counts {0}:counts -o prior.json\n"
                  "  p2p estimate {0}:test_logits --labels {0}:test_labels --counts {0}:counts "
                  "--rows holdout -o held-out.json",
                  kSample));
  verb->callback([options, verb] { run(*options, *verb); });
}

}  // namespace p2p::cli
