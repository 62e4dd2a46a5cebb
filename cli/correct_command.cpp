#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>

#include "command.hpp"
#include "correction_options.hpp"
#include "p2p/correction.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"
#include "progress.hpp"
#include "run_folder.hpp"

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
  std::string output;
  std::vector<std::string> second;
  EvidenceArguments evidence;
  CorrectionArguments correction;
  OutputOptions words;
};

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

void run(Options options) {
  const std::optional<RunFolder> folder = take_run(
      options.scores,
      {.prior = &options.prior, .output = &options.out, .output_name = "test_corrected.npy"});
  if (options.words.json && options.out == "-") {
    throw_usage("--json and -o - both want standard output; write the scores to a file");
  }
  std::vector<std::string> inputs = score_files(options.scores);
  inputs.push_back(options.prior);
  if (!options.scores.classes.empty()) inputs.push_back(options.scores.classes);
  inputs.insert(inputs.end(), options.second.begin(), options.second.end());
  for (std::string& file : input_files(options.evidence, options.correction)) {
    inputs.push_back(std::move(file));
  }
  if (folder) std::ranges::copy(folder->files(), std::back_inserter(inputs));
  refuse_overwriting(options.out, inputs);

  const ClassPrior prior = load_prior(options.prior);
  const NamedClasses known{"'" + options.prior + "'", prior.settings.classes};
  OpenedScores scores = open(options.scores, known);
  if (!scores.excluded.empty() && scores.excluded != prior.settings.excluded) {
    throw_usage(
        "--exclude differs from what the prior was estimated with; give it to p2p estimate");
  }
  if (folder && looks_at_holdout(options.correction, prior))
    take_holdout(*folder, options.evidence);
  const ChosenCorrection found =
      find_correction(options.correction, options.evidence, options.scores, prior, scores.kind,
                      known, options.words);
  const Correction& correction = found.correction;
  const LogOffset& offset = correction.offset;

  ApplyOptions apply;
  apply.kind = scores.kind;
  apply.kind_stated = !scores.kind_assumed;
  apply.output =
      kOutputs.at(options.output.empty() ? std::string(kind_name(scores.kind)) : options.output);
  const SinkSpec spec = sink_spec(scores, options, apply.output);
  apply.dtype = spec.dtype;
  apply.threads = options.words.threads;
  std::optional<OpenedScores> second;
  if (!options.second.empty()) {
    ScoreOptions like = options.scores;
    like.scores = options.second;
    like.head.clear();
    second.emplace(open(like, known));
    apply.second = &second->set;
    apply.second_kind = second->kind;
  }
  const auto sink = create_sink(options.out, spec);
  {
    Progress progress("correct", scores.set.rows(), !options.words.quiet);
    apply.rows_done = progress.rows_done();
    correct(scores.set, offset, apply, *sink);
    sink->commit();
  }

  note_kind(options.words, scores);
  note_holdout(options.words, options.evidence);
  say_found(found, prior, options.words);
  if (!options.second.empty() && !offset.second_temperature) {
    warn(fmt::format("--method {} does not look at --second", found.method));
  }
  if (scores.set.dtype() == DType::kBF16 && spec.dtype == DType::kF32) {
    note(options.words,
         "NumPy has no bfloat16, so the scores were widened to float32; .safetensors keeps "
         "bfloat16");
  }
  if (options.words.json) {
    report::Json json;
    json["output"] = options.out;
    json["n_rows"] = scores.set.rows();
    json["n_classes"] = scores.set.classes();
    json["method"] = found.method;
    json["target"] = options.correction.target;
    json["strength"] = found.strength;
    if (found.selection) json["selection"] = report::selection_json(*found.selection);
    if (found.method == "empirical" || found.method == "gala") {
      json["tau"] = options.correction.tau;
    }
    if (found.method == "drops") json["eps"] = options.correction.eps;
    json["input_kind"] = kind_name(scores.kind);
    json["input_kind_assumed"] = scores.kind_assumed;
    json["output_kind"] =
        options.output.empty() ? std::string(kind_name(scores.kind)) : options.output;
    json["dtype"] = dtype_name(spec.dtype);
    json.update(report::correction_json(correction));
    print_json(json);
  } else if (options.out != "-") {
    std::string next;
    if (folder && apply.output != OutputKind::kLabels) {
      next = fmt::format("; next: p2p evaluate {} --labels {} --counts {}", options.out,
                         folder->file("test_labels.npy"), folder->file("counts.npy"));
    }
    note(options.words, fmt::format("{} corrected rows ({}) written to '{}'{}", scores.set.rows(),
                                    found.method, options.out, next));
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
                   "corrected scores: .npy, .npz, .safetensors, .csv, or - (.npy on stdout); of a "
                   "run: its test_corrected.npy")
      ->required()
      ->type_name("OUT");
  add_correction_options(*verb, options->correction);
  add_evidence_options(*verb, options->evidence);
  add_files(*verb, "--second", options->second,
            "scores of a second, zero-shot model for the same rows as SCORES (gla)");
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
