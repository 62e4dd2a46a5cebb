#include "run_folder.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>

#include "io/text.hpp"
#include "matrix_file.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"

namespace p2p::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kCheckpoint = "checkpoint.safetensors";
constexpr const char* kRecord = "run.json";
constexpr const char* kState = "p2p.checkpoint";
constexpr std::int64_t kLongest = std::int64_t{64} << 20;  // of a text, in bytes

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::string percent(double share) {
  return std::isnan(share) ? "" : fmt::format("{:.2f}", 100 * share);
}

}  // namespace

std::string first_difference(const Json& then, const Json& now) {
  for (const auto& [key, value] : now.items()) {
    const auto old = then.find(key);
    if (old == then.end()) return fmt::format("{} (which it does not say)", key);
    if (value.is_object()) {
      const std::string inside = first_difference(*old, value);
      if (!inside.empty()) return fmt::format("{} {}", key, inside);
    } else if (*old != value) {
      return fmt::format("{} {}, now it is {}", key, old->dump(), value.dump());
    }
  }
  return {};
}

RunFolder::RunFolder(std::string path, bool resume) : path_(std::move(path)) {
  if (!resume && (exists(file(kCheckpoint)) || exists(file(kRecord)))) {
    throw_usage(
        fmt::format("{} holds a run already; continue it with --resume, or give -o another folder",
                    io::quote(path_)));
  }
  std::error_code error;
  made_ = fs::create_directories(path_, error);
  if (error) {
    throw_bad_data(
        fmt::format("the folder {} cannot be made: {}", io::quote(path_), error.message()));
  }
}

RunFolder::~RunFolder() {
  std::error_code error;
  if (made_ && fs::is_empty(path_, error)) fs::remove(path_, error);
}

bool RunFolder::is_finished() const { return exists(file(kRecord)) && !exists(file(kCheckpoint)); }

Json RunFolder::record() const {
  Json json = Json::parse(read_text(file(kRecord), kLongest), nullptr, false);
  if (!json.is_object()) {
    throw_bad_data(
        fmt::format("{} is damaged; remove the folder to train again", io::quote(file(kRecord))));
  }
  return json;
}

void RunFolder::write_log(const std::string& text) const {
  if (!exists(file("log.csv")) || read_text(file("log.csv"), kLongest) != text) {
    write_text(file("log.csv"), text);
  }
}

void RunFolder::save(const learn::Trainer& trainer, const Json& identity, double seconds,
                     const std::string& log) const {
  Json state;
  state["epochs"] = trainer.epochs_done();
  state["seconds"] = seconds;
  state["identity"] = identity;
  state["log"] = log;
  learn::write_tensors(file(kCheckpoint),
                       {.tensors = trainer.state(), .texts = {{kState, state.dump()}}});
  write_log(log);
}

std::optional<Checkpoint> RunFolder::load(const Json& identity) const {
  const std::string path = file(kCheckpoint);
  if (!exists(path)) return std::nullopt;
  Checkpoint checkpoint;
  checkpoint.state = learn::read_tensors(path);
  const std::string& text = checkpoint.state.texts[kState];
  const Json state = Json::parse(text, nullptr, false);
  try {
    if (const std::string difference = first_difference(state.at("identity"), identity);
        !difference.empty()) {
      throw_bad_data(fmt::format(
          "{} was made with {}; continue with what it was made with, or give -o another folder",
          io::quote(path), difference));
    }
    checkpoint.epochs = state.at("epochs").get<int>();
    checkpoint.seconds = state.at("seconds").get<double>();
    checkpoint.log = state.at("log").get<std::string>();
  } catch (const nlohmann::json::exception&) {
    throw_bad_data(
        fmt::format("{} is no checkpoint of p2p train; remove it to start again", io::quote(path)));
  }
  return checkpoint;
}

void RunFolder::remove_checkpoint() const {
  std::error_code error;
  fs::remove(file(kCheckpoint), error);
}

std::string log_header() {
  std::string line = "epoch,learning_rate,loss";
  for (const char* part : {"train", "holdout"}) {
    line += fmt::format(",{0},{0}_many,{0}_medium,{0}_few", part);
  }
  return line + ",seconds\n";
}

std::string log_line(const learn::EpochReport& report, double seconds) {
  std::string line =
      fmt::format("{},{:.6g},{:.6f}", report.epoch, report.learning_rate, report.loss);
  for (const learn::Accuracies& part : {report.train, report.holdout}) {
    for (const double share : {part.all, part.many, part.medium, part.few}) {
      line += "," + percent(share);
    }
  }
  return line + fmt::format(",{:.3f}\n", seconds);
}

learn::Accuracies write_part(const RunFolder& folder, const std::string& name,
                             learn::Scorer& scorer, const images::ImageSet& set,
                             const std::vector<std::int64_t>& counts, bool features,
                             const learn::ScoreOptions& options) {
  MatrixFile scores(folder.file(name + "_scores.npy"), set.rows());
  MatrixFile kept(folder.file(name + "_features.npy"), set.rows());
  learn::HitCounter hits(static_cast<std::int64_t>(counts.size()), at::kCPU);
  learn::score_images(scorer, set, options, [&](std::int64_t first, const learn::Scores& made) {
    scores.write(first, made.scores);
    if (features) kept.write(first, made.features);
    hits.add(made.scores, learn::read_labels(set, first, made.scores.size(0)));
  });
  if (features) kept.commit();
  write_integers(folder.file(name + "_labels.npy"),
                 std::vector<std::int64_t>(set.labels().begin(), set.labels().end()));
  scores.commit();
  return hits.accuracies(counts, *learn::alone());
}

}  // namespace p2p::train
