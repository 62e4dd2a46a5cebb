#include <fmt/core.h>

#include <cmath>
#include <limits>

#include "p2p/error.hpp"
#include "p2p/estimate.hpp"

namespace p2p {
namespace {

// n / sum(n) of training counts that the loss cannot do without.
std::vector<double> class_frequencies(const std::vector<double>& counts, std::int64_t classes,
                                      const char* loss) {
  if (counts.empty()) {
    throw_usage(
        fmt::format("--trained-with {} needs the training counts: give --counts, or --labels of "
                    "the whole data set",
                    loss));
  }
  if (static_cast<std::int64_t>(counts.size()) != classes) {
    throw_bad_data(fmt::format("counts have {} values for {} classes; give one count per class",
                               counts.size(), classes));
  }
  return normalised(counts, "counts");
}

// "--trained-with weights:w.npy"
std::string option(const Training& training) {
  const std::string text = "--trained-with " + describe(training);
  return training.file.empty() ? text : text + ":" + training.file;
}

void demand_length(const Training& training, std::int64_t classes) {
  if (static_cast<std::int64_t>(training.values.size()) != classes) {
    throw_bad_data(fmt::format("{}: {} values for {} classes; give one per class", option(training),
                               training.values.size(), classes));
  }
}

}  // namespace

std::string describe(const Training& training) {
  switch (training.loss) {
    case Training::Loss::kCrossEntropy:
      return "ce";
    case Training::Loss::kLogitAdjusted:
      return fmt::format("la:{}", training.tau);
    case Training::Loss::kBalancedSoftmax:
      return "balanced-softmax";
    case Training::Loss::kClassWeights:
      return "weights";
    case Training::Loss::kOffset:
      return "offset";
  }
  return "";
}

std::vector<double> training_offset(const Training& training, const std::vector<double>& counts,
                                    std::int64_t classes) {
  std::vector<double> b(static_cast<std::size_t>(classes), 0.0);
  switch (training.loss) {
    case Training::Loss::kCrossEntropy:
      break;
    case Training::Loss::kLogitAdjusted: {
      const std::vector<double> pi = class_frequencies(counts, classes, "la");
      if (!std::isfinite(training.tau)) throw_usage("--trained-with la:TAU needs a finite TAU");
      if (training.tau == 0) break;
      for (std::size_t c = 0; c < b.size(); ++c) {
        b[c] =
            pi[c] > 0 ? training.tau * std::log(pi[c]) : -std::numeric_limits<double>::infinity();
      }
      break;
    }
    case Training::Loss::kBalancedSoftmax:
      class_frequencies(counts, classes, "balanced-softmax");
      for (std::size_t c = 0; c < b.size(); ++c) b[c] = std::log(counts[c]);
      break;
    case Training::Loss::kClassWeights:
      demand_length(training, classes);
      for (std::size_t c = 0; c < b.size(); ++c) {
        const double w = training.values[c];
        if (!(w > 0) || !std::isfinite(w)) {
          throw_bad_data(
              fmt::format("{}: class {} has weight {}; weights must be positive and finite",
                          option(training), c, w));
        }
        b[c] = -std::log(w);
      }
      break;
    case Training::Loss::kOffset:
      demand_length(training, classes);
      for (std::size_t c = 0; c < b.size(); ++c) {
        const double value = training.values[c];
        const bool without_images = c < counts.size() && counts[c] == 0;
        if (std::isfinite(value) || (without_images && value < 0)) continue;
        throw_bad_data(
            fmt::format("{}: class {} has offset {}; offsets must be finite, or -inf for a class "
                        "without training images",
                        option(training), c, value));
      }
      b = training.values;
      break;
  }
  return b;
}

}  // namespace p2p
