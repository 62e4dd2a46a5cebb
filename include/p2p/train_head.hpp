#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "p2p/label_source.hpp"
#include "p2p/linear_head.hpp"
#include "p2p/row_source.hpp"

namespace p2p {

/// How a linear head is retrained on features of a frozen network.
enum class HeadMethod : std::uint8_t {
  kLinear,              ///< cross-entropy, every row equally often
  kCrt,                 ///< every class equally often (cRT, Kang et al. 2020)
  kLws,                 ///< one learned factor a class for a head that is kept (LWS, ibid.)
  kTauNorm,             ///< w_c / |w_c|^tau of a head that is kept, no bias (ibid.)
  kLort,                ///< over-smoothed labels (LORT, Sun et al. 2024)
  kPriorityReweighing,  ///< rounds of weighted fits, rows near the boundary first (Hu et al. 2025)
};

struct HeadMethodInfo {
  HeadMethod method;
  std::string_view name;     ///< as in --method
  std::string_view summary;  ///< one line
  bool needs_head = false;   ///< starts from a head that is there already
};
std::span<const HeadMethodInfo> head_methods();
/// Error{kUsage} listing the names.
HeadMethod find_head_method(std::string_view name);

struct HeadOptions {
  HeadMethod method = HeadMethod::kLinear;
  double tau = 1.0;         ///< exponent of kTauNorm, at least 0
  double smoothing = 0.98;  ///< s of kLort: the target is 1 - s + s/C for the own class, else s/C
  int epochs = 20;          ///< passes over as many rows as there are; of each round
  int batch = 128;          ///< rows a step
  std::optional<double> learning_rate;  ///< first; falls to 0 along a cosine. Default: 0.1, kLort
                                        ///< 5e-4
  double momentum = 0.9;
  double weight_decay = 0;
  int rounds = 5;    ///< of kPriorityReweighing
  double eta = 1.0;  ///< of kPriorityReweighing: weight exp(-eta |margin|) within a class
  std::uint64_t seed = 0;
  int threads = 1;
  std::optional<std::int64_t> ignore_index;        ///< label of rows to leave out
  std::atomic<std::int64_t>* rows_done = nullptr;  ///< progress, over all epochs
};

/// Per class, over its training rows: m_i = z_iy - mean of the other logits.
struct HeadDiagnostics {
  std::vector<std::int64_t> rows;       ///< [C]
  std::vector<double> magnitude;        ///< mean m, NaN without rows (logits magnitude)
  std::vector<double> regularised_std;  ///< standard deviation of m / magnitude, NaN likewise
  std::vector<double> recall;           ///< NaN likewise
};

struct TrainedHead {
  LinearHead head;
  std::vector<double> losses;  ///< mean loss of the rows of each epoch, as they were met
  HeadDiagnostics diagnostics;
};

/// Retrains a head by SGD with momentum on features [N, d] in memory (float32, 4 N d bytes).
/// `initial`: for methods that keep a head, and to go on from; else zeros. Every epoch O(N C d).
/// Same bits for any number of threads. Error{kUsage}: options out of range, no `initial` where the
/// method needs one; {kBadData}: labels out of range, a class count below 2, `initial` of another
/// shape, a loss that is not finite (the step is named).
TrainedHead train_head(ScoreSet& features, LabelSource& labels, std::int64_t classes,
                       const HeadOptions& options, const LinearHead* initial = nullptr);

}  // namespace p2p
