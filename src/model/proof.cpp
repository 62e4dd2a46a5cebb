#include "model/proof.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/element.hpp"
#include "engine/run_model.hpp"
#include "io/file.hpp"
#include "io/npy_header.hpp"
#include "io/temporary_folder.hpp"
#include "io/text.hpp"
#include "model/hidden_paths.hpp"
#include "model/hidden_sibling.hpp"
#include "model/onnx_edit.hpp"
#include "model/onnx_fold_site.hpp"
#include "model/output_proof.hpp"
#include "model/two_columns.hpp"
#include "model/verify.hpp"
#include "p2p/error.hpp"
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
    naming({{copy_->path(), io::quote(path)}},
           [&] { write_with_output(model, value, value_type(model, value), copy_->path()); });
  }
  [[nodiscard]] const std::string& path() const { return copy_ ? copy_->path() : path_; }
  /// Lets messages call the copy `name`.
  void add_to(HiddenPaths& hidden, const std::string& name) const {
    if (copy_) hidden.emplace_back(copy_->path(), io::quote(name));
  }

 private:
  std::string path_;
  std::unique_ptr<HiddenSibling> copy_;
};

// The axis of the classes in scores that the model gave: as the model says, else the only one
// behind the first that is as long as there are classes.
int class_axis_of(const std::string& scores, const ScoreHead& head, std::int64_t classes) {
  if (head.class_axis) return *head.class_axis;
  const auto file = io::File::open(scores);
  io::FileStream stream(file, 0, file->size());
  const std::vector<std::int64_t> shape = io::read_npy_header(stream, scores).info.shape;
  if (shape.size() <= 2) return -1;
  if (std::count(shape.begin() + 1, shape.end(), classes) != 1) {
    throw_bad_data(fmt::format(
        "{} has shape {}, which does not say what its axis of the {} classes is; say it with "
        "--class-axis",
        io::quote(head.comparable), io::shape_text(shape), classes));
  }
  return static_cast<int>(std::find(shape.begin() + 1, shape.end(), classes) - shape.begin());
}

// Scores that all lie between 0 and 1 are more likely sigmoids of each class.
void refuse_shares(ScoreSet& set, const ScoreHead& head) {
  constexpr double kRounding = 1e-5;
  RowSource& source = *set.sources().front();
  const std::int64_t rows = std::min(source.rows(), kBlockRows);
  std::vector<char> block(static_cast<std::size_t>(rows * source.classes()) *
                          item_size(source.dtype()));
  source.read(0, rows, block.data());
  for (std::int64_t i = 0; i < rows * source.classes(); ++i) {
    const double value = load_element(block.data(), source.dtype(), i);
    if (value < -kRounding || value > 1 + kRounding) return;
  }
  throw_bad_data(fmt::format(
      "{} was taken for logits, but the model's own scores on these inputs all lie in [0, 1], as "
      "probabilities of each class by itself do, which have no prior over classes to divide out; "
      "say --input logits if they are logits all the same",
      io::quote(head.comparable)));
}

/// A graph does not say what its numbers mean, but the numbers do. Those of two logits may have a
/// log-sum-exp near 0 by chance, so that a person knows better.
void refuse_probabilities(const std::string& scores, const ScoreHead& head, int class_axis,
                          bool surely_logits) {
  if (head.comparable_kind != OutputKind::kLogits) return;
  ScoreKind kind = ScoreKind::kLogits;
  try {
    ScoreSet set = open_rows(scores, "scores of the old model", class_axis);
    kind = detect_kind(set, /*ask=*/false);
    if (kind == ScoreKind::kLogits && !surely_logits) refuse_shares(set, head);
  } catch (const Error&) {  // a mixture
    if (!surely_logits) throw;
  }
  const bool may_be_logits = kind == ScoreKind::kLogProbs;
  if (kind == ScoreKind::kLogits || (may_be_logits && surely_logits)) return;
  throw_bad_data(fmt::format(
      "{} was taken for logits, but the model's own scores on these inputs are {}; name the value "
      "with the logits by --tensor{}",
      io::quote(head.comparable), kind_name(kind),
      may_be_logits ? ", or say --input logits if they are logits all the same" : ""));
}

}  // namespace

Verification prove(const ProvenModels& models, const ScoreHead& head, bool is_named,
                   const LogOffset& offset, const VerifyOptions& options) {
  const io::TemporaryFolder folder;
  const std::string old_scores = folder.path("old.npy");
  const std::string new_scores = folder.path("new.npy");
  const std::string new_labels = folder.path("labels.npy");
  // A probability next to 1 says little of the other one, but its logit does.
  const bool one_logit = head.one_logit != OneLogit::kNo;
  const std::string& old_value = one_logit ? head.scores : head.comparable;
  const ShownModel shown_before(models.before, models.out, head, old_value);
  const ShownModel shown_after(models.after, models.out, head, head.comparable);
  HiddenPaths hidden = {{new_labels, "what the new model gives"},
                        {folder.path(), "a temporary folder"}};
  shown_before.add_to(hidden, models.before);
  shown_after.add_to(hidden, models.out);
  const auto run = [&](const std::string& model, const std::string& output,
                       const std::string& result) {
    return engine::run_model(head.format, model, options.inputs, {output}, {result},
                             options.threads);
  };
  return naming(hidden, [&] {
    const std::string ran_by = run(shown_before.path(), old_value, old_scores);
    if (one_logit) write_probabilities(old_scores, head.one_logit);
    const int class_axis =
        class_axis_of(old_scores, head, static_cast<std::int64_t>(offset.delta.size()));
    refuse_probabilities(old_scores, head, class_axis, options.surely_logits);
    run(shown_after.path(), head.comparable, new_scores);
    if (head.one_logit == OneLogit::kAlone) write_both_columns(new_scores);
    Verification verification = verify_scores(old_scores, new_scores, head.comparable_kind,
                                              class_axis, head.dtype, offset, options, ran_by);
    if (head.output_kind == OutputKind::kLabels) {
      run(models.after, head.output, new_labels);
      verification.differing_decisions = count_differing_labels(
          old_scores, new_labels, head.comparable_kind, class_axis, head.dtype, offset, options);
    }
    if (is_named && head.format == ModelFormat::kOnnx) {
      verification.not_compared = prove_outputs(models, head, offset, options, folder);
    }
    return verification;
  });
}

}  // namespace p2p::model
