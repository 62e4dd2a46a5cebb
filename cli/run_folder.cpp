#include "run_folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "p2p/error.hpp"
#include "p2p/open.hpp"
#include "p2p/version.hpp"

namespace p2p::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kRecord = "run.json";
constexpr const char* kCheckpoint = "checkpoint.safetensors";
constexpr const char* kLog = "log.csv";
constexpr int kFormat = 1;
constexpr std::int64_t kLongestRecord = 64 << 20;
constexpr std::int64_t kLeastClasses = 2;
constexpr std::int64_t kMostClasses = 1 << 24;
/// Offsets of single precision agree with those of double to this.
constexpr double kSameOffset = 1e-4;

bool exists(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

/// A file that the run must have.
std::string demand(const RunFolder& run, const std::string& name) {
  const std::string path = run.file(name);
  if (exists(path)) return path;
  std::string mend = "; use the folder as p2p train left it";
  if (name == "prior.json") mend = " yet; run p2p estimate " + run.path + " first";
  if (name.starts_with("train_augmented")) {
    mend = ", as it was trained with --augment none, or by an earlier version";
  }
  if (name.starts_with("holdout")) mend = "; train with --holdout to have held-out rows";
  if (name.starts_with("test")) mend = ", as it was trained without test images; name score files";
  throw_bad_data(fmt::format("the run '{}' has no {}{}", run.path, name, mend));
}

// run.json is written when all else is, and then the checkpoint goes.
void demand_finished(const RunFolder& run) {
  if (!exists(run.file(kCheckpoint))) return;
  for (const char* name : {kRecord, "train_scores.npy"}) {
    if (exists(run.file(name))) continue;
    throw_bad_data(
        fmt::format("the run '{}' is not finished: it has a checkpoint, but no {}; finish it with "
                    "p2p train --resume",
                    run.path, name));
  }
}

[[noreturn]] void refuse_record(const RunFolder& run, const std::string& why) {
  throw_bad_data(
      fmt::format("'{}' is not a usable record of a run: {}; give the files of the run one by one "
                  "in place of the folder",
                  run.file(kRecord), why));
}

const Json& at(const Json& json, const char* key, const RunFolder& run) {
  const auto found = json.find(key);
  if (found == json.end()) refuse_record(run, fmt::format("\"{}\" is missing", key));
  return *found;
}

void read_offset(const Json& list, RunFolder& run) {
  if (!list.is_array() || std::cmp_not_equal(list.size(), run.classes)) {
    refuse_record(run, fmt::format("\"training_offset\" must be an array of {} numbers, one a "
                                   "class",
                                   run.classes));
  }
  for (const Json& value : list) {
    if (!value.is_number() && !value.is_null()) {
      refuse_record(run, fmt::format("\"training_offset\" of class {} must be a number or null",
                                     run.training_offset.size()));
    }
    run.training_offset.push_back(value.is_null() ? -std::numeric_limits<double>::infinity()
                                                  : value.get<double>());
  }
}

RunFolder read_run(const std::string& path) {
  RunFolder run;
  run.path = path;
  demand_finished(run);
  const Json json = Json::parse(read_text(run.file(kRecord), kLongestRecord), nullptr,
                                /*allow_exceptions=*/false);
  if (!json.is_object()) refuse_record(run, "it is damaged or no JSON object");
  const Json& format = at(json, "format", run);
  if (!format.is_number_integer()) refuse_record(run, "\"format\" must be an integer");
  if (format != Json(kFormat)) {
    throw_bad_data(fmt::format(
        "'{}' has run format {}, but this p2p {} reads {}; use the p2p that belongs to the run",
        run.file(kRecord), format.dump(), kVersion, kFormat));
  }
  const Json& classes = at(json, "classes", run);
  if (classes.is_number_integer()) run.classes = classes.get<std::int64_t>();
  if (run.classes < kLeastClasses || run.classes > kMostClasses) {
    refuse_record(run, fmt::format("\"classes\" must be an integer from {} to {}", kLeastClasses,
                                   kMostClasses));
  }
  const Json& trained_with = at(json, "trained_with", run);
  if (!trained_with.is_string()) refuse_record(run, "\"trained_with\" must be a string");
  run.trained_with = trained_with.get<std::string>();
  read_offset(at(json, "training_offset", run), run);
  return run;
}

std::optional<Training> named_training(const std::string& text) {
  constexpr std::string_view kAdjusted = "la:";
  Training training;
  if (text == "ce") return training;
  if (text == "balanced-softmax") {
    training.loss = Training::Loss::kBalancedSoftmax;
    return training;
  }
  if (!text.starts_with(kAdjusted)) return std::nullopt;
  const std::optional<double> tau = parse_number(std::string_view(text).substr(kAdjusted.size()));
  if (!tau || !std::isfinite(*tau)) return std::nullopt;
  training.loss = Training::Loss::kLogitAdjusted;
  training.tau = *tau;
  return training;
}

bool same_but_for_a_constant(const std::vector<double>& a, const std::vector<double>& b) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (std::size_t c = 0; c < a.size(); ++c) {
    if (std::isinf(a[c]) || std::isinf(b[c])) {
      if (a[c] != b[c]) return false;
      continue;
    }
    low = std::min(low, a[c] - b[c]);
    high = std::max(high, a[c] - b[c]);
  }
  return !(high - low > kSameOffset);
}

}  // namespace

std::string RunFolder::file(const std::string& name) const {
  return (fs::path(path) / name).native();
}

std::vector<std::string> RunFolder::files() const {
  std::vector<std::string> paths;
  for (const char* name :
       {kRecord, kCheckpoint, kLog, "classes.txt", "counts.npy", "model.safetensors", "model.onnx",
        "train_scores.npy", "train_labels.npy", "train_features.npy", "train_augmented_scores.npy",
        "train_augmented_labels.npy", "train_augmented_features.npy", "holdout_scores.npy",
        "holdout_labels.npy", "holdout_features.npy", "test_scores.npy", "test_labels.npy",
        "test_features.npy"}) {
    paths.push_back(file(name));
  }
  return paths;
}

Training RunFolder::training(const std::vector<double>& counts) const {
  if (const std::optional<Training> named = named_training(trained_with)) {
    if (same_but_for_a_constant(p2p::training_offset(*named, counts, classes), training_offset)) {
      return *named;
    }
  }
  return {.loss = Training::Loss::kOffset, .values = training_offset, .file = file(kRecord)};
}

bool is_run(const std::string& path) {
  const RunFolder run{.path = path, .trained_with = {}, .training_offset = {}};
  return exists(run.file(kRecord)) || (exists(run.file(kCheckpoint)) && exists(run.file(kLog)));
}

bool is_nowhere(const std::string& path) {
  if (path == "-" || path.find_first_of("@:") != std::string::npos) return false;
  std::error_code error;
  return fs::path(path).extension().empty() && !fs::exists(path, error) && !error;
}

std::optional<RunFolder> take_run(ScoreOptions& scores, const RunPlaces& places) {
  for (const std::string& path : scores.scores) {
    if (is_nowhere(path)) throw_bad_data(fmt::format("'{}' does not exist; check the path", path));
  }
  const auto found = std::ranges::find_if(scores.scores, is_run);
  if (found == scores.scores.end()) return std::nullopt;
  if (scores.scores.size() > 1) {
    throw_usage(fmt::format(
        "'{}' is a run of p2p train and stands alone; to join its scores with others, name the "
        "files",
        *found));
  }
  if (!scores.head.empty()) {
    throw_usage(
        fmt::format("--head makes another model of the run '{}'; give its features and counts as "
                    "files",
                    *found));
  }
  if (places.rows == "loo") {
    throw_usage(
        fmt::format("the features of the run '{}' were learned from its training rows, so leaving "
                    "a row out of the last layer tells nothing of unseen rows; use --rows holdout",
                    *found));
  }
  const RunFolder run = read_run(*found);
  std::string part = places.rows;
  std::ranges::replace(part, '-', '_');
  scores.scores = {demand(run, part + "_scores.npy")};
  if (scores.input == "auto") scores.input = "logits";
  if (scores.classes.empty()) scores.classes = demand(run, "classes.txt");
  if (places.labels != nullptr && places.labels->empty()) {
    *places.labels = {demand(run, part + "_labels.npy")};
  }
  if (places.counts != nullptr && places.counts->empty()) {
    *places.counts = demand(run, "counts.npy");
  }
  if (places.prior != nullptr && places.prior->empty()) *places.prior = demand(run, "prior.json");
  if (places.output != nullptr && places.output->empty()) {
    *places.output = run.file(places.output_name);
  }
  const std::int64_t columns = open_scores(scores.scores).classes();
  if (columns != run.classes) {
    throw_bad_data(
        fmt::format("'{}' is a run of {} classes, but '{}' has {}; use the folder as p2p train "
                    "left it",
                    run.file(kRecord), run.classes, scores.scores.front(), columns));
  }
  return run;
}

}  // namespace p2p::cli
