#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <utility>

#include "arrays.hpp"
#include "bindings.hpp"
#include "interrupt.hpp"
#include "json.hpp"
#include "p2p/bake.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"
#include "python_correction.hpp"
#include "report/bake.hpp"
#include "words.hpp"

namespace p2p::python {
namespace {

using namespace nb::literals;

nb::object bake_file(const std::string& model, const std::string& out,
                     const PythonCorrection& correction, const std::string& prior_sha256,
                     const std::string& mode, const std::string& output_name,
                     const std::string& tensor, std::optional<int> class_axis,
                     const std::string& add_bias, bool again,
                     const std::optional<std::string>& verify, std::optional<double> tolerance,
                     const std::string& input, int threads) {
  BakeOptions options;
  options.mode = parse_mode(mode);
  options.output_name = output_name;
  options.tensor = tensor;
  options.class_axis = class_axis;
  options.add_bias = add_bias;
  options.again = again;
  options.classes = correction.classes;
  BakeRecord record;
  record.method = correction.method;
  record.target = correction.target;
  record.strength = correction.strength;
  record.prior_sha256 = prior_sha256;
  const bool surely_logits = parse_kind(input) == ScoreKind::kLogits;
  std::optional<VerifyOptions> proof;
  if (verify) {
    refuse_overwriting(out, {*verify});
    proof = VerifyOptions{*verify, tolerance, threads, surely_logits};
  }
  BakeResult result;
  {
    const nb::gil_scoped_release unlocked;
    result = bake(model, correction.correction.offset, record, options, out, proof);
  }
  if (result.verification && !result.verification->passed()) {
    throw_bad_data(report::verification_text(*result.verification) +
                   "; nothing was written: look at mode='add' or another tolerance");
  }
  return to_dict(report::bake_json(model, out, result));
}

nb::object unbake_file(const std::string& model, const std::string& out) {
  std::vector<BakeRecord> records;
  {
    const nb::gil_scoped_release unlocked;
    records = unbake(model, out);
  }
  return to_dict(report::records_json(model, records));
}

nb::object show_file(const std::string& model, std::int64_t n_classes,
                     const std::string& output_name, const std::string& tensor,
                     std::optional<int> class_axis) {
  const std::vector<BakeRecord> records = baked_records(model);
  if (!records.empty()) return to_dict(report::records_json(model, records));
  BakeOptions options;
  options.output_name = output_name;
  options.tensor = tensor;
  options.class_axis = class_axis;
  return to_dict(report::head_json(model, find_scores(model, n_classes, options)));
}

nb::object folded(const std::optional<Reals>& bias, const PythonCorrection& correction) {
  return to_numpy(folded_bias(to_vector(bias), correction.correction.offset));
}

}  // namespace

void bind_model(nb::module_& m) {
  m.def(
      "bake_file", &bake_file, "model"_a, "out"_a, "correction"_a, "prior_sha256"_a, "mode"_a,
      "output_name"_a, "tensor"_a, "class_axis"_a.none(), "add_bias"_a, "again"_a,
      "verify"_a.none(), "tolerance"_a.none(), "input"_a, "threads"_a,
      nb::sig("def bake_file(model: str, out: str, correction: Correction, prior_sha256: str, "
              "mode: str, output_name: str, tensor: str, class_axis: int | None, add_bias: str, "
              "again: bool, verify: str | None, tolerance: float | None, input: str, threads: int) "
              "-> dict[str, typing.Any]"));
  m.def("unbake_file", &unbake_file, "model"_a, "out"_a,
        nb::sig("def unbake_file(model: str, out: str) -> dict[str, typing.Any]"));
  m.def("show_file", &show_file, "model"_a, "n_classes"_a, "output_name"_a, "tensor"_a,
        "class_axis"_a.none(),
        nb::sig("def show_file(model: str, n_classes: int, output_name: str, tensor: str, "
                "class_axis: int | None) -> "
                "dict[str, typing.Any]"));
  m.def("folded_bias", &folded, "bias"_a.none(), "correction"_a,
        nb::sig("def folded_bias(bias: numpy.typing.NDArray[numpy.float64] | None, correction: "
                "Correction) -> numpy.typing.NDArray[numpy.float64]"));
}

}  // namespace p2p::python
