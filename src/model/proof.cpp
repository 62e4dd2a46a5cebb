#include "model/proof.hpp"

#include <fmt/format.h>

#include <memory>

#include "engine/run_model.hpp"
#include "io/temporary_folder.hpp"
#include "io/text.hpp"
#include "model/hidden_sibling.hpp"
#include "model/onnx_edit.hpp"
#include "model/onnx_fold_site.hpp"
#include "model/two_columns.hpp"
#include "model/verify.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"
#include "p2p/score_kind.hpp"

namespace p2p::model {
namespace {

/// A model whose outputs hold the comparable scores: the model itself, or a copy beside the output.
class ShownModel {
 public:
  ShownModel(const std::string& path, const std::string& out, const ScoreHead& head,
             const std::string& value)
      : path_(path) {
    if (head.format != ModelFormat::kOnnx) return;
    const OnnxModel model = load_onnx(path);
    if (model.find_output(value) != nullptr) return;
    copy_ = std::make_unique<HiddenSibling>(out);
    write_with_output(model, value, value_type(model, value), copy_->path());
  }
  [[nodiscard]] const std::string& path() const { return copy_ ? copy_->path() : path_; }

 private:
  std::string path_;
  std::unique_ptr<HiddenSibling> copy_;
};

/// A graph does not say what its numbers mean, but the numbers do.
void refuse_probabilities(const std::string& scores, const ScoreHead& head) {
  if (head.comparable_kind != OutputKind::kLogits) return;
  ScoreSet set = open_scores({scores}, {.class_axis = -1});
  const ScoreKind kind = detect_kind(set, /*ask=*/false);
  if (kind == ScoreKind::kLogits) return;
  throw_bad_data(
      fmt::format("{} was taken for logits, but the model's own scores on these inputs are "
                  "{}; name the value with the logits by --tensor",
                  io::quote(head.comparable), kind_name(kind)));
}

}  // namespace

Verification prove(const std::string& before, const std::string& after, const std::string& out,
                   const ScoreHead& head, const LogOffset& offset, const VerifyOptions& options) {
  const io::TemporaryFolder folder;
  const std::string old_scores = folder.path("old.npy");
  const std::string new_scores = folder.path("new.npy");
  const std::string new_labels = folder.path("labels.npy");
  // A probability next to 1 says little of the other one, but its logit does.
  const bool one_logit = head.one_logit != OneLogit::kNo;
  const std::string& old_value = one_logit ? head.scores : head.comparable;
  const ShownModel shown_before(before, out, head, old_value);
  const ShownModel shown_after(after, out, head, head.comparable);
  const std::string ran_by = engine::run_model(head.format, shown_before.path(), options.inputs,
                                               {old_value}, {old_scores}, options.threads);
  if (one_logit) write_probabilities(old_scores, head.one_logit);
  refuse_probabilities(old_scores, head);
  engine::run_model(head.format, shown_after.path(), options.inputs, {head.comparable},
                    {new_scores}, options.threads);
  if (head.one_logit == OneLogit::kAlone) write_both_columns(new_scores);
  Verification verification = verify_scores(old_scores, new_scores, head.comparable_kind,
                                            head.dtype, offset, options, ran_by);
  if (head.output_kind == OutputKind::kLabels) {
    engine::run_model(head.format, after, options.inputs, {head.output}, {new_labels},
                      options.threads);
    verification.differing_decisions = count_differing_labels(
        old_scores, new_labels, head.comparable_kind, head.dtype, offset, options);
  }
  return verification;
}

}  // namespace p2p::model
