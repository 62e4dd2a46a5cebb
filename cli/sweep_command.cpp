#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>

#include "command.hpp"
#include "correction_options.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"
#include "p2p/select.hpp"
#include "p2p/sweep.hpp"
#include "progress.hpp"
#include "report/study.hpp"
#include "run_folder.hpp"
#include "study_options.hpp"

namespace p2p::cli {
namespace {

constexpr std::size_t kMostStrengths = 1000;
constexpr int kDefaultTargets = 5;

struct Options {
  ScoreOptions scores;
  std::vector<std::string> labels, second;
  std::string prior;
  std::string strengths = "0:1.5:0.1";
  std::optional<int> targets;
  std::vector<std::string> out;
  EvidenceArguments evidence;
  CorrectionArguments correction;
  GroupArguments groups;
  OutputOptions words;
};

[[noreturn]] void refuse_strengths(const std::string& text) {
  throw_usage(fmt::format(
      "--strengths '{}' is neither FIRST:LAST:STEP, as in 0:1.5:0.1, nor a list, as in 0,0.5,1 (at "
      "most {} numbers of at least 0)",
      text, kMostStrengths));
}

std::vector<double> split_numbers(const std::string& text, char separator) {
  std::vector<double> numbers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    const std::optional<double> value =
        parse_number(std::string_view(text).substr(begin, end - begin));
    if (!value || !std::isfinite(*value) || *value < 0) refuse_strengths(text);
    numbers.push_back(*value);
    begin = end + 1;
  }
  return numbers;
}

std::vector<double> parse_strengths(const std::string& text) {
  if (text.find(':') == std::string::npos) {
    std::vector<double> list = split_numbers(text, ',');
    if (list.size() > kMostStrengths) refuse_strengths(text);
    return list;
  }
  const std::vector<double> range = split_numbers(text, ':');
  if (range.size() != 3 || !(range[2] > 0) || range[1] < range[0]) refuse_strengths(text);
  const double steps = std::floor((range[1] - range[0]) / range[2] + 1e-9);
  if (steps >= static_cast<double>(kMostStrengths)) refuse_strengths(text);
  std::vector<double> strengths;
  for (int i = 0; i <= static_cast<int>(steps); ++i) {
    // 3 * 0.1 is meant to be 0.3.
    strengths.push_back(std::round((range[0] + i * range[2]) * 1e9) / 1e9);
  }
  return strengths;
}

// g = 0, ..., 1 in equal steps.
std::vector<double> spread(int targets) {
  std::vector<double> gammas;
  for (int i = 0; i < targets; ++i) gammas.push_back(targets == 1 ? 0.0 : i / (targets - 1.0));
  return gammas;
}

void run(Options options, const CLI::App& verb) {
  const std::optional<RunFolder> folder =
      take_run(options.scores, {.labels = &options.labels, .prior = &options.prior});
  std::vector<std::string> inputs = input_files(options.evidence, options.correction);
  std::vector<std::string> scores = score_files(options.scores);
  for (const auto* list : {&scores, &options.labels, &options.second}) {
    inputs.insert(inputs.end(), list->begin(), list->end());
  }
  inputs.push_back(options.prior);
  if (folder) std::ranges::copy(folder->files(), std::back_inserter(inputs));
  check_table_files(options.out, {".csv", ".json"}, inputs);
  SweepOptions sweep_options;
  sweep_options.strengths = parse_strengths(options.strengths);

  const ClassPrior prior = load_prior(options.prior);
  const std::string name = "'" + options.prior + "'";
  for (const std::string& missing : missing_parts(prior)) {
    warn("the prior is incomplete: " + missing);
  }
  sweep_options.correction = method_options(options.correction, prior);
  sweep_options.correction.method = find_method(options.correction.method);
  sweep_options.gammas =
      spread(options.targets.value_or(prior.empirical.empty() ? 1 : kDefaultTargets));
  sweep_options.threads = options.words.threads;
  if (folder && looks_at_holdout(options.correction, prior))
    take_holdout(*folder, options.evidence);
  const OpenedTestRows test(options.scores, options.labels, options.second, prior, name,
                            options.groups);
  OpenedEvidence opened(options.evidence, options.scores, {name, prior.settings.classes},
                        options.words.threads);
  Sweep result;
  {
    Progress progress("sweep", 0, !options.words.quiet);
    opened.evidence().rows_done = progress.rows_done();
    sweep_options.rows_done = progress.rows_done();
    result = sweep(prior, sweep_options, opened.evidence(), test.rows());
  }

  if (prior.settings.counts.empty()) {
    warn_idle(verb, {"--many", "--few"}, "groups are those of training counts, and there are none");
  }
  note_kind(options.words, test.scores());
  note_holdout(options.words, options.evidence);
  for (const std::string& warning : result.warnings) warn(warning);
  for (const std::string& sentence :
       unused_inputs(prior, {.correction = sweep_options.correction, .choose_method = false},
                     opened.evidence())) {
    warn(sentence);
  }
  const MethodInfo& method = info(sweep_options.correction.method);
  if (!options.second.empty() && !method.needs_second) {
    warn(fmt::format("--method {} does not look at --second", method.name));
  }
  if (options.targets && method.estimates_target) {
    warn(fmt::format("--method {} finds the target itself and does not look at --targets",
                     method.name));
  }
  note(options.words,
       "the best point of these rows is no choice, it flatters itself on them; p2p correct "
       "--strength auto chooses on held-out rows");
  report::Json json;
  json["method"] = options.correction.method;
  json.update(report::sweep_json(result));
  write_tables(options.out, {{".csv", [&] { return report::sweep_csv(result); }},
                             {".json", [&] { return json.dump(2) + "\n"; }}});
  if (options.words.json) {
    print_json(json);
  } else {
    print(report::sweep_text(result));
  }
}

}  // namespace

void add_sweep(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "sweep", "metrics over the strength and over targets from uniform to the training prior");
  add_score_options(*verb, options->scores, true);
  verb->add_option("--labels", options->labels, "labels of the rows")
      ->required()
      ->type_name("FILE")
      ->expected(1)
      ->take_all();
  verb->add_option("--prior", options->prior, "prior file from p2p estimate")
      ->required()
      ->type_name("PRIOR");
  verb->add_option("--method", options->correction.method, "method, as in p2p correct")
      ->type_name("METHOD")
      ->capture_default_str();
  verb->add_option("--strengths", options->strengths, "FIRST:LAST:STEP, or numbers with commas")
      ->type_name("LIST")
      ->capture_default_str();
  verb->add_option("--targets", options->targets,
                   "targets (training prior)^gamma, gamma in so many equal steps from 0 to 1; 1: "
                   "uniform alone (default 5, without counts 1)")
      ->check(CLI::Range(1, 1000))
      ->type_name("N");
  add_method_options(*verb, options->correction);
  verb->remove_option(verb->get_option("--target"));
  add_evidence_options(*verb, options->evidence);
  add_files(*verb, "--second", options->second,
            "scores of a second, zero-shot model for the same rows as SCORES (gla)");
  add_group_options(*verb, options->groups);
  add_files(*verb, "-o,--out", options->out,
            "also write the points: .csv or .json; repeat for more");
  add_output_options(*verb, options->words);
  verb->footer(fmt::format(
      "Examples:\n"
      "  p2p estimate {0}:train_logits --counts {0}:counts -o prior.json && p2p sweep "
      "{0}:test_logits --labels {0}:test_labels --prior prior.json -o sweep.csv\n"
      "  p2p sweep {0}:test_logits --labels {0}:test_labels --prior prior.json --method empirical "
      "--strengths 0,0.5,1 --targets 2",
      kSample));
  verb->callback([options, verb] { run(*options, *verb); });
}

}  // namespace p2p::cli
