#include "model/output_proof.hpp"

#include <fmt/format.h>

#include <optional>

#include "engine/run_model.hpp"
#include "io/text.hpp"
#include "model/fold.hpp"
#include "model/onnx_class_axis.hpp"
#include "model/onnx_head.hpp"
#include "model/verify.hpp"
#include "p2p/error.hpp"
#include "p2p/score_kind.hpp"

namespace p2p::model {
namespace {

constexpr const char* kOld = "old-output.npy";
constexpr const char* kNew = "new-output.npy";

// As far as the model states it.
bool may_be_scores(const OnnxValue& output, std::int64_t classes, int class_axis) {
  if (!output.is_tensor) return false;
  if (output.type != kOnnxUndefined && !score_type(output.type)) return false;
  if (!output.shape) return true;
  const auto rank = static_cast<std::int64_t>(output.shape->size());
  if (rank < 2 || rank + class_axis < 0) return false;
  const std::int64_t size = (*output.shape)[static_cast<std::size_t>(rank + class_axis)];
  return size < 0 || size == classes;
}

OutputKind output_kind(ScoreKind kind) {
  if (kind == ScoreKind::kProbs) return OutputKind::kProbs;
  return kind == ScoreKind::kLogProbs ? OutputKind::kLogProbs : OutputKind::kLogits;
}

class OutputProof {
 public:
  OutputProof(const ProvenModels& models, const ScoreHead& head, const LogOffset& offset,
              const VerifyOptions& options, const io::TemporaryFolder& folder)
      : models_(models),
        head_(head),
        offset_(offset),
        options_(options),
        old_(folder.path(kOld)),
        new_(folder.path(kNew)),
        classes_(static_cast<std::int64_t>(offset.delta.size())),
        model_(load_onnx(models.before)) {}

  /// False: the output holds no scores of the classes.
  [[nodiscard]] bool prove(const std::string& output) const {
    const OnnxValue* stated = model_.find_output(output);
    const int class_axis = class_axis_of(output);
    if (stated == nullptr || !may_be_scores(*stated, classes_, class_axis)) return false;
    const std::optional<OutputKind> kind = kind_of(output, class_axis);
    if (!kind || *kind == OutputKind::kLabels) return false;
    if (*kind != OutputKind::kLogits && !has_one_factor(offset_)) {
      throw_bad_data(fmt::format(
          "the output {} of {} holds probabilities, of which a scale for each class cannot be "
          "proven, since a constant is lost in every row; choose a method without scales",
          io::quote(output), io::quote(models_.before)));
    }
    run(models_.after, output, new_);
    const Verification found =
        verify_scores(old_, new_, *kind, class_axis, head_.dtype, offset_, options_, "");
    if (!found.passed()) refuse(output, found);
    return true;
  }

 private:
  void run(const std::string& model, const std::string& output, const std::string& result) const {
    engine::run_model(head_.format, model, options_.inputs, {output}, {result}, options_.threads);
  }

  // From the end; the last where the graph does not say it.
  [[nodiscard]] int class_axis_of(const std::string& output) const {
    OnnxClassAxes axes(model_, classes_);
    if (head_.class_axis) axes.set(head_.comparable, -1 - *head_.class_axis);
    return static_cast<int>(-1 - axes.behind(output).value_or(0));
  }

  // Empty when the old model makes no row of as many numbers there.
  [[nodiscard]] std::optional<OutputKind> kind_of(const std::string& output, int class_axis) const {
    try {
      run(models_.before, output, old_);
      ScoreSet scores = open_rows(old_, fmt::format("output {}", io::quote(output)), class_axis);
      if (scores.classes() != classes_) return std::nullopt;
      if (const auto known = kind_of_output(model_, output, head_.scores, classes_)) return known;
      return output_kind(detect_kind(scores, /*ask=*/false));
    } catch (const Error&) {  // one number for all rows, integers, a mixture: no scores
      return std::nullopt;
    }
  }

  [[noreturn]] void refuse(const std::string& output, const Verification& found) const {
    throw_bad_data(fmt::format(
        "the proof failed: the output {} of the new model, as wide as the classes, differs from "
        "the corrected one of {} by up to {:.2g} (tolerance {:.2g}), so {}, which --tensor names, "
        "does not hold its logits; name the value that does, or correct the scores with p2p "
        "correct{}",
        io::quote(output), io::quote(models_.before), found.max_difference, found.tolerance,
        io::quote(head_.scores), values_for_tensor(model_, classes_)));
  }

  const ProvenModels& models_;
  const ScoreHead& head_;
  const LogOffset& offset_;
  const VerifyOptions& options_;
  std::string old_, new_;  ///< files
  std::int64_t classes_;
  OnnxModel model_;
};

}  // namespace

std::vector<std::string> prove_outputs(const ProvenModels& models, const ScoreHead& head,
                                       const LogOffset& offset, const VerifyOptions& options,
                                       const io::TemporaryFolder& folder) {
  std::vector<std::string> outputs = head.also;
  if (!head.output.empty() && head.output_kind != OutputKind::kLabels) {
    outputs.insert(outputs.begin(), head.output);
  }
  const OutputProof proof(models, head, offset, options, folder);
  std::vector<std::string> not_compared;
  for (const std::string& output : outputs) {
    if (output != head.comparable && !proof.prove(output)) not_compared.push_back(output);
  }
  return not_compared;
}

}  // namespace p2p::model
