#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "p2p/class_prior.hpp"
#include "p2p/row_sink.hpp"
#include "p2p/row_source.hpp"

namespace p2p {

enum class Method : std::uint8_t {
  kP2P,        ///< residual prior as measured
  kEmpirical,  ///< r = pi^tau / exp(b) (Menon et al. 2021, post-hoc logit adjustment)
  kNone,       ///< the identity, whatever the target
};

struct CorrectionOptions {
  Method method = Method::kP2P;
  double tau = 1.0;            ///< of kEmpirical
  std::vector<double> target;  ///< t, [C], any positive scale; empty: uniform
  double strength = 1.0;       ///< alpha; 0 is the identity
};

/// What is added to scores z / T.
struct LogOffset {
  std::vector<double> delta;  ///< [C], mean 0 over its finite corrected entries; -inf where t_c = 0
  double temperature = 1.0;
  std::vector<std::int64_t>
      capped;  ///< floored classes whose delta was cut to the largest unfloored one
  [[nodiscard]] bool is_identity() const;
};

/// delta = alpha * (log t - log r), centred; 0 for classes that are not corrected. O(C).
/// Error: kEmpirical without counts, a target of the wrong length, negative or all zero.
LogOffset make_offset(const ClassPrior& prior, const CorrectionOptions& options);

enum class OutputKind : std::uint8_t { kLogits, kProbs, kLogProbs, kLabels };

struct ApplyOptions {
  ScoreKind kind = ScoreKind::kLogits;  ///< of the input, never kAuto
  bool kind_stated = false;             ///< the user said so: logits may look like probabilities
  OutputKind output = OutputKind::kLogits;
  DType dtype = DType::kF32;  ///< of the sink; ignored for labels
  int threads = 1;
  std::atomic<std::int64_t>* rows_done = nullptr;
};

/// z' = z / T + delta for every row, written as logits (z' itself), softmax(z'), log softmax(z') or
/// argmax. Identity offsets leave elements as they are when input and output kind agree. Does not
/// commit the sink. One pass, O(N C); memory O(C * threads). Error: a bad row, values beyond the
/// range of float16.
void correct(ScoreSet& scores, const LogOffset& offset, const ApplyOptions& options, RowSink& sink);

}  // namespace p2p
