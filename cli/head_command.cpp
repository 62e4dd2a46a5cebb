#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "command.hpp"
#include "p2p/correct.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"
#include "p2p/train_head.hpp"
#include "progress.hpp"
#include "report/head.hpp"

namespace p2p::cli {
namespace {

constexpr std::int64_t kMostClasses = 1 << 24;

struct Options {
  std::vector<std::string> features;
  std::vector<std::string> labels;
  std::string method = "linear";
  std::string head;
  std::string out;
  std::string scores;
  std::string classes;
  std::vector<std::string> skip_columns;
  HeadOptions training;
  OutputOptions words;
};

// "lort:0.9": the number goes to what the method understands.
void parse_method(const std::string& text, HeadOptions& options) {
  const std::size_t colon = text.find(':');
  options.method = find_head_method(text.substr(0, colon));
  if (colon == std::string::npos) return;
  const std::optional<double> value = parse_number(text.substr(colon + 1));
  const bool tau = options.method == HeadMethod::kTauNorm;
  if (!value || (!tau && options.method != HeadMethod::kLort)) {
    throw_usage(fmt::format(
        "--method '{}': a number goes with tau-norm:TAU and lort:S only, as in tau-norm:0.7",
        text));
  }
  (tau ? options.tau : options.smoothing) = *value;
}

// As many classes as the head or the names say, else one more than the largest label.
std::int64_t count_classes(const std::optional<LinearHead>& head,
                           const std::vector<std::string>& names, LabelSource& labels,
                           std::optional<std::int64_t> ignored) {
  if (head) return head->classes;
  if (!names.empty()) return static_cast<std::int64_t>(names.size());
  std::int64_t largest = 0;
  std::vector<std::int64_t> values;
  for (std::int64_t first = 0; first < labels.rows(); first += kBlockRows) {
    const std::int64_t count = std::min(kBlockRows, labels.rows() - first);
    values.resize(static_cast<std::size_t>(count));
    labels.read(first, count, values.data());
    for (const std::int64_t value : values) {
      if (value != ignored) largest = std::max(largest, value);
    }
  }
  if (largest >= kMostClasses) {
    throw_bad_data(fmt::format(
        "'{}' has label {}, which would be a class of its own; expected numbers below {}: correct "
        "it, or leave such rows out with --ignore-index {}",
        labels.name(), largest, kMostClasses, largest));
  }
  return largest + 1;
}

ScoreSet open_features(const Options& options) {
  return open_scores(options.features,
                     {.warn = warn, .skip_columns = options.skip_columns, .features = true});
}

void write_scores(const Options& options, const LinearHead& head, RowSink& sink) {
  ScoreSet set = head_scores(open_features(options), std::make_shared<LinearHead>(head));
  ApplyOptions apply;
  apply.kind_stated = true;
  apply.threads = options.words.threads;
  correct(set, {.delta = std::vector<double>(static_cast<std::size_t>(set.classes()))}, apply,
          sink);
}

void run(Options& options, const CLI::App& verb) {
  parse_method(options.method, options.training);
  std::vector<std::string> inputs = options.features;
  inputs.insert(inputs.end(), options.labels.begin(), options.labels.end());
  for (const std::string* file : {&options.head, &options.classes}) {
    if (!file->empty()) inputs.push_back(*file);
  }
  if (!has_ending(options.out, ".safetensors")) {
    throw_usage(fmt::format("-o '{}' must end in .safetensors", options.out));
  }
  refuse_overwriting(options.out, inputs);
  if (!options.scores.empty()) refuse_overwriting(options.scores, inputs);

  const HeadMethod method = options.training.method;
  if (method == HeadMethod::kTauNorm) {
    warn_idle(verb, {"--epochs", "--batch", "--lr", "--momentum", "--weight-decay"},
              "tau-norm trains nothing");
  }
  if (method != HeadMethod::kPriorityReweighing) {
    warn_idle(verb, {"--rounds", "--eta"}, "it is for --method priority-reweighing");
  }
  std::optional<LinearHead> initial;
  if (!options.head.empty()) initial = read_head(options.head);
  std::vector<std::string> names;
  if (!options.classes.empty()) names = read_class_names(options.classes);
  ScoreSet features = open_features(options);
  const auto labels = open_labels(
      options.labels, warn, {.classes = names, .ignore_index = options.training.ignore_index});
  const std::int64_t classes =
      count_classes(initial, names, *labels, options.training.ignore_index);
  options.training.seed = options.words.seed;
  options.training.threads = options.words.threads;
  if (!names.empty() && static_cast<std::int64_t>(names.size()) != classes) {
    throw_bad_data(
        fmt::format("'{}' names {} classes, but the head has {}; give one name per class",
                    options.classes, names.size(), classes));
  }
  std::unique_ptr<RowSink> scores;
  if (!options.scores.empty()) {
    SinkSpec spec;
    spec.shape = {features.rows(), classes};
    scores = create_sink(options.scores, spec);
  }
  TrainedHead trained;
  {
    const bool rounds = options.training.method == HeadMethod::kPriorityReweighing;
    const std::int64_t total =
        features.rows() * options.training.epochs * (rounds ? options.training.rounds : 1);
    Progress progress("head", total, !options.words.quiet);
    options.training.rows_done = progress.rows_done();
    trained =
        train_head(features, *labels, classes, options.training, initial ? &*initial : nullptr);
  }
  if (scores) write_scores(options, trained.head, *scores);
  write_head(options.out, trained.head);
  if (scores) scores->commit();
  if (options.words.json) {
    print_json(report::head_json(options.out, options.method, trained));
    return;
  }
  print(report::head_text(trained, names));
  note(options.words,
       fmt::format("{} head of {} classes and width {} written to '{}'", options.method,
                   trained.head.classes, trained.head.width, options.out));
}

}  // namespace

void add_head(CLI::App& app) {
  auto options = std::make_shared<Options>();
  const HeadOptions defaults;
  CLI::App* verb = app.add_subcommand(
      "head", "retrain the last layer of a classifier on cached features, without the network");
  verb->add_option("FEATURES", options->features,
                   "features of training rows, [N, d]: .npy, .npz, .safetensors, .csv, a folder, "
                   "@list.txt")
      ->required()
      ->type_name("");
  add_files(*verb, "--labels", options->labels, "class of each row")->required();
  std::vector<std::string_view> names;
  for (const HeadMethodInfo& method : head_methods()) names.push_back(method.name);
  verb->add_option("--method", options->method,
                   fmt::format("{}; with a number tau-norm:TAU, lort:S", fmt::join(names, ", ")))
      ->type_name("METHOD")
      ->capture_default_str();
  verb->add_option("-o,--out", options->out, "head to write, .safetensors: weight [C, d], bias [C]")
      ->required()
      ->type_name("HEAD");
  verb->add_option("--head", options->head,
                   "trained head to start from (.safetensors, or FILE:LAYER); lws and tau-norm "
                   "need it")
      ->type_name("HEAD");
  verb->add_option("--scores", options->scores, "write the logits of FEATURES as well")
      ->type_name("OUT");
  verb->add_option("--classes", options->classes, "class names, one a line")->type_name("FILE");
  add_skip_columns(*verb, options->skip_columns);
  verb->add_option("--ignore-index", options->training.ignore_index,
                   "label value of rows to leave out")
      ->type_name("I");
  verb->add_option("--epochs", options->training.epochs, "passes over the rows (of each round)")
      ->type_name("N")
      ->capture_default_str();
  verb->add_option("--batch", options->training.batch, "rows a step")
      ->type_name("N")
      ->capture_default_str();
  verb->add_option("--lr", options->training.learning_rate,
                   "first learning rate, which falls to 0 along a cosine (default 0.1; lort 5e-4)")
      ->type_name("X");
  verb->add_option("--momentum", options->training.momentum, "of SGD")
      ->type_name("X")
      ->capture_default_str();
  verb->add_option("--weight-decay", options->training.weight_decay, "of SGD, on the weights")
      ->type_name("X")
      ->capture_default_str();
  verb->add_option("--rounds", options->training.rounds, "priority-reweighing: weighted fits")
      ->type_name("N")
      ->capture_default_str();
  verb->add_option("--eta", options->training.eta,
                   "priority-reweighing: weight exp(-eta |margin|) within a class")
      ->type_name("X")
      ->capture_default_str();
  add_output_options(*verb, options->words);
  verb->footer(
      fmt::format("Examples:\n"
                  "  p2p head {0}:train_logits --labels {0}:train_labels -o head.safetensors && "
                  "p2p evaluate {0}:test_logits --head head.safetensors --labels {0}:test_labels\n"
                  "  p2p head {0}:train_logits --labels {0}:train_labels --method crt --epochs 5 "
                  "-o crt.safetensors --json",
                  kSample));
  verb->callback([options, verb] { run(*options, *verb); });
}

}  // namespace p2p::cli
