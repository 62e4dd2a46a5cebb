#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "learn/score_images.hpp"
#include "learn/tensor_file.hpp"
#include "learn/trainer.hpp"

namespace p2p::train {

/// Where a run was when it was last saved.
struct Checkpoint {
  learn::TensorFile state;
  int epochs = 0;
  double seconds = 0;  ///< of training until then
  std::string log;     ///< text of log.csv
};

/// Of what has to be the same: the first thing that was another then, in words; "" when they agree.
std::string first_difference(const nlohmann::ordered_json& then, const nlohmann::ordered_json& now);

/// RUN/: the files of a run. A file appears when it is whole.
class RunFolder {
 public:
  /// Makes the folder. Error{kUsage}: it holds a run and `resume` is false; {kBadData}: it cannot
  /// be made.
  RunFolder(std::string path, bool resume);
  /// Takes away a folder that it made and that has stayed empty.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] bool is_finished() const;
  /// run.json of a finished run. Error{kBadData}: it is damaged.
  [[nodiscard]] nlohmann::ordered_json record() const;

  /// `identity`: what has to be the same for a run to be continued.
  void save(const learn::Trainer& trainer, const nlohmann::ordered_json& identity, double seconds,
            const std::string& log) const;
  /// Empty when there is no checkpoint. Error{kBadData}: of another identity, naming the first
  /// difference.
  [[nodiscard]] std::optional<Checkpoint> load(const nlohmann::ordered_json& identity) const;
  /// log.csv, unless it holds this text.
  void write_log(const std::string& text) const;
  void remove_checkpoint() const;

 private:
  std::string path_;
  bool made_ = false;
};

/// First line of log.csv and one line for an epoch; accuracies in percent, empty where none.
std::string log_header();
std::string log_line(const learn::EpochReport& report, double seconds);

/// NAME_scores.npy, NAME_labels.npy and, with `features`, NAME_features.npy. The accuracies of the
/// scores. Error{kBadData}: scores that are not finite.
learn::Accuracies write_part(const RunFolder& folder, const std::string& name,
                             learn::Scorer& scorer, const images::ImageSet& set,
                             const std::vector<std::int64_t>& counts, bool features,
                             const learn::ScoreOptions& options);

}  // namespace p2p::train
