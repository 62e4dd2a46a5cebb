#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "command.hpp"
#include "correction_options.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"
#include "p2p/score_stream.hpp"
#include "p2p/track.hpp"
#include "report/track.hpp"

namespace p2p::cli {
namespace {

constexpr std::int64_t kLargestState = std::int64_t{1} << 30;

constexpr const char* kResidual = "residual";

struct Options {
  std::string scores;
  std::string prior;
  std::string state;
  std::string target = kResidual;
  std::string input = "prior";
  ScoreReading reading;
  TrackOptions track;
  bool follow = false;
  OutputOptions words;
};

CorrectionArguments target_argument(const Options& options) {
  CorrectionArguments arguments;
  arguments.target = options.target;
  return arguments;
}

// Empty: the residual prior.
std::vector<double> read_target(const Options& options, const ClassPrior& prior) {
  if (options.target == kResidual) return {};
  CorrectionOptions read = method_options(target_argument(options), prior);
  if (read.estimated_target) {
    throw_usage(
        "track estimates the target itself; --target says what to begin with: residual, uniform, "
        "empirical or a file");
  }
  if (read.target.empty()) read.target.assign(static_cast<std::size_t>(prior.n_classes()), 1.0);
  return read.target;
}

// How batches are read: as the scores of the prior were, unless the options say otherwise.
struct BatchReading {
  ScoreKind kind;
  ScoreReading reading;
  bool stated;
};

BatchReading batch_reading(const Options& options, const PriorSettings& prior) {
  for (const ScoreKind kind : {ScoreKind::kLogits, ScoreKind::kProbs, ScoreKind::kLogProbs}) {
    if (options.input == kind_name(kind)) return {kind, options.reading, true};
  }
  if (!options.reading.changes()) return {prior.input_kind, prior.reading, false};
  const bool tells_kind = options.reading.normalise || options.reading.log_base;
  return {tells_kind ? ScoreKind::kAuto : prior.input_kind, options.reading, tells_kind};
}

void refuse_bad_state_names(const Options& options) {
  if (options.state.empty()) return;
  if (options.state == "-") {
    throw_usage("--state needs the name of a file: standard output is for the offsets");
  }
  std::vector<std::string> inputs{options.prior};
  if (options.scores != "-") inputs.push_back(options.scores);
  if (options.target != kResidual) {
    for (const std::string& file : input_files({}, target_argument(options))) {
      inputs.push_back(file);
    }
  }
  refuse_overwriting(options.state, inputs);
}

// Where an earlier run stopped.
PriorTracker::State load_state(const Options& options, PriorTracker& tracker) {
  if (options.state.empty() || !std::filesystem::exists(options.state)) return {};
  PriorTracker::State state =
      parse_tracker_state(read_text(options.state, kLargestState), options.state);
  tracker.load(state, options.state);
  return state;
}

void save_state(const Options& options, const PriorTracker& tracker, const ScoreStream& stream) {
  if (options.state.empty()) return;
  PriorTracker::State state = tracker.save();
  state.source = stream.file();
  state.position = stream.file().empty() ? 0 : stream.position();
  write_text(options.state, write_tracker_state(state));
}

// 0 when the state is of other scores.
std::int64_t resume_at(const Options& options, const PriorTracker::State& before) {
  if (options.scores == "-" || before.source.empty()) return 0;
  std::error_code unknown;
  const std::string file = std::filesystem::canonical(options.scores, unknown).string();
  return file == before.source ? before.position : 0;
}

void print_line(const report::Json& json) {
  print(json.dump(-1, ' ', false, report::Json::error_handler_t::replace) + "\n");
}

// A batch with a bad row is told of and passed over; a stream that ends within it is the end.
void refuse(const Error& error, PriorTracker& tracker, ScoreStream& stream) {
  stream.pass_over();
  tracker.refuse_batch();
  warn(fmt::format("batch {} was not learned: {}", tracker.batches(), error.what()));
  report::Json line;
  line["batch"] = tracker.batches();
  line["refused"] = error.what();
  print_line(line);
}

void demand_classes(const ScoreSet& batch, const ClassPrior& prior) {
  if (batch.classes() == prior.n_classes()) return;
  throw_bad_data(
      fmt::format("'{}' has {} classes, but the prior has {}; use scores of the same model",
                  batch.sources().front()->name(), batch.classes(), prior.n_classes()));
}

void run(const Options& options) {
  refuse_bad_state_names(options);
  const ClassPrior prior = load_prior(options.prior);
  for (const std::string& missing : missing_parts(prior)) {
    warn("the prior is incomplete: " + missing);
  }
  TrackOptions track = options.track;
  track.target = read_target(options, prior);
  PriorTracker tracker(prior, track);
  const PriorTracker::State before = load_state(options, tracker);
  const BatchReading reading = batch_reading(options, prior.settings);
  ScoreStream stream(options.scores, {.follow = options.follow,
                                      .one_column = reading.reading.binary,
                                      .position = resume_at(options, before)});

  std::int64_t refused = 0;
  while (std::optional<ScoreSet> batch = stream.next()) {
    ReadScores read = read_scores(std::move(*batch), reading.kind, reading.reading);
    demand_classes(read.set, prior);
    std::optional<TrackStep> step;
    try {
      step = tracker.update(
          read.set,
          {.kind = read.kind, .kind_stated = reading.stated, .threads = options.words.threads});
    } catch (const Error& error) {
      refuse(error, tracker, stream);
      ++refused;
    }
    if (step) print_line(report::track_json(*step));
    save_state(options, tracker, stream);
  }
  if (refused > 0) {
    throw_bad_data(fmt::format("{} batch{} could not be learned, see above; all others were",
                               refused, refused == 1 ? "" : "es"));
  }
  const std::string where =
      options.state.empty() ? "" : fmt::format("; the state is in '{}'", options.state);
  note(options.words, fmt::format("{} rows in {} batch{} were learned{}", tracker.rows(),
                                  tracker.batches(), tracker.batches() == 1 ? "" : "es", where));
}

}  // namespace

void add_track(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "track", "follow the prior of a stream of scores; one offset a batch, as JSON lines");
  verb->add_option("SCORES", options->scores,
                   ".npy arrays [rows, classes] one after the other, each a batch: a file, a pipe, "
                   "or - (stdin)")
      ->required()
      ->type_name("");
  verb->add_option("--prior", options->prior, "prior file from p2p estimate")
      ->required()
      ->type_name("PRIOR");
  verb->add_option("--state", options->state,
                   "file to go on from and to write after every batch; a file of scores is then "
                   "read on from where it was left")
      ->type_name("FILE");
  verb->add_flag("--follow", options->follow, "wait for SCORES to grow, until interrupted");
  verb->add_option("--half-life", options->track.half_life,
                   "rows after which what was learned counts half")
      ->type_name("ROWS")
      ->capture_default_str();
  verb->add_option("--reset-every", options->track.reset_every,
                   "batches from one full reset to the next; 0: never")
      ->type_name("N")
      ->capture_default_str();
  verb->add_option("--drift", options->track.drift_limit,
                   "log-likelihood in nats that the tracked prior may lose against the stored one "
                   "before a full reset; inf: never")
      ->type_name("NATS")
      ->capture_default_str();
  verb->add_option("--target", options->target,
                   "prior to start from and to go back to: residual (no correction), uniform, "
                   "empirical, or a file of counts or probabilities")
      ->type_name("TARGET")
      ->capture_default_str();
  verb->add_option("--input", options->input,
                   "what the scores are: prior (as the prior was made from), logits, probs or "
                   "log-probs")
      ->check(CLI::IsMember({"prior", "logits", "probs", "log-probs"}))
      ->type_name("KIND")
      ->capture_default_str();
  add_number_options(*verb, options->reading);
  add_output_options(*verb, options->words);
  verb->get_option("--json")->description("changes nothing: stdout is JSON lines");
  verb->footer(
      fmt::format("Examples:\n"
                  "  p2p estimate {0}:train_logits --counts {0}:counts -o prior.json && p2p "
                  "correct {0}:test_logits --prior prior.json --method none -o - | p2p track - "
                  "--prior prior.json\n"
                  "  p2p correct {0}:test_logits --prior prior.json --method none -o scores.npy && "
                  "p2p track scores.npy --prior prior.json --state state.json --half-life 2000",
                  kSample));
  verb->callback([options] { run(*options); });
}

}  // namespace p2p::cli
