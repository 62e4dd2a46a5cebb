#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "p2p/estimate.hpp"

/// A folder that p2p train wrote (docs/cli.md) as the input of a verb.
namespace p2p::cli {

/// What run.json says.
struct RunFolder {
  std::string path;
  std::int64_t classes = 0;
  std::string trained_with;
  std::vector<double> training_offset;  ///< b, [classes]; -inf where run.json holds null

  [[nodiscard]] std::string file(const std::string& name) const;
  /// What p2p train wrote, there or not, for refuse_overwriting.
  [[nodiscard]] std::vector<std::string> files() const;
  /// ce, la:TAU or balanced-softmax when `trained_with` says so and b is, but for a constant, what
  /// that makes of `counts`; else b by its values.
  [[nodiscard]] Training training(const std::vector<double>& counts) const;
};

/// A folder with run.json in it, or with the checkpoint and the log of a run that is not finished.
bool is_run(const std::string& path);
/// Nothing is there, and it could have been a folder by its name.
bool is_nowhere(const std::string& path);

/// Options of a verb that a run can fill in. Null: not wanted. Not empty: given, and kept.
struct RunPlaces {
  std::string rows = "test";  ///< as in --rows, or test
  std::vector<std::string>* labels = nullptr;
  std::string* counts = nullptr;
  std::string* prior = nullptr;
  std::string* output = nullptr;
  std::string output_name = {};
};

/// When the scores are a run: its scores, logits unless said otherwise, and class names take their
/// place, and `places` are filled.
/// Error{kUsage}: the run does not stand alone. Error{kBadData}: a path is_nowhere; the run is not
/// finished, lacks a file, or run.json is damaged or of another number of classes.
std::optional<RunFolder> take_run(ScoreOptions& scores, const RunPlaces& places);

}  // namespace p2p::cli
