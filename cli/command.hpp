#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "p2p/class_names.hpp"
#include "p2p/class_prior.hpp"
#include "p2p/label_source.hpp"
#include "p2p/row_source.hpp"
#include "p2p/score_reading.hpp"
#include "p2p/types.hpp"
#include "report/json.hpp"

/// What the verbs share: options, opening of inputs, words on stderr, JSON on stdout.
namespace p2p::cli {

struct OutputOptions {
  bool json = false;
  bool quiet = false;
  std::uint64_t seed = 0;
  int threads = 0;
};

struct ScoreOptions {
  std::vector<std::string> scores;
  std::string head;  ///< the files hold features, which this head scores
  std::string input = "auto";
  ScoreReading reading;
  std::string classes;
  std::optional<std::int64_t> ignore_index;
  std::optional<int> class_axis;
  std::vector<std::string> exclude;
  std::vector<std::string> skip_columns;
};

/// The sample of the repository, for the examples in --help.
inline constexpr const char* kSample = "data/cifar10-lt100-resnet20-ce-mixup.npz";
/// A model that takes the logits of the sample for its features (data/README.md).
inline constexpr const char* kSampleModel = "data/stand-in-head.onnx";

void add_output_options(CLI::App& verb, OutputOptions& options);
void add_skip_columns(CLI::App& verb, std::vector<std::string>& columns);
/// `positional`: SCORES... are the arguments of the verb, and a run of p2p train among them frees
/// the other options from being required; else they come by --scores.
void add_score_options(CLI::App& verb, ScoreOptions& options, bool positional);
/// When `path` is a run of p2p train, no option of the verb is required: the run fills them in. Nor
/// when nothing is there that could be one: take_run says so.
void free_for_run(CLI::App& verb, const std::string& path);
/// --normalise, --log-base and --binary.
void add_number_options(CLI::App& verb, ScoreReading& reading);
/// How score files are to be understood: all but the files.
void add_reading_options(CLI::App& verb, ScoreOptions& options);

/// Opened scores with what is known of them before a pass.
struct OpenedScores {
  ScoreSet set;
  ScoreKind kind;
  bool kind_assumed;
  std::vector<std::string> classes;  ///< names that all sources agree on, or empty
  std::vector<std::int64_t> excluded;
};

/// The files behind the scores: they may not be overwritten.
std::vector<std::string> score_files(const ScoreOptions& options);

/// `known`: class names from elsewhere (a prior), which must agree.
OpenedScores open(const ScoreOptions& options, const NamedClasses& known = {});

ClassPrior load_prior(const std::string& path);

/// The labels of these rows.
std::unique_ptr<LabelSource> open_labels_of(const OpenedScores& scores,
                                            const std::vector<std::string>& files,
                                            const ScoreOptions& reading);

/// One value per class from a file, by `names` where it has some; Error naming the file when there
/// are more or fewer.
std::vector<double> read_per_class(const std::string& spec, std::int64_t classes,
                                   const std::vector<std::string>& names);
/// The same for counts or probabilities: not negative, not all zero.
std::vector<double> read_shares(const std::string& spec, std::int64_t classes,
                                const std::vector<std::string>& names);

/// The number that the whole text is, or nothing.
std::optional<double> parse_number(std::string_view text);

/// An option that takes one file each time it is given.
CLI::Option* add_files(CLI::App& verb, const std::string& name, std::vector<std::string>& files,
                       const std::string& description);

/// Sentences for people, on stderr.
void note(const OutputOptions& options, const std::string& sentence);
void warn(const std::string& sentence);
/// A warning for each of the options that was given, although `why` they mean nothing: "--few is
/// not looked at: WHY".
void warn_idle(const CLI::App& verb, std::initializer_list<const char*> options,
               std::string_view why);
void note_kind(const OutputOptions& options, const OpenedScores& scores);
/// One object on stdout.
void print_json(const report::Json& json);
void print(const std::string& text);

// Each adds its verb, which runs when chosen.
void add_estimate(CLI::App& app);
void add_merge(CLI::App& app);
void add_inspect(CLI::App& app);
void add_correct(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_compare(CLI::App& app);
void add_sweep(CLI::App& app);
void add_track(CLI::App& app);
void add_bake(CLI::App& app);
void add_unbake(CLI::App& app);
void add_show(CLI::App& app);
void add_head(CLI::App& app);
void add_train(CLI::App& app);  ///< for the help alone: also score and data

/// Replaces this program by p2p-train when the first of `arguments` (ended by null) is one of its
/// verbs, so that signals, terminal and exit code are its own. Error{kUsage}: there is no
/// p2p-train.
void become_train_program(char** arguments);

}  // namespace p2p::cli
