#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <tuple>

#include "arrays.hpp"
#include "bindings.hpp"
#include "interrupt.hpp"
#include "p2p/class_names.hpp"
#include "p2p/class_prior.hpp"
#include "p2p/error.hpp"
#include "p2p/estimate.hpp"
#include "p2p/open.hpp"
#include "p2p/parallel.hpp"
#include "p2p/prior_accumulator.hpp"
#include "words.hpp"

namespace p2p::python {
namespace {

using namespace nb::literals;

constexpr std::int64_t kLargestPriorFile = std::int64_t{1} << 30;

EstimateOptions make_options(const std::string& loss, double tau,
                             const std::optional<Reals>& values, const std::string& input,
                             const ScoreReading& reading, const std::optional<Reals>& counts,
                             std::vector<std::string> classes, std::string rows, double temperature,
                             double smoothing, bool pool, std::optional<double> floor,
                             std::optional<std::int64_t> ignore_index,
                             std::vector<std::int64_t> exclude, bool iterate, int max_rounds,
                             bool allow_unconverged, int threads) {
  EstimateOptions options;
  options.training = {parse_loss(loss), tau, to_vector(values)};
  options.kind = parse_kind(input);
  options.kind_stated = options.kind != ScoreKind::kAuto;
  options.reading = reading;
  options.counts = to_vector(counts);
  options.classes = std::move(classes);
  options.rows = std::move(rows);
  options.temperature = temperature;
  options.smoothing = smoothing;
  options.pool = pool;
  options.floor = floor;
  options.ignore_index = ignore_index;
  options.excluded = std::move(exclude);
  options.iterate = iterate;
  options.max_rounds = max_rounds;
  options.allow_unconverged = allow_unconverged;
  options.threads = threads;
  return options;
}

std::vector<std::string> python_sentences(const std::vector<std::string>& sentences) {
  std::vector<std::string> result;
  for (const std::string& sentence : sentences) result.push_back(as_python(sentence));
  return result;
}

using Estimated = std::tuple<ClassPrior, std::vector<std::string>>;

Estimated estimated(Estimate estimate) {
  return {std::move(estimate.prior), python_sentences(estimate.warnings)};
}

Estimated estimate(const Scores& scores, const std::optional<Integers>& labels,
                   const EstimateOptions& options) {
  Estimate result;
  run_unlocked(scores.bytes(), [&] {
    ReadScores read = scores.read(options.kind);
    ScoreSet& set = read.set;
    EstimateOptions of_set = options;
    of_set.kind = read.kind;
    of_set.kind_stated = !read.assumed;
    of_set.threads = useful_threads(set, options.threads);
    std::optional<ArrayLabels> source;
    if (labels) source.emplace(*labels);
    result = estimate_prior(set, source ? &*source : nullptr, of_set);
  });
  return estimated(std::move(result));
}

void update(PriorAccumulator& sums, const Scores& batch, const std::optional<Integers>& labels,
            const std::optional<Reals>& weights) {
  run_unlocked(batch.bytes(), [&] {
    ScoreSet set = batch.read(sums.settings().input_kind).set;
    std::optional<ArrayLabels> source;
    if (labels) source.emplace(*labels);
    std::span<const double> of_rows;
    if (weights) of_rows = {weights->data(), weights->shape(0)};
    sums.update(set, source ? &*source : nullptr, of_rows);
  });
}

using Texts = std::vector<std::string>;
using Halves = std::vector<std::pair<std::int64_t, std::uint64_t>>;
using SavedSums = std::tuple<std::string, std::int64_t, std::int64_t, std::optional<bool>,
                             std::int64_t, std::vector<std::int64_t>, Halves, Halves, Halves>;

Halves halves(const std::vector<ExactSum>& sums) {
  Halves result;
  for (const ExactSum& sum : sums) result.emplace_back(sum.high, sum.low);
  return result;
}

std::vector<ExactSum> exact_sums(const Halves& halves) {
  std::vector<ExactSum> result;
  for (const auto& [high, low] : halves) result.push_back({high, low});
  return result;
}

SavedSums save(const PriorAccumulator& sums) {
  PriorAccumulator::State state = sums.save();
  return {std::string(kind_name(state.kind)),
          state.seen,
          state.ignored,
          state.labelled,
          state.sums.rows,
          std::move(state.sums.label_rows),
          halves(state.sums.posterior),
          halves(state.sums.posterior_squared),
          halves(state.sums.own_class)};
}

void load(PriorAccumulator& sums, SavedSums saved) {
  auto& [kind, seen, ignored, labelled, rows, label_rows, posterior, squared, own] = saved;
  sums.load(
      {parse_kind(kind),
       seen,
       ignored,
       labelled,
       {rows, std::move(label_rows), exact_sums(posterior), exact_sums(squared), exact_sums(own)}});
}

nb::object match_dict(const ClassPrior& prior) {
  if (!prior.match) return nb::none();
  nb::dict match;
  match["offset"] = to_numpy(prior.match->offset);
  match["changes"] = to_numpy(prior.match->changes);
  match["converged"] = prior.match->converged;
  match["unmatched"] = to_numpy(prior.match->unmatched);
  return match;
}

nb::object maybe_numpy(const std::vector<double>& values) {
  if (values.empty()) return nb::none();
  return to_numpy(values);
}

ClassPrior load_prior(const std::string& path) {
  ClassPrior prior = parse_prior(read_text(path, kLargestPriorFile), path);
  static_cast<void>(PosteriorSum::load(prior.sums));
  return prior;
}

Estimated prior_of_totals(const EstimateOptions& options, std::int64_t rows,
                          std::vector<std::int64_t> label_rows, std::vector<double> posterior,
                          std::vector<double> squared, std::vector<double> own) {
  const auto classes = static_cast<std::int64_t>(posterior.size());
  PriorAccumulator sums(classes, options);
  const bool labelled =
      std::any_of(label_rows.begin(), label_rows.end(), [](auto m) { return m > 0; });
  sums.load({options.kind, rows, 0, labelled,
             PosteriorSum::of_totals(rows, label_rows, posterior, squared, own).save()});
  return estimated(sums.finish());
}

void bind_class_prior(nb::module_& m) {
  nb::class_<ClassPrior>(m, "ClassPrior",
                         R"(An effective prior and what is needed to use, explain and merge it.

Made by :func:`estimate_prior`, :meth:`PosteriorSum.compute` or :func:`load_prior`. It never
changes. Arrays have one entry per class, shape (C,), float64, and are new read-only copies.
Two priors are equal when their files are; they pickle as their files.)",
                         nb::is_weak_referenceable())
      .def_prop_ro(
          "n_classes", [](const ClassPrior& p) { return p.n_classes(); }, "Number of classes, C.")
      .def_ro("n_rows", &ClassPrior::n_rows, "Rows it was estimated from, those left out excepted.")
      .def_prop_ro(
          "effective", [](const ClassPrior& p) { return to_numpy(p.effective); },
          nb::sig("def effective(self, /) -> numpy.typing.NDArray[numpy.float64]"),
          "q = mean softmax(z / T + b), smoothed and raised to the floor. Sums to 1.")
      .def_prop_ro(
          "residual", [](const ClassPrior& p) { return to_numpy(p.residual); },
          nb::sig("def residual(self, /) -> numpy.typing.NDArray[numpy.float64]"),
          "r, proportional to q / exp(b): what a correction divides by. Sums to 1; NaN for "
          "classes\n"
          "that are not corrected.")
      .def_prop_ro(
          "empirical", [](const ClassPrior& p) { return maybe_numpy(p.empirical); },
          nb::sig("def empirical(self, /) -> numpy.typing.NDArray[numpy.float64] | None"),
          "pi, the class frequencies of the training set; None without counts.")
      .def_prop_ro(
          "log_q_stderr", [](const ClassPrior& p) { return to_numpy(p.log_q_stderr); },
          nb::sig("def log_q_stderr(self, /) -> numpy.typing.NDArray[numpy.float64]"),
          "Standard error of log q; NaN where no row tells it.")
      .def_prop_ro(
          "counts", [](const ClassPrior& p) { return maybe_numpy(p.settings.counts); },
          nb::sig("def counts(self, /) -> numpy.typing.NDArray[numpy.float64] | None"),
          "Training images per class; None when they were not given.")
      .def_prop_ro(
          "training_offset",
          [](const ClassPrior& p) { return to_numpy(p.settings.training_offset); },
          nb::sig("def training_offset(self, /) -> numpy.typing.NDArray[numpy.float64]"),
          "b: softmax(z / T + b) models the posterior of the training distribution.")
      .def_prop_ro(
          "classes",
          [](const ClassPrior& p) -> std::optional<std::vector<std::string>> {
            if (p.settings.classes.empty()) return std::nullopt;
            return p.settings.classes;
          },
          "Class names in the order of the columns; None when they are not known.")
      .def_prop_ro(
          "rows", [](const ClassPrior& p) { return p.settings.rows; },
          "Where the rows come from: 'train', 'train-augmented', 'holdout' or 'loo'.")
      .def_prop_ro(
          "input",
          [](const ClassPrior& p) { return std::string(kind_name(p.settings.input_kind)); },
          "What the scores were: 'logits', 'probs' or 'log-probs'.")
      .def_prop_ro(
          "temperature", [](const ClassPrior& p) { return p.settings.temperature; },
          "T: scores are used as z / T.")
      .def_prop_ro(
          "trained_with", [](const ClassPrior& p) { return p.settings.trained_with; },
          "How the offset b came about, in words.")
      .def_prop_ro(
          "smoothing", [](const ClassPrior& p) { return p.settings.smoothing; },
          "Pull towards the class frequencies, in rows.")
      .def_prop_ro(
          "pool", [](const ClassPrior& p) { return p.settings.pool; },
          "Whether q was drawn towards a power of the class frequencies.")
      .def_prop_ro(
          "weighted", [](const ClassPrior& p) { return p.settings.weighted; },
          "Whether labelled rows were weighted to follow the class frequencies.")
      .def_prop_ro(
          "excluded", [](const ClassPrior& p) { return to_numpy(p.settings.excluded); },
          nb::sig("def excluded(self, /) -> numpy.typing.NDArray[numpy.int64]"),
          "Classes whose score is left as it is.")
      .def_prop_ro(
          "floored", [](const ClassPrior& p) { return to_numpy(p.floored); },
          nb::sig("def floored(self, /) -> numpy.typing.NDArray[numpy.int64]"),
          "Classes whose q was raised to the floor: no row believes in them.")
      .def_prop_ro(
          "uncovered", [](const ClassPrior& p) { return to_numpy(p.uncovered); },
          nb::sig("def uncovered(self, /) -> numpy.typing.NDArray[numpy.int64]"),
          "Classes with training images but no labelled row.")
      .def_prop_ro(
          "match", &match_dict, nb::sig("def match(self, /) -> dict[str, typing.Any] | None"),
          "How r was matched (iterate=True): offset, changes, converged, unmatched; or None.")
      .def_prop_ro(
          "missing_parts", [](const ClassPrior& p) { return python_sentences(missing_parts(p)); },
          "A sentence for each part of a data set that is not in it (p2p estimate --part).")
      .def(
          "to_json", [](const ClassPrior& p) { return write_prior(p); },
          "The prior file, as text: JSON, the same bytes for the same prior.")
      .def_static(
          "from_json", [](const std::string& text) { return parse_prior(text, "text"); }, "text"_a,
          "The prior that to_json() wrote. Error: not a prior file.")
      .def(
          "merge", [](const ClassPrior& a, const ClassPrior& b) { return merge(a, b); }, "other"_a,
          "The prior of all rows behind both, as `p2p merge`. Error: their settings differ, or "
          "rows\n"
          "are in both.")
      .def(
          "__eq__",
          [](const ClassPrior& a, nb::handle b) -> nb::object {
            if (!nb::isinstance<ClassPrior>(b)) return nb::borrow(Py_NotImplemented);
            return nb::cast(write_prior(a) == write_prior(nb::cast<const ClassPrior&>(b)));
          },
          nb::sig("def __eq__(self, other: object, /) -> bool"))
      .def("__hash__",
           [](const ClassPrior& p) {
             return std::hash<double>{}(p.effective.front()) ^ static_cast<std::size_t>(p.n_rows);
           })
      .def("__getstate__", [](const ClassPrior& p) { return write_prior(p); })
      .def("__setstate__",
           [](ClassPrior& p, const std::string& text) {
             new (&p) ClassPrior(parse_prior(text, "pickle"));
           })
      .def("__repr__", [](const ClassPrior& p) {
        return "ClassPrior(n_classes=" + std::to_string(p.n_classes()) +
               ", n_rows=" + std::to_string(p.n_rows) + ", rows='" + p.settings.rows +
               "', trained_with='" + p.settings.trained_with + "')";
      });
}

}  // namespace

int useful_threads(const ScoreSet& scores, int threads) {
  const std::int64_t blocks = scores.rows() / kBlockRows + 1;
  return static_cast<int>(std::clamp<std::int64_t>(threads, 1, blocks));
}

void bind_prior(nb::module_& m) {
  nb::class_<ScoreReading>(m, "ScoreReading")
      .def(
          "__init__",
          [](ScoreReading* self, bool normalise, std::optional<double> log_base, bool binary) {
            new (self) ScoreReading{normalise, log_base, binary};
          },
          "normalise"_a, "log_base"_a.none(), "binary"_a)
      .def_ro("binary", &ScoreReading::binary);
  nb::class_<Scores>(m, "Scores")
      .def(nb::init<std::vector<Array>, std::optional<int>, const std::string&,
                    const ScoreReading&>(),
           "arrays"_a, "class_axis"_a.none(), "name"_a, "reading"_a)
      .def_prop_ro("n_rows", &Scores::rows)
      .def_prop_ro("n_classes", &Scores::classes);
  nb::class_<EstimateOptions>(m, "EstimateOptions")
      .def(
          "__init__",
          [](EstimateOptions* self, const std::string& loss, double tau,
             const std::optional<Reals>& values, const std::string& input,
             const ScoreReading& reading, const std::optional<Reals>& counts,
             std::vector<std::string> classes, std::string rows, double temperature,
             double smoothing, bool pool, std::optional<double> floor,
             std::optional<std::int64_t> ignore_index, std::vector<std::int64_t> exclude,
             bool iterate, int max_rounds, bool allow_unconverged, int threads) {
            new (self) EstimateOptions(
                make_options(loss, tau, values, input, reading, counts, std::move(classes),
                             std::move(rows), temperature, smoothing, pool, floor, ignore_index,
                             std::move(exclude), iterate, max_rounds, allow_unconverged, threads));
          },
          nb::kw_only(), "loss"_a, "tau"_a, "values"_a.none(), "input"_a, "reading"_a,
          "counts"_a.none(), "classes"_a, "rows"_a, "temperature"_a, "smoothing"_a, "pool"_a,
          "floor"_a.none(), "ignore_index"_a.none(), "exclude"_a, "iterate"_a, "max_rounds"_a,
          "allow_unconverged"_a, "threads"_a);
  bind_class_prior(m);
  nb::class_<PriorAccumulator>(m, "PriorAccumulator")
      .def(
          "__init__",
          [](PriorAccumulator* self, std::int64_t classes, const EstimateOptions& options,
             const std::optional<Integers>& label_rows) {
            new (self) PriorAccumulator(classes, options, to_vector(label_rows));
          },
          "classes"_a, "options"_a, "label_rows"_a.none())
      .def("update", &update, "batch"_a, "labels"_a.none(), "weights"_a.none())
      .def("merge", &PriorAccumulator::merge, "other"_a)
      .def("end_block", &PriorAccumulator::end_block)
      .def("copy", [](const PriorAccumulator& sums) { return PriorAccumulator(sums); })
      .def("finish", [](const PriorAccumulator& sums) { return estimated(sums.finish()); })
      .def("save", &save)
      .def("load", &load, "saved"_a)
      .def_prop_ro("n_classes", &PriorAccumulator::classes)
      .def_prop_ro("n_rows", &PriorAccumulator::rows)
      .def_prop_ro(
          "training_offset",
          [](const PriorAccumulator& sums) { return to_numpy(sums.settings().training_offset); },
          nb::sig("def training_offset(self, /) -> numpy.typing.NDArray[numpy.float64]"));
  m.def("estimate_prior", &estimate, "scores"_a, "labels"_a.none(), "options"_a);
  m.def("prior_of_totals", &prior_of_totals, "options"_a, "rows"_a, "label_rows"_a, "posterior"_a,
        "posterior_squared"_a, "own_class"_a);
  m.def("load_prior", &load_prior, "path"_a);
  m.def(
      "save_prior",
      [](const ClassPrior& prior, const std::string& path) {
        write_text(path, write_prior(prior));
      },
      "prior"_a, "path"_a);
  m.def("default_threads", &default_threads);
  m.def(
      "agree_on_class_names",
      [](const Texts& origins, const std::vector<Texts>& names) {
        std::vector<NamedClasses> sources;
        for (std::size_t i = 0; i < names.size(); ++i) sources.push_back({origins[i], names[i]});
        return agree_on_class_names(sources);
      },
      "origins"_a, "names"_a);
}

}  // namespace p2p::python
