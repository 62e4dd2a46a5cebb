#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "command.hpp"
#include "p2p/correction.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"
#include "progress.hpp"

namespace p2p::cli {
namespace {

const std::map<std::string, OutputKind> kOutputs{{"logits", OutputKind::kLogits},
                                                 {"probs", OutputKind::kProbs},
                                                 {"log-probs", OutputKind::kLogProbs},
                                                 {"labels", OutputKind::kLabels}};

struct Options {
  ScoreOptions scores;
  std::string prior;
  std::string out;
  std::string method = "p2p";
  std::string target = "uniform";
  std::string output;
  double tau = 1;
  double strength = 1;
  OutputOptions words;
};

std::vector<double> read_target(const Options& options, const ClassPrior& prior) {
  if (options.target == "uniform") return {};
  if (options.target != "empirical") return read_shares(options.target, prior.n_classes());
  if (prior.empirical.empty()) {
    throw_usage(
        "--target empirical needs the training counts, but the prior holds none; estimate it with "
        "--counts");
  }
  return prior.empirical;
}

// Shape of the corrected scores: files are joined along their first axis.
SinkSpec sink_spec(const OpenedScores& scores, const Options& options, OutputKind output) {
  const auto& sources = scores.set.sources();
  SinkSpec spec;
  spec.shape = sources.front()->shape();
  spec.class_axis = sources.front()->class_axis();
  spec.class_names = scores.classes;
  for (std::size_t i = 1; i < sources.size(); ++i) {
    std::vector<std::int64_t> shape = sources[i]->shape();
    if (spec.class_axis == 0 || sources[i]->class_axis() != spec.class_axis ||
        shape.size() != spec.shape.size() ||
        !std::equal(shape.begin() + 1, shape.end(), spec.shape.begin() + 1)) {
      throw_bad_data(fmt::format(
          "'{}' and '{}' cannot be joined along their first axis; correct them one by one",
          sources.front()->name(), sources[i]->name()));
    }
    spec.shape[0] += shape[0];
  }
  if (output == OutputKind::kLabels) {
    spec.shape.erase(spec.shape.begin() + spec.class_axis);
    spec.class_axis = -1;
    spec.dtype = DType::kI64;
    spec.class_names.clear();
  } else {
    spec.dtype = sink_dtype(options.out, scores.set.dtype());
  }
  return spec;
}

void run(const Options& options) {
  if (options.words.json && options.out == "-") {
    throw_usage("--json and -o - both want standard output; write the scores to a file");
  }
  std::vector<std::string> inputs = options.scores.scores;
  inputs.push_back(options.prior);
  if (!options.scores.classes.empty()) inputs.push_back(options.scores.classes);
  if (options.target != "uniform" && options.target != "empirical") {
    inputs.push_back(options.target);
  }
  refuse_overwriting(options.out, inputs);

  const ClassPrior prior = load_prior(options.prior);
  OpenedScores scores = open(options.scores, {"'" + options.prior + "'", prior.settings.classes});
  if (!scores.excluded.empty() && scores.excluded != prior.settings.excluded) {
    throw_usage(
        "--exclude differs from what the prior was estimated with; give it to p2p estimate");
  }
  CorrectionOptions correction;
  correction.method = find_method(options.method);
  correction.tau = options.tau;
  correction.target = read_target(options, prior);
  correction.strength = options.strength;
  const LogOffset offset = make_correction(prior, correction).offset;

  ApplyOptions apply;
  apply.kind = scores.kind;
  apply.kind_stated = !scores.kind_assumed;
  apply.output =
      kOutputs.at(options.output.empty() ? std::string(kind_name(scores.kind)) : options.output);
  const SinkSpec spec = sink_spec(scores, options, apply.output);
  apply.dtype = spec.dtype;
  apply.threads = options.words.threads;
  const auto sink = create_sink(options.out, spec);
  {
    Progress progress("correct", scores.set.rows(), !options.words.quiet);
    apply.rows_done = progress.rows_done();
    correct(scores.set, offset, apply, *sink);
    sink->commit();
  }

  note_kind(options.words, scores);
  for (const std::string& missing : missing_parts(prior))
    warn("the prior is incomplete: " + missing);
  if (scores.set.dtype() == DType::kBF16 && spec.dtype == DType::kF32) {
    note(options.words,
         "NumPy has no bfloat16, so the scores were widened to float32; .safetensors keeps "
         "bfloat16");
  }
  if (!offset.capped.empty()) {
    warn(
        fmt::format("{} classes whose prior is only the floor were raised no more than the most "
                    "raised measured class: {}",
                    offset.capped.size(), fmt::join(offset.capped, ", ")));
  }
  if (options.words.json) {
    report::Json json;
    json["output"] = options.out;
    json["n_rows"] = scores.set.rows();
    json["n_classes"] = scores.set.classes();
    json["method"] = options.method;
    json["target"] = options.target;
    json["strength"] = options.strength;
    if (options.method == "empirical") json["tau"] = options.tau;
    json["input_kind"] = kind_name(scores.kind);
    json["input_kind_assumed"] = scores.kind_assumed;
    json["output_kind"] =
        options.output.empty() ? std::string(kind_name(scores.kind)) : options.output;
    json["dtype"] = dtype_name(spec.dtype);
    json.update(report::offset_json(offset));
    print_json(json);
  } else if (options.out != "-") {
    note(options.words, fmt::format("{} corrected rows ({}) written to '{}'", scores.set.rows(),
                                    options.method, options.out));
  }
}

}  // namespace

void add_correct(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "correct",
      "divide a prior out of scores: z' = z / T + strength * (log target - log residual)");
  add_score_options(*verb, options->scores, true);
  verb->add_option("--prior", options->prior, "prior file from p2p estimate")
      ->required()
      ->type_name("PRIOR");
  verb->add_option("-o,--out", options->out,
                   "corrected scores: .npy, .npz, .safetensors, .csv, or - (.npy on stdout)")
      ->required()
      ->type_name("OUT");
  verb->add_option("--method", options->method,
                   "p2p (measured), empirical (class frequencies) or none (identity)")
      ->type_name("METHOD")
      ->capture_default_str();
  verb->add_option("--tau", options->tau,
                   "exponent of the class frequencies, for --method empirical")
      ->type_name("T")
      ->capture_default_str();
  verb->add_option("--target", options->target,
                   "prior to aim at: uniform, empirical, or a file of counts or probabilities")
      ->type_name("TARGET")
      ->capture_default_str();
  verb->add_option("--strength", options->strength, "share of the correction; 0 is the identity")
      ->type_name("A")
      ->capture_default_str();
  verb->add_option("--output", options->output,
                   "logits, probs, log-probs or labels (default: as the input)")
      ->check(CLI::IsMember(kOutputs))
      ->type_name("KIND");
  add_output_options(*verb, options->words);
  verb->footer(
      fmt::format("Examples:\n"
                  "  p2p estimate {0}:train_logits --counts {0}:counts -o prior.json && p2p "
                  "correct {0}:test_logits --prior prior.json -o corrected.npy\n"
                  "  p2p correct {0}:test_logits --prior prior.json --method empirical --output "
                  "probs -o probs.csv",
                  kSample));
  verb->callback([options] { run(*options); });
}

}  // namespace p2p::cli
