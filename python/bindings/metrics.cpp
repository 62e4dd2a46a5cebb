#include "p2p/metrics.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "arrays.hpp"
#include "bindings.hpp"
#include "interrupt.hpp"
#include "json.hpp"
#include "p2p/error.hpp"
#include "p2p/inspect.hpp"
#include "report/json.hpp"
#include "report/names.hpp"
#include "report/terminal.hpp"
#include "words.hpp"

namespace p2p::python {
namespace {

using namespace nb::literals;

// What inspect() found, with the prior that it is about.
struct Inspection {
  ClassPrior prior;
  PriorInspection found;
  std::optional<Balance> balance;
  [[nodiscard]] report::Json json() const { return report::inspection_json(prior, found, balance); }
};

// The prior file, and the slope with its interval when there was a balance: [3], or empty.
using SavedInspection = std::tuple<std::string, std::optional<std::vector<double>>>;

template <class Measure>
void measure(const Scores& scores, const Integers& labels, const std::string& input,
             EvaluateOptions& options, Measure&& how) {
  const ScoreKind stated = parse_kind(input);
  run_unlocked(scores.bytes(), [&] {
    ReadScores read = scores.read(stated);
    options.kind_stated = !read.assumed;
    options.kind = read.kind;
    ArrayLabels source(labels);
    how(read.set, source);
  });
}

Metrics evaluate_arrays(const Scores& scores, const Integers& labels, const std::string& input,
                        double temperature, const std::optional<Reals>& counts, double many,
                        double few, std::optional<std::int64_t> ignore_index,
                        std::vector<std::int64_t> exclude, std::int64_t bootstrap,
                        std::uint64_t seed, int threads) {
  EvaluateOptions options;
  options.temperature = temperature;
  options.counts = to_vector(counts);
  options.many = many;
  options.few = few;
  options.ignore_index = ignore_index;
  options.excluded = std::move(exclude);
  options.bootstrap = bootstrap;
  options.seed = seed;
  options.threads = threads;
  Metrics metrics;
  measure(scores, labels, input, options,
          [&](ScoreSet& set, LabelSource& source) { metrics = evaluate(set, source, options); });
  return metrics;
}

Inspection inspect_arrays(const ClassPrior& prior, const Scores* scores,
                          const std::optional<Integers>& labels, const std::string& input,
                          std::optional<std::int64_t> ignore_index, std::uint64_t seed,
                          int threads) {
  Inspection inspection{prior, inspect_prior(prior), {}};
  if (scores == nullptr || !labels) return inspection;
  if (prior.settings.counts.empty()) {
    inspection.balance = judge_balance(std::nullopt);
    return inspection;
  }
  EvaluateOptions options;
  options.temperature = prior.settings.temperature;
  options.counts = prior.settings.counts;
  options.ignore_index = ignore_index;
  options.excluded = prior.settings.excluded;
  options.seed = seed;
  options.threads = threads;
  measure(*scores, *labels, input, options, [&](ScoreSet& set, LabelSource& source) {
    inspection.balance = judge_balance(residual_slope(set, source, options));
  });
  return inspection;
}

using Optional = std::optional<double>;

// Calls use(a number or an optional number of `values`) for each, in one order.
template <class Values, class Use>
void each_metric(Values& values, Use&& use) {
  use(values.accuracy), use(values.balanced_accuracy), use(values.macro_f1), use(values.nll);
  use(values.brier), use(values.ece), use(values.ece_equal_mass), use(values.ece_classwise);
  use(values.worst_recall), use(values.geometric_mean), use(values.many), use(values.medium);
  use(values.few), use(values.residual_slope);
}

using SavedMetrics =
    std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::vector<Optional>,
               std::vector<Optional>, std::vector<std::int64_t>, std::vector<double>>;

SavedMetrics saved_metrics(const Metrics& m) {
  std::vector<Optional> values;
  each_metric(m.values, [&](Optional value) { values.push_back(value); });
  std::vector<Optional> ends;
  if (m.ci95) {
    each_metric(*m.ci95, [&](std::optional<Interval> interval) {
      ends.push_back(interval ? Optional(interval->low) : Optional());
      ends.push_back(interval ? Optional(interval->high) : Optional());
    });
  }
  return {m.n_rows, m.n_ignored, m.n_classes, m.n_clipped, values, ends, m.label_counts, m.recall};
}

Metrics restored_metrics(SavedMetrics saved) {
  Metrics m;
  std::vector<Optional> values;
  std::vector<Optional> ends;
  std::tie(m.n_rows, m.n_ignored, m.n_classes, m.n_clipped, values, ends, m.label_counts,
           m.recall) = std::move(saved);
  constexpr std::size_t kMetrics = 14;
  if (values.size() != kMetrics || (!ends.empty() && ends.size() != 2 * kMetrics)) {
    throw_bad_data("the pickle of Metrics is damaged");
  }
  std::size_t at = 0;
  const auto next = [&at](auto& target, const std::vector<Optional>& source) {
    const Optional& value = source[at++];
    if constexpr (std::is_same_v<std::decay_t<decltype(target)>, double>) {
      if (!value) throw_bad_data("the pickle of Metrics is damaged");
      target = *value;
    } else {
      target = value;
    }
  };
  each_metric(m.values, [&](auto& value) { next(value, values); });
  if (ends.empty()) return m;
  at = 0;
  m.ci95.emplace();
  each_metric(*m.ci95, [&](auto& interval) {
    Optional low;
    Optional high;
    next(low, ends);
    next(high, ends);
    if (low && high) interval = Interval{*low, *high};
  });
  return m;
}

void bind_metrics_class(nb::module_& m) {
  nb::class_<Metrics> metrics(m, "Metrics",
                              R"(What labelled scores are worth. Fractions, not percent.

Made by :func:`evaluate`; print it for the table of `p2p evaluate`. Definitions: docs/metrics.md.
A value that the data do not determine is None.)");
  const auto value = [&metrics](const char* name, auto member, const char* doc) {
    metrics.def_prop_ro(
        name, [member](const Metrics& m) { return m.values.*member; }, doc);
  };
  value("accuracy", &MetricValues::accuracy, "Share of rows whose largest score is their class's.");
  value("balanced_accuracy", &MetricValues::balanced_accuracy, "Mean recall of classes present.");
  value("macro_f1", &MetricValues::macro_f1, "Mean F1 of classes in labels or predictions.");
  value("nll", &MetricValues::nll, "Mean -log p of the own class, p clipped at 1e-38.");
  value("brier", &MetricValues::brier, "Mean squared distance of p and the one-hot label.");
  value("ece", &MetricValues::ece, "Top-label calibration error, 15 equal-width bins.");
  value("ece_equal_mass", &MetricValues::ece_equal_mass,
        "Top-label calibration error, 15 equal-mass bins.");
  value("ece_classwise", &MetricValues::ece_classwise,
        "Calibration error of each class, averaged.");
  value("worst_recall", &MetricValues::worst_recall, "Smallest recall of a class present.");
  value("geometric_mean", &MetricValues::geometric_mean, "Of the recalls of classes present.");
  value("many", &MetricValues::many, "Mean recall of classes with more than `many` images.");
  value("medium", &MetricValues::medium, "Mean recall of classes in between.");
  value("few", &MetricValues::few, "Mean recall of classes with fewer than `few` images.");
  value("residual_slope", &MetricValues::residual_slope,
        "How much of the long tail the scores still carry: 0 none, 1 all of it.");
  metrics.def_ro("n_rows", &Metrics::n_rows, "Rows used.")
      .def_ro("n_ignored", &Metrics::n_ignored, "Rows left out.")
      .def_ro("n_classes", &Metrics::n_classes, "Number of classes, C.")
      .def_prop_ro(
          "recall", [](const Metrics& m) { return to_numpy(m.recall); },
          nb::sig("def recall(self, /) -> numpy.typing.NDArray[numpy.float64]"),
          "Recall of each class, shape (C,); NaN where it has no rows.")
      .def_prop_ro(
          "label_counts", [](const Metrics& m) { return to_numpy(m.label_counts); },
          nb::sig("def label_counts(self, /) -> numpy.typing.NDArray[numpy.int64]"),
          "Rows of each class, shape (C,).")
      .def_prop_ro(
          "ci95",
          [](const Metrics& m) -> nb::object {
            if (!m.ci95) return nb::none();
            return to_dict(report::metrics_json(m)["ci95"]);
          },
          nb::sig("def ci95(self, /) -> dict[str, typing.Any] | None"),
          "95 % intervals [low, high] by name, as in to_dict(); None without a bootstrap.")
      .def(
          "to_dict", [](const Metrics& m) { return to_dict(report::metrics_json(m)); },
          nb::sig("def to_dict(self) -> dict[str, typing.Any]"),
          "The keys of `p2p evaluate --json`.")
      .def("__getstate__", &saved_metrics)
      .def("__setstate__",
           [](Metrics& m, SavedMetrics saved) {
             new (&m) Metrics(restored_metrics(std::move(saved)));
           })
      .def("__str__", [](const Metrics& m) { return report::metrics_text(m); })
      .def("__repr__", [](const Metrics& m) {
        return "Metrics(n_rows=" + std::to_string(m.n_rows) +
               ", accuracy=" + std::to_string(m.values.accuracy) +
               ", balanced_accuracy=" + std::to_string(m.values.balanced_accuracy) + ")";
      });
}

}  // namespace

void bind_metrics(nb::module_& m) {
  bind_metrics_class(m);
  nb::class_<Inspection>(
      m, "Inspection",
      R"(What a prior says about its model, and labelled scores about the bias left in them.

Made by :func:`inspect`; print it for the text of `p2p inspect`.)")
      .def_prop_ro(
          "tv",
          [](const Inspection& i) -> std::optional<double> {
            if (!i.found.distance) return std::nullopt;
            return i.found.distance->tv;
          },
          "Total variation between the effective prior and the class frequencies; None without "
          "counts.")
      .def_prop_ro(
          "gap", [](const Inspection& i) { return std::string(report::verdict_name(i.found.gap)); },
          "Whether the two priors differ: 'no-gap', 'gap' or 'unknown'.")
      .def_prop_ro(
          "balance",
          [](const Inspection& i) -> std::optional<std::string> {
            if (!i.balance) return std::nullopt;
            return std::string(report::verdict_name(i.balance->verdict));
          },
          "'balanced', 'head-biased', 'over-corrected' or 'unknown'; None without labelled scores.")
      .def_prop_ro(
          "residual_slope",
          [](const Inspection& i) -> std::optional<double> {
            if (!i.balance || !i.balance->slope) return std::nullopt;
            return i.balance->slope->value;
          },
          "How much of the long tail the labelled scores carry; None where nothing tells.")
      .def(
          "to_dict", [](const Inspection& i) { return to_dict(i.json()); },
          nb::sig("def to_dict(self) -> dict[str, typing.Any]"),
          "The keys of `p2p inspect --json`.")
      .def("__getstate__",
           [](const Inspection& i) -> SavedInspection {
             std::optional<std::vector<double>> slope;
             if (i.balance) {
               slope.emplace();
               if (const auto& found = i.balance->slope) {
                 *slope = {found->value, found->ci95.low, found->ci95.high};
               }
             }
             return {write_prior(i.prior), slope};
           })
      .def("__setstate__",
           [](Inspection& i, const SavedInspection& saved) {
             const auto& [text, slope] = saved;
             ClassPrior prior = parse_prior(text, "pickle");
             PriorInspection found = inspect_prior(prior);
             std::optional<Balance> balance;
             if (slope) {
               std::optional<ResidualSlope> measured;
               if (slope->size() == 3) measured = {(*slope)[0], {(*slope)[1], (*slope)[2]}};
               balance = judge_balance(measured);
             }
             new (&i) Inspection{std::move(prior), std::move(found), std::move(balance)};
           })
      .def("__str__",
           [](const Inspection& i) {
             return as_python(report::inspection_text(i.prior, i.found, i.balance));
           })
      .def("__repr__", [](const Inspection& i) {
        return "Inspection(gap='" + std::string(report::verdict_name(i.found.gap)) + "')";
      });
  m.def("evaluate", &evaluate_arrays, "scores"_a, "labels"_a, "input"_a, "temperature"_a,
        "counts"_a.none(), "many"_a, "few"_a, "ignore_index"_a.none(), "exclude"_a, "bootstrap"_a,
        "seed"_a, "threads"_a);
  m.def("inspect", &inspect_arrays, "prior"_a, "scores"_a.none(), "labels"_a.none(), "input"_a,
        "ignore_index"_a.none(), "seed"_a, "threads"_a);
}

}  // namespace p2p::python
