#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "p2p/correct.hpp"
#include "p2p/types.hpp"

/// A correction folded into the model file that makes the scores, with proof, and taken out again.
namespace p2p {

/// Told by the ending of a path: .onnx; .safetensors; .pt, .pth, .ts and .torchscript.
enum class ModelFormat : std::uint8_t { kOnnx, kSafetensors, kTorchScript };

enum class BakeMode : std::uint8_t {
  kAuto,      ///< fold where the last layer can take the offset, else add
  kFold,      ///< into the last layer's bias: the model does no more work than before
  kAdd,       ///< operations of their own after the scores (ONNX)
  kReweight,  ///< the same for probabilities that no logit stands behind; never asked for
};

constexpr std::string_view mode_name(BakeMode mode) {
  switch (mode) {
    case BakeMode::kAuto:
      return "auto";
    case BakeMode::kFold:
      return "fold";
    case BakeMode::kAdd:
      return "add";
    case BakeMode::kReweight:
      return "reweight";
  }
  return "";
}

struct BakeOptions {
  BakeMode mode = BakeMode::kAuto;
  std::string output_name;  ///< ONNX: the output with the class scores; empty: the only one
  std::string tensor;  ///< safetensors: the bias; ONNX: a value inside the graph that holds the
                       ///< logits, where they cannot be found; empty: found
  /// Axis of the classes in the scores, where they have three or more and the model does not say
  /// it; negative: from the end.
  std::optional<int> class_axis;
  std::string add_bias;  ///< safetensors: name of a bias to create, for a head that has none
  bool again = false;    ///< on top of a correction that is in the model already
  std::vector<std::string> classes;  ///< names of the prior, which must agree with the model's; or
                                     ///< empty
};

/// What was baked into a model, kept inside it.
struct BakeRecord {
  std::string method;  ///< as in --method
  std::string target;  ///< as in --target
  double strength = 1;
  std::string prior_sha256;         ///< of the prior file, or empty
  std::string version;              ///< of p2p; filled by bake
  BakeMode mode = BakeMode::kFold;  ///< filled by bake
  std::string where;                ///< tensor or value that took it; filled by bake
};

/// Heads of two classes with one logit a row.
enum class OneLogit : std::uint8_t {
  kNo,
  kAlone,     ///< the output is the probability of the second class alone
  kOfSecond,  ///< that probability behind its complement
  kOfFirst,   ///< the probability of the first class before its complement
};

/// Where a model makes its class scores.
struct ScoreHead {
  ModelFormat format = ModelFormat::kOnnx;
  std::int64_t n_classes = 0;  ///< 0: the file does not say
  std::string output;          ///< graph output with the scores; empty in weight files
  OutputKind output_kind = OutputKind::kLogits;  ///< what that output holds
  std::string scores;                            ///< value or layer where the correction acts
  OutputKind scores_kind = OutputKind::kLogits;  ///< what it holds: logits, or probabilities that
                                                 ///< no logit stands behind
  OneLogit one_logit = OneLogit::kNo;            ///< `scores` holds it then
  std::string layer;                             ///< in words, e.g. "Gemm 'head/fc'"
  std::string bias;                  ///< tensor that takes the offset in fold mode, or empty
  DType dtype = DType::kF32;         ///< in which the offset is stored
  BakeMode mode = BakeMode::kFold;   ///< that kAuto means here
  std::string why_not_fold;          ///< one clause, when mode is not kFold
  std::vector<std::string> also;     ///< other outputs that are made from the same scores
  std::vector<std::string> left;     ///< outputs made of the same numbers before the correction
                                     ///< acts, which stay as they are
  std::vector<std::string> classes;  ///< names that the model knows, or empty
  /// Float outputs to be compared in a proof: `output`, or the value behind it when that holds
  /// labels or maps.
  std::string comparable;
  OutputKind comparable_kind = OutputKind::kLogits;  ///< what that holds; never labels
  /// Axis of the classes in those; negative: from the end. Empty: as the arrays that come out say.
  std::optional<int> class_axis;
};

/// A comparison of the new model with `correct` applied to the old one, by a real inference engine.
struct Verification {
  std::string engine;  ///< e.g. "ONNX Runtime 1.21.0"
  std::int64_t n_rows = 0;
  std::int64_t n_classes = 0;
  double max_difference = 0;             ///< largest |new - corrected old| over all scores
  double tolerance = 0;                  ///< it may not exceed
  std::int64_t differing_decisions = 0;  ///< rows whose class is not that of the corrected scores
  std::int64_t changed_decisions = 0;    ///< rows whose class the correction changed
  /// Outputs that a value named by BakeOptions::tensor changes and that hold no scores of the
  /// classes, so that they were not compared.
  std::vector<std::string> not_compared;
  [[nodiscard]] bool passed() const {
    return max_difference <= tolerance && differing_decisions == 0;
  }
};

struct BakeResult {
  ScoreHead head;
  BakeRecord record;
  double rounding = 0;  ///< largest |written - exact| among the written numbers
  std::optional<Verification> verification;
};

struct VerifyOptions {
  /// .npy, or .npz with one array for each input of the model; rows first, where it has rows.
  std::string inputs;
  /// Bound on |new - corrected old|, relative for values beyond 1. Default: kVerifyTolerance for
  /// float32 and float64, 4 units in the last place for float16 and bfloat16.
  std::optional<double> tolerance;
  int threads = 1;
  /// What was taken for logits is logits, even where its numbers look like log-probabilities.
  bool surely_logits = false;
};

/// Two float32 runs of a network differ by this much when only the last sums are rounded otherwise.
inline constexpr double kVerifyTolerance = 1e-5;

/// The bias that gives z' = scale * z / T + delta where `bias` gave z, in float64:
/// bias' = scale * bias / T + delta. Empty bias: zeros. [C] each. The weights of the layer must be
/// multiplied by scale / T. This is what `bake` does to files; models in memory use it directly.
std::vector<double> folded_bias(std::span<const double> bias, const LogOffset& offset);

/// The format that the ending of `path` says. Error{kUsage} listing them.
ModelFormat model_format(const std::string& path);

/// Where the model in `path` makes its scores; `n_classes` 0: of any number of classes. Reads the
/// structure of the model, never its weights. Error{kBadData}: no or several candidates (listed), a
/// head that cannot be corrected, a damaged or hostile file.
ScoreHead find_scores(const std::string& path, std::int64_t n_classes,
                      const BakeOptions& options = {});

/// A sentence when the scores that the prior was measured on are of another kind than those that
/// the model gives, which is right only where the ones are the softmax of the others; else empty.
std::string other_kind(const ScoreHead& head, ScoreKind prior);

/// What was baked into the model, oldest first; empty when nothing was.
std::vector<BakeRecord> baked_records(const std::string& path);

/// Writes to `out` the model of `path` with the correction in it: its scores are
/// scale * z / T + delta. All other bytes stay as they are (ONNX, safetensors); memory does not
/// grow with the weights. With `verify` the new model is proven before it appears under its name;
/// when it fails, nothing is written and the result says so. Empty `out`: only says what would be
/// done. Error{kUsage}: an offset that needs a second model, a mode that the head cannot take.
/// Error{kBadData}: as find_scores; another number of classes; class names that disagree; baked
/// already (without `again`); data files that `out` could not find.
BakeResult bake(const std::string& path, const LogOffset& offset, const BakeRecord& record,
                const BakeOptions& options, const std::string& out,
                const std::optional<VerifyOptions>& verify = {});

/// Takes everything that was baked out again: the weights have their original bits, and a file
/// that nobody else rewrote its original bytes. What was taken out. Error{kBadData}: nothing was
/// baked, or what was baked is not there any more.
std::vector<BakeRecord> unbake(const std::string& path, const std::string& out);

}  // namespace p2p
