#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "interrupt.hpp"
#include "p2p/estimate.hpp"
#include "p2p/leave_one_out.hpp"
#include "words.hpp"

namespace p2p::python {
namespace {

using namespace nb::literals;

using Weights = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Biases = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using LeftOut = nb::ndarray<double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void leave_one_out(const Scores& features, const Integers& labels, const Weights& weight,
                   const Biases& bias, const std::string& loss, double tau,
                   const std::optional<Reals>& values, const std::optional<Reals>& counts,
                   int threads, const LeftOut& out) {
  LinearHead head;
  head.classes = static_cast<std::int64_t>(weight.shape(0));
  head.width = static_cast<std::int64_t>(weight.shape(1));
  head.weights.assign(weight.data(), weight.data() + weight.size());
  head.bias.assign(bias.data(), bias.data() + bias.size());
  const Training training{parse_loss(loss), tau, to_vector(values)};
  // A row costs far more than its bytes tell.
  run_unlocked(kShortWork, [&] {
    ScoreSet rows = features.read(ScoreKind::kLogits).set;
    ArrayLabels source(labels);
    const std::vector<double> offset = training_offset(training, to_vector(counts), head.classes);
    const ScoreSet scores = leave_one_out_scores(rows, source, head, offset, threads);
    scores.sources().front()->read(0, scores.rows(), out.data());
  });
}

}  // namespace

void bind_head(nb::module_& m) {
  m.def("leave_one_out_scores", &leave_one_out, "features"_a, "labels"_a, "weight"_a, "bias"_a,
        nb::kw_only(), "loss"_a, "tau"_a, "values"_a.none(), "counts"_a.none(), "threads"_a,
        "out"_a);
}

}  // namespace p2p::python
