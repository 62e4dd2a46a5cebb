#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "p2p/correction.hpp"
#include "p2p/evidence.hpp"
#include "p2p/label_source.hpp"
#include "p2p/select.hpp"
#include "run_folder.hpp"

/// The options that say which correction is meant and what it may learn from; shared by the verbs
/// that make one.
namespace p2p::cli {

/// Files that a method learns from.
struct EvidenceArguments {
  std::vector<std::string> holdout, holdout_labels, unlabelled, holdout_second;
  std::string run;  ///< that the held-out rows were taken from, else empty
};

struct CorrectionArguments {
  std::string method = "p2p";
  std::string target = "uniform";
  std::string strength = "1";
  double tau = 1;
  double eps = CorrectionOptions().eps;
  std::string match_to = "source";
  std::string confusion = "soft";
  int max_rounds = CorrectionOptions().max_rounds;
  bool allow_unconverged = false;
  int folds = SelectOptions().folds;
  double max_group_loss = SelectOptions().group_loss;
  std::string objective = std::string(objective_name(SelectOptions().objective));
};

void add_evidence_options(CLI::App& verb, EvidenceArguments& arguments);
/// --method and --strength, then what the methods understand.
void add_correction_options(CLI::App& verb, CorrectionArguments& arguments);
/// What the methods understand beside --method and --strength: --target, --tau, --eps, ...
void add_method_options(CLI::App& verb, CorrectionArguments& arguments);

/// All files that the options name, for refuse_overwriting.
std::vector<std::string> input_files(const EvidenceArguments& evidence,
                                     const CorrectionArguments& correction);

/// Whether the correction that is asked for learns from held-out rows. Error{kUsage}: no method.
bool looks_at_holdout(const CorrectionArguments& arguments, const ClassPrior& prior);

/// Takes the labelled held-out rows of a run, where it has them and none are given.
void take_holdout(const RunFolder& run, EvidenceArguments& evidence);
void note_holdout(const OutputOptions& words, const EvidenceArguments& evidence);

/// Everything but method and strength. Error{kUsage}: values that are not understood.
CorrectionOptions method_options(const CorrectionArguments& arguments, const ClassPrior& prior);

/// A correction and, with --method auto or --strength auto, how it was chosen.
struct ChosenCorrection {
  Correction correction;
  std::string method;  ///< that is applied
  double strength = 1;
  std::optional<Selection> selection;
};

/// What the options ask for, for scores of the kind `applied_to`, with a progress line. `like` says
/// how the scores of the evidence are to be understood; class names must agree with `known`.
ChosenCorrection find_correction(const CorrectionArguments& arguments,
                                 const EvidenceArguments& evidence, const ScoreOptions& like,
                                 const ClassPrior& prior, ScoreKind applied_to,
                                 const NamedClasses& known, const OutputOptions& words);

/// What people should know of a correction that was found: warnings, and why it was chosen.
void say_found(const ChosenCorrection& found, const ClassPrior& prior, const OutputOptions& words);

/// Evidence with the files it borrows.
class OpenedEvidence {
 public:
  /// `like`: how the scores of the verb are to be understood; the files hold scores of the same
  /// model. Class names must agree with `known`.
  OpenedEvidence(const EvidenceArguments& arguments, const ScoreOptions& like,
                 const NamedClasses& known, int threads);

  [[nodiscard]] Evidence& evidence() { return evidence_; }

 private:
  EvidenceRows open_rows(const std::vector<std::string>& files, const ScoreOptions& like,
                         const NamedClasses& known, const std::string& option);

  std::vector<std::unique_ptr<OpenedScores>> scores_;
  std::unique_ptr<LabelSource> labels_;
  Evidence evidence_;
};

}  // namespace p2p::cli
