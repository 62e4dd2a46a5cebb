#include <fmt/format.h>

#include <map>
#include <memory>

#include "command.hpp"
#include "correction_options.hpp"
#include "p2p/bake.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"
#include "report/bake.hpp"

namespace p2p::cli {
namespace {

const std::map<std::string, BakeMode> kModes{
    {"auto", BakeMode::kAuto}, {"fold", BakeMode::kFold}, {"add", BakeMode::kAdd}};

struct Options {
  std::string model;
  std::string prior;
  std::string out;
  std::string mode = "auto";
  BakeOptions bake;
  bool dry_run = false;
  std::string verify;
  std::optional<double> tolerance;
  ScoreOptions reading;
  EvidenceArguments evidence;
  CorrectionArguments correction;
  OutputOptions words;
};

void check(const Options& options) {
  if (options.out.empty() != options.dry_run) {
    throw_usage(options.dry_run ? "--dry-run writes nothing; leave out -o"
                                : "-o OUT is missing (or --dry-run, which writes nothing)");
  }
  if (options.tolerance && options.verify.empty()) {
    throw_usage("--tolerance is for --verify INPUTS, which is missing");
  }
  if (options.tolerance && !(*options.tolerance >= 0)) {
    throw_usage(fmt::format("--tolerance {} is not 0 or more", *options.tolerance));
  }
  std::vector<std::string> inputs = input_files(options.evidence, options.correction);
  inputs.push_back(options.prior);
  if (!options.verify.empty()) inputs.push_back(options.verify);
  if (!options.dry_run) refuse_overwriting(options.out, inputs);
}

// The prior's names, or those of --classes, which must agree.
std::vector<std::string> class_names(const Options& options, const ClassPrior& prior) {
  if (options.reading.classes.empty()) return prior.settings.classes;
  return agree_on_class_names(
      {{"'" + options.prior + "'", prior.settings.classes},
       {"'" + options.reading.classes + "'", read_class_names(options.reading.classes)}});
}

void run(Options& options) {
  check(options);
  const ClassPrior prior = load_prior(options.prior);
  options.bake.mode = kModes.at(options.mode);
  options.bake.class_axis = options.reading.class_axis;
  options.bake.classes = class_names(options, prior);
  const ScoreHead head = find_scores(options.model, prior.n_classes(), options.bake);
  const bool reweights = head.scores_kind == OutputKind::kProbs;
  const ChosenCorrection found =
      find_correction(options.correction, options.evidence, options.reading, prior,
                      reweights ? ScoreKind::kProbs : ScoreKind::kLogits,
                      {"'" + options.prior + "'", prior.settings.classes}, options.words);
  BakeRecord record;
  record.method = found.method;
  record.target = options.correction.target;
  record.strength = found.strength;
  record.prior_sha256 = file_sha256(options.prior);
  std::optional<VerifyOptions> verify;
  if (!options.verify.empty()) {
    verify = VerifyOptions{options.verify, options.tolerance, options.words.threads,
                           options.reading.input == "logits"};
  }
  const BakeResult result =
      bake(options.model, found.correction.offset, record, options.bake, options.out, verify);

  const bool failed = result.verification && !result.verification->passed();
  say_found(found, prior, options.words);
  if (!options.bake.add_bias.empty()) {
    warn(
        fmt::format("the tensor '{}' is new: the program that loads the weights must give the "
                    "layer a bias too, or it leaves the correction out",
                    options.bake.add_bias));
  }
  const std::string kinds = other_kind(result.head, prior.settings.input_kind);
  if (!kinds.empty()) note(options.words, kinds);
  if (!result.head.also.empty()) {
    note(options.words, fmt::format("made from the same scores, so changed as well: {}",
                                    fmt::join(result.head.also, ", ")));
  }
  if (!result.head.left.empty()) {
    warn(fmt::format("made of the same numbers before the correction acts, so left as they are: {}",
                     fmt::join(result.head.left, ", ")));
  }
  if (options.words.json) {
    print_json(report::bake_json(options.model, failed ? "" : options.out, result));
  }
  if (failed) {
    throw_bad_data(fmt::format("{}; nothing was written: look at --mode add or another --tolerance",
                               report::verification_text(*result.verification)));
  }
  if (options.words.json) return;
  const bool none = found.correction.offset.is_identity();
  note(options.words,
       fmt::format("the correction ({}, target {}, strength {}{}) {} {} ({}){}", record.method,
                   record.target, record.strength, none ? ", which changes nothing" : "",
                   options.dry_run ? "would go into" : "went into", report::place_text(result.head),
                   mode_name(result.head.mode),
                   options.dry_run ? "" : fmt::format("; written to '{}'", options.out)));
  if (!result.head.why_not_fold.empty()) {
    note(options.words, "not folded: " + result.head.why_not_fold);
  }
  if (result.head.dtype == DType::kF16 || result.head.dtype == DType::kBF16) {
    note(options.words, fmt::format("rounding to {} moved the offset by at most {:.2g}",
                                    dtype_name(result.head.dtype), result.rounding));
  }
  if (result.verification) note(options.words, report::verification_text(*result.verification));
}

}  // namespace

void add_bake(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "bake", "fold a correction into the model file that makes the scores, with proof");
  verb->add_option("MODEL", options->model, ".onnx, .safetensors, or TorchScript (.pt, .pth, .ts)")
      ->required()
      ->type_name("");
  verb->add_option("--prior", options->prior, "prior file from p2p estimate")
      ->required()
      ->type_name("PRIOR");
  verb->add_option("-o,--out", options->out, "corrected model, of the same format")
      ->type_name("OUT");
  verb->add_option(
          "--mode", options->mode,
          "fold: into the last layer's bias, no cost at run time; add: an operation behind "
          "the scores (ONNX); auto: fold where possible")
      ->check(CLI::IsMember(kModes))
      ->type_name("MODE")
      ->capture_default_str();
  verb->add_option("--output-name", options->bake.output_name,
                   "ONNX: the output with the class scores (default: the only one that fits)")
      ->type_name("NAME");
  verb->add_option("--tensor", options->bake.tensor,
                   "safetensors: the bias of the last layer; TorchScript: the layer; ONNX: a value "
                   "inside the graph that holds the logits")
      ->type_name("NAME");
  verb->add_option(
          "--add-bias", options->bake.add_bias,
          "safetensors: create this bias for a layer without one, which the loader must know")
      ->type_name("NAME");
  verb->add_flag("--again", options->bake.again, "on top of what is baked in already");
  verb->add_option(
          "--verify", options->verify,
          "run the old and the new model over these inputs (.npy, or .npz by input name) and "
          "compare; nothing is written when they disagree")
      ->type_name("INPUTS");
  verb->add_option("--tolerance", options->tolerance,
                   "most that scores may differ, relative beyond 1 (default 1e-5; for float16 and "
                   "bfloat16 4 units in the last place)")
      ->type_name("X");
  verb->add_flag("--dry-run", options->dry_run, "say what would be done, write nothing");
  add_correction_options(*verb, options->correction);
  add_evidence_options(*verb, options->evidence);
  add_reading_options(*verb, options->reading);
  verb->remove_option(
      verb->get_option("--exclude"));  // the prior says which classes are left alone
  add_output_options(*verb, options->words);
  verb->footer(fmt::format(
      "Examples:\n"
      "  p2p estimate {0}:train_logits --counts {0}:counts -o prior.json && p2p bake {1} "
      "--prior prior.json -o corrected.onnx\n"
      "  p2p bake {1} --prior prior.json --target empirical --strength 0.5 --dry-run",
      kSample, kSampleModel));
  verb->callback([options] { run(*options); });
}

}  // namespace p2p::cli
