#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/onnx_model.hpp"
#include "p2p/bake.hpp"

namespace p2p::model {

/// What takes the offset in fold mode.
enum class FoldSite : std::uint8_t {
  kNone,                ///< nothing does
  kBias,                ///< a constant with one element for each class, used once
  kNewBias,             ///< Gemm or Conv without a bias gets one
  kIntercepts,          ///< attribute of LinearClassifier
  kLogisticIntercepts,  ///< the same for two classes: sigmoid(-z), sigmoid(z)
  kBaseValues,          ///< attribute of TreeEnsembleClassifier
};

/// Where an ONNX model makes its class scores.
struct OnnxHead {
  std::string output;  ///< of the graph
  OutputKind output_kind = OutputKind::kLogits;
  std::string logits;      ///< the value that the correction acts on
  std::string comparable;  ///< as in ScoreHead
  OutputKind comparable_kind = OutputKind::kLogits;
  std::int64_t n_classes = 0;            ///< 0: unknown
  DType dtype = DType::kF32;             ///< of `logits`
  std::int64_t trailing = 0;             ///< axes of `logits` behind that of the classes
  std::int64_t comparable_trailing = 0;  ///< the same of `comparable`
  bool reweights = false;  ///< `logits` holds probabilities that no logit stands behind
  OneLogit one_logit = OneLogit::kNo;

  FoldSite site = FoldSite::kNone;
  std::size_t node = 0;            ///< the node that adds the bias, or makes the logits
  std::optional<OnnxTensor> bias;  ///< kBias
  std::string bias_maker;          ///< kBias: the Constant node that holds it, as its output
  double beta = 1;                 ///< what the node multiplies its bias with
  std::int64_t site_width = 0;     ///< classes that the node has numbers for; 0: unknown
  bool interpolates = false;       ///< positions behind the node are mixed, which makes NaN of -inf
  bool can_scale = false;          ///< one factor for all classes costs nothing in this node
  std::string why_not_fold;        ///< kNone
};

/// The head behind the output that `options` name, or the only one with `n_classes` scores a row
/// (0: any number). Error{kBadData} with the reason when there is none, several or one that no
/// offset can correct (sigmoid, custom operators, trees, ...). O(nodes).
OnnxHead find_onnx_head(const OnnxModel& model, std::int64_t n_classes, const BakeOptions& options);

/// What an output holds when it is known to be `logits`, their softmax or their argmax. `n_classes`
/// 0: any number.
std::optional<OutputKind> kind_of_output(const OnnxModel& model, const std::string& output,
                                         const std::string& logits, std::int64_t n_classes);

/// The values that --tensor could name instead, as the end of a sentence; empty when there is none.
std::string values_for_tensor(const OnnxModel& model, std::int64_t n_classes);

/// Names of the classes that the model states: in its metadata or in a classifier of scikit-learn.
std::vector<std::string> onnx_class_names(const OnnxModel& model, const OnnxHead& head);

}  // namespace p2p::model
