#include "command.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <utility>

#include "p2p/error.hpp"
#include "p2p/linear_head.hpp"
#include "p2p/open.hpp"
#include "p2p/parallel.hpp"
#include "p2p/version.hpp"
#include "run_folder.hpp"
#include "words.hpp"

namespace p2p::cli {
namespace {

constexpr std::int64_t kLargestPriorFile = std::int64_t{1} << 30;

ScoreKind parse_kind(const std::string& text) {
  for (const ScoreKind kind : {ScoreKind::kLogits, ScoreKind::kProbs, ScoreKind::kLogProbs}) {
    if (text == kind_name(kind)) return kind;
  }
  return ScoreKind::kAuto;
}

ReadScores read_files(const ScoreOptions& options) {
  ScoreSet files = open_scores(options.scores, {.class_axis = options.class_axis,
                                                .one_column = options.reading.binary,
                                                .warn = warn,
                                                .skip_columns = options.skip_columns,
                                                .features = !options.head.empty()});
  const ScoreKind kind = parse_kind(options.input);
  if (options.head.empty()) return read_scores(std::move(files), kind, options.reading);
  if (options.reading.changes()) {
    throw_usage(
        "--head makes logits of features; --normalise, --log-base and --binary read stored scores: "
        "leave one out");
  }
  const auto head = std::make_shared<LinearHead>(read_head(options.head));
  return read_scores(head_scores(std::move(files), head), kind, {});
}

}  // namespace

void add_output_options(CLI::App& verb, OutputOptions& options) {
  verb.add_flag("--json", options.json, "print one JSON object on stdout");
  verb.add_flag("--quiet", options.quiet,
                "no words and no progress on stderr but warnings and errors");
  verb.add_option("--seed", options.seed, "seed of everything random")
      ->type_name("S")
      ->capture_default_str();
  options.threads = default_threads();
  verb.add_option("--threads", options.threads, "threads; results do not depend on it")
      ->check(CLI::Range(1, 4096))
      ->type_name("N")
      ->default_str("all processors");
  verb.set_version_flag("--version", kVersion, "print the version");
}

void add_score_options(CLI::App& verb, ScoreOptions& options, bool positional) {
  const std::string files =
      "score files: .npy, .npz, .safetensors, .csv, .tsv, FILE:NAME, a folder, @list.txt, or - "
      "(.npy on stdin)";
  if (!positional) {
    verb.add_option("--scores", options.scores,
                    files +
                        ". They are used as z / T of the prior: when T is not 1, give scores as "
                        "the model makes them, not corrected ones")
        ->type_name("SCORES");
    return add_reading_options(verb, options);
  }
  CLI::Option* scores =
      verb.add_option("SCORES", options.scores,
                      files + "; or the folder of a p2p train run, which has what else is needed")
          ->type_name("")
          ->required()
          ->each([&verb](const std::string& path) { free_for_run(verb, path); });
  add_reading_options(verb, options);
  verb.add_option("--features", options.scores, "with --head: another way to give SCORES")
      ->type_name("FILE")
      ->needs(verb.get_option("--head"))
      ->excludes(scores)
      ->each([scores](const std::string&) { scores->required(false); });
}

void free_for_run(CLI::App& verb, const std::string& path) {
  if (!is_run(path) && !is_nowhere(path)) return;
  for (CLI::Option* option : verb.get_options()) option->required(false);
}

void add_number_options(CLI::App& verb, ScoreReading& reading) {
  verb.add_flag("--normalise", reading.normalise,
                "divide each row by its sum: for probabilities that were rounded, scaled (percent, "
                "votes) or cut");
  verb.add_option("--log-base", reading.log_base,
                  "base of log-probabilities that are not natural logarithms, e.g. 10")
      ->type_name("B");
  verb.add_flag("--binary", reading.binary,
                "one column, of class 1 of two: its probability p is read as [1 - p, p], its logit "
                "s as [0, s]");
}

void add_reading_options(CLI::App& verb, ScoreOptions& options) {
  verb.add_option("--head", options.head,
                  "the files hold features, not scores: this linear head (.safetensors, or "
                  "FILE:LAYER) scores them block by block")
      ->type_name("HEAD");
  verb.add_option("--input", options.input, "what the scores are: auto, logits, probs or log-probs")
      ->check(CLI::IsMember({"auto", "logits", "probs", "log-probs"}))
      ->type_name("KIND")
      ->capture_default_str();
  add_number_options(verb, options.reading);
  verb.add_option("--classes", options.classes, "class names, one a line")->type_name("FILE");
  verb.add_option("--ignore-index", options.ignore_index, "label value of rows to leave out")
      ->type_name("I");
  verb.add_option("--class-axis", options.class_axis,
                  "axis of the classes in arrays of rank 3 and 4, e.g. 1 for N,C,H,W; negative: "
                  "from the end")
      ->type_name("A");
  verb.add_option("--exclude", options.exclude,
                  "classes (names or numbers) to leave as they are: background")
      ->type_name("CLASS");
  add_skip_columns(verb, options.skip_columns);
}

void add_skip_columns(CLI::App& verb, std::vector<std::string>& columns) {
  verb.add_option("--skip-columns", columns,
                  "columns of .csv and .tsv files to leave out, by name or position from 1, "
                  "separated by commas: ids, labels; none: every column is a class")
      ->type_name("COLUMN")
      ->delimiter(',')
      ->expected(1)
      ->take_all();
}

std::vector<std::string> score_files(const ScoreOptions& options) {
  std::vector<std::string> files = options.scores;
  if (!options.head.empty()) files.push_back(options.head);
  return files;
}

OpenedScores open(const ScoreOptions& options, const NamedClasses& known) {
  ReadScores read = read_files(options);
  OpenedScores opened{.set = std::move(read.set),
                      .kind = read.kind,
                      .kind_assumed = read.assumed,
                      .classes = {},
                      .excluded = {}};
  std::vector<NamedClasses> names{known};
  if (!options.classes.empty()) {
    names.push_back({"'" + options.classes + "'", read_class_names(options.classes)});
    if (static_cast<std::int64_t>(names.back().names.size()) != opened.set.classes()) {
      throw_bad_data(
          fmt::format("'{}' names {} classes, but the scores have {}; give one name per class",
                      options.classes, names.back().names.size(), opened.set.classes()));
    }
  }
  for (const auto& source : opened.set.sources()) {
    names.push_back({"'" + source->name() + "'", source->class_names()});
  }
  opened.classes = agree_on_class_names(names);
  for (const std::string& text : options.exclude) {
    opened.excluded.push_back(find_class(text, opened.classes, opened.set.classes()));
  }
  std::ranges::sort(opened.excluded);
  const auto repeated = std::ranges::unique(opened.excluded);
  opened.excluded.erase(repeated.begin(), repeated.end());
  return opened;
}

ClassPrior load_prior(const std::string& path) {
  return parse_prior(read_text(path, kLargestPriorFile), path);
}

std::unique_ptr<LabelSource> open_labels_of(const OpenedScores& scores,
                                            const std::vector<std::string>& files,
                                            const ScoreOptions& reading) {
  return open_labels(
      files, warn,
      {.classes = scores.classes, .scores = &scores.set, .ignore_index = reading.ignore_index});
}

std::vector<double> read_per_class(const std::string& spec, std::int64_t classes,
                                   const std::vector<std::string>& names) {
  std::vector<double> values = read_vector(spec, names);
  if (static_cast<std::int64_t>(values.size()) != classes) {
    throw_bad_data(fmt::format("'{}' holds {} values for {} classes; give one value per class",
                               spec, values.size(), classes));
  }
  return values;
}

std::vector<double> read_shares(const std::string& spec, std::int64_t classes,
                                const std::vector<std::string>& names) {
  std::vector<double> values = read_per_class(spec, classes, names);
  static_cast<void>(normalised(values, "'" + spec + "'"));
  return values;
}

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

CLI::Option* add_files(CLI::App& verb, const std::string& name, std::vector<std::string>& files,
                       const std::string& description) {
  return verb.add_option(name, files, description)->type_name("FILE")->expected(1)->take_all();
}

void note(const OutputOptions& options, const std::string& sentence) {
  if (!options.quiet) say("p2p: {}\n", sentence);
}

void warn(const std::string& sentence) { say("p2p: warning: {}\n", sentence); }

void warn_idle(const CLI::App& verb, std::initializer_list<const char*> options,
               std::string_view why) {
  for (const char* option : options) {
    const CLI::Option* given = verb.get_option_no_throw(option);
    if (given == nullptr || given->count() == 0) continue;
    warn(fmt::format("{} is not looked at: {}", option, why));
  }
}

void note_kind(const OutputOptions& options, const OpenedScores& scores) {
  if (!scores.kind_assumed) return;
  note(options, fmt::format("the scores were taken for {} (say otherwise with --input)",
                            kind_name(scores.kind)));
}

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw_bad_data("standard output cannot be written (closed, or its disk is full)");
  }
}

void print_json(const report::Json& json) { print(json.dump(2) + "\n"); }

}  // namespace p2p::cli
