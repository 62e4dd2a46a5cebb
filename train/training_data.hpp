#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "images/image_set.hpp"
#include "images/long_tail.hpp"

namespace p2p::train {

struct DataOptions {
  std::string spec;
  images::OpenOptions open;
  std::optional<double> imbalance;  ///< largest over smallest class; empty: as the data are
  images::Profile profile = images::Profile::kExponential;
  double holdout = 0;  ///< share of the training rows kept apart
  std::uint64_t seed = 0;
};

/// The rows of a run.
struct TrainingData {
  std::shared_ptr<const images::ImageSet> train;
  std::shared_ptr<const images::ImageSet> holdout;  ///< null: none
  std::shared_ptr<const images::ImageSet> test;     ///< null: the data set has none
  std::vector<std::string> classes;
  std::vector<std::int64_t> counts;  ///< of `train`, each at least 1
  std::vector<float> mean;           ///< of the channels, values 0..1, over up to kMomentRows rows
  std::vector<float> deviation;
  std::string kind;
  std::vector<std::string> skipped;
  std::string digest;  ///< SHA-256 over labels and up to kDigestRows images of train and holdout
};

inline constexpr std::int64_t kMomentRows = 10'000;
inline constexpr std::int64_t kDigestRows = 64;

/// Opens, thins out to the long tail, holds out, counts. Error{kBadData}: no training part, a class
/// without a training row, an empty test part; see open_images.
TrainingData prepare_data(const DataOptions& options);

}  // namespace p2p::train
