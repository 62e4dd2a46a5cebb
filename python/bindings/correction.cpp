#include "p2p/correction.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <optional>
#include <tuple>
#include <utility>

#include "arrays.hpp"
#include "bindings.hpp"
#include "interrupt.hpp"
#include "json.hpp"
#include "p2p/correct.hpp"
#include "p2p/error.hpp"
#include "p2p/moved_inputs.hpp"
#include "p2p/select.hpp"
#include "python_correction.hpp"
#include "report/json.hpp"
#include "words.hpp"

namespace p2p::python {
namespace {

using namespace nb::literals;

constexpr std::string_view kEstimated = "estimated:";

// Rows that a correction learns from, opened for one call.
struct OpenedRows {
  std::optional<ScoreSet> set;
  EvidenceRows rows;

  void open(const Scores* scores, ScoreKind kind) {
    if (scores == nullptr) return;
    ReadScores read = scores->read(kind);
    set.emplace(std::move(read.set));
    rows.scores = &*set;
    rows.kind_stated = !read.assumed;
    rows.kind = read.kind;
  }
};

// What Python hands over for make_correction(); null: not given.
struct EvidenceArrays {
  const Scores* holdout = nullptr;
  std::optional<Integers> holdout_labels;
  std::optional<std::int64_t> ignore_index;
  const Scores* unlabelled = nullptr;
  const Scores* holdout_second = nullptr;
  ScoreKind kind = ScoreKind::kAuto;
  int threads = 1;

  // Rows are read again and again, so that even a few are long work.
  [[nodiscard]] std::int64_t work() const {
    const bool any = holdout != nullptr || unlabelled != nullptr || holdout_second != nullptr;
    return any ? kShortWork : 0;
  }
};

// The arrays as evidence, which borrows from this.
class OpenedArrays {
 public:
  explicit OpenedArrays(const EvidenceArrays& arrays) {
    holdout_.open(arrays.holdout, arrays.kind);
    unlabelled_.open(arrays.unlabelled, arrays.kind);
    second_.open(arrays.holdout_second, arrays.kind);
    if (arrays.holdout_labels) {
      labels_.emplace(*arrays.holdout_labels);
      holdout_.rows.labels = &*labels_;
      holdout_.rows.ignore_index = arrays.ignore_index;
    }
    evidence_ = {holdout_.rows, unlabelled_.rows, second_.rows, arrays.threads, nullptr};
  }
  OpenedArrays(const OpenedArrays&) = delete;
  OpenedArrays& operator=(const OpenedArrays&) = delete;
  [[nodiscard]] const Evidence& evidence() const { return evidence_; }

 private:
  OpenedRows holdout_, unlabelled_, second_;
  std::optional<ArrayLabels> labels_;
  Evidence evidence_;
};

void demand_scores_of_labels(const EvidenceArrays& arrays) {
  if (arrays.holdout_labels && arrays.holdout == nullptr) {
    throw_usage("holdout_labels need the scores of the same rows (holdout)");
  }
}

nb::object judge_arrays(const ClassPrior& prior, const EvidenceArrays& arrays) {
  demand_scores_of_labels(arrays);
  MovedInputs inputs;
  run_unlocked(arrays.work(), [&] {
    const OpenedArrays opened(arrays);
    inputs = judge_inputs(prior, opened.evidence());
  });
  inputs.sentence = as_python(inputs.sentence);
  return to_dict(report::moved_inputs_json(inputs));
}

CorrectionOptions method_options(const ClassPrior& prior, const std::string& target,
                                 const std::optional<Reals>& shares, double tau, double eps,
                                 const std::string& match_to, const std::string& confusion,
                                 int max_rounds, bool allow_unconverged) {
  CorrectionOptions options;
  options.tau = tau;
  options.eps = eps;
  if (match_to != "source" && match_to != "target") {
    throw_usage("match_to is '" + match_to + "'; expected 'source' or 'target'");
  }
  options.match_to = match_to == "source" ? MatchTo::kSource : MatchTo::kTarget;
  if (confusion != "soft" && confusion != "hard") {
    throw_usage("confusion is '" + confusion + "'; expected 'soft' or 'hard'");
  }
  options.confusion = confusion == "soft" ? Confusion::kSoft : Confusion::kHard;
  options.max_rounds = max_rounds;
  options.allow_unconverged = allow_unconverged;
  if (shares) {
    options.target = to_vector(shares);
    if (static_cast<std::int64_t>(options.target.size()) != prior.n_classes()) {
      throw_bad_data("target has " + std::to_string(options.target.size()) + " values for " +
                     std::to_string(prior.n_classes()) + " classes; give one value per class");
    }
  } else if (target.starts_with(kEstimated)) {
    const std::string estimator = target.substr(kEstimated.size());
    const std::array<std::string_view, 4> known{"em", "map-em", "bbse", "rlls"};
    if (std::ranges::find(known, estimator) == known.end()) {
      throw_usage("target is '" + target +
                  "'; expected 'estimated:' with em, map-em, bbse or rlls behind it");
    }
    options.estimated_target = find_method(estimator);
  } else if (target == "empirical") {
    if (prior.empirical.empty()) {
      throw_usage(
          "target='empirical' needs the training counts, but the prior holds none; estimate it "
          "with counts");
    }
    options.target = prior.empirical;
  } else if (target != "uniform") {
    throw_usage("target is '" + target +
                "'; expected 'uniform', 'empirical', 'estimated:em', 'estimated:map-em', "
                "'estimated:bbse', 'estimated:rlls' or one number per class");
  }
  return options;
}

PythonCorrection make(const ClassPrior& prior, const std::string& method, const std::string& target,
                      const std::optional<Reals>& shares, std::optional<double> strength,
                      double tau, double eps, const std::string& match_to,
                      const std::string& confusion, int max_rounds, bool allow_unconverged,
                      const std::string& scoring, int folds, double max_group_loss,
                      const std::string& applied_to, const EvidenceArrays& arrays) {
  SelectOptions select;
  select.applied_to = parse_kind(applied_to, "applied_to");
  CorrectionOptions& options = select.correction;
  options = method_options(prior, target, shares, tau, eps, match_to, confusion, max_rounds,
                           allow_unconverged);
  select.choose_method = method == "auto";
  select.choose_strength = !strength;
  if (!select.choose_method) options.method = find_method(method);
  options.strength = strength.value_or(1);
  select.objective = parse_scoring(scoring);
  select.folds = folds;
  select.group_loss = max_group_loss;
  demand_scores_of_labels(arrays);
  PythonCorrection result;
  std::vector<std::string> unused;
  run_unlocked(arrays.work(), [&] {
    const OpenedArrays opened(arrays);
    const Evidence& evidence = opened.evidence();
    unused = unused_inputs(prior, select, evidence);
    if (!select.choose_method && strength) {
      result = {make_correction(prior, options, evidence), method, *strength, {}, {}, {}};
      return;
    }
    Selection selection = select_correction(prior, select, evidence);
    result = {selection.correction,
              selection.chosen.name,
              selection.chosen.strength,
              {},
              {},
              report::selection_json(selection)};
  });
  if (arrays.ignore_index && !arrays.holdout_labels) {
    unused.emplace_back(
        "--ignore-index is a value of labels, and there are none (--holdout-labels)");
  }
  std::ranges::move(unused, std::back_inserter(result.correction.warnings));
  result.target = shares ? "given" : target;
  result.classes = prior.settings.classes;
  return result;
}

void apply(const Scores& scores, const OutArray& out, int class_axis,
           const PythonCorrection& correction, const std::string& input, const std::string& output,
           const Scores* second, const std::string& second_input, bool kind_stated, int threads) {
  ApplyOptions options;
  const ScoreKind stated = parse_kind(input);
  const std::optional<OutputKind> wanted =
      output.empty() ? std::nullopt : std::optional(parse_output(output));
  const StridedRows rows = output_rows(out, class_axis);
  run_unlocked(scores.bytes(), [&] {
    ReadScores read = scores.read(stated);
    ScoreSet& set = read.set;
    options.kind_stated = kind_stated && !read.assumed;
    options.kind = read.kind;
    options.output = wanted.value_or(parse_output(std::string(kind_name(options.kind))));
    options.dtype = rows.dtype();
    options.threads = useful_threads(set, threads);
    std::optional<ScoreSet> second_set;
    if (second != nullptr) {
      ReadScores read_second = second->read(parse_kind(second_input));
      second_set.emplace(std::move(read_second.set));
      options.second = &*second_set;
      options.second_kind = read_second.kind;
    }
    ArraySink sink(rows);
    correct(set, correction.correction.offset, options, sink);
  });
}

using SavedRound = std::pair<double, std::optional<double>>;
using Saved =
    std::tuple<std::vector<double>, double, std::vector<double>, std::string, std::optional<double>,
               std::vector<std::int64_t>, std::vector<double>, std::vector<double>,
               std::vector<SavedRound>, bool, std::vector<std::string>, std::string, double,
               std::string, std::vector<std::string>, std::string>;

Saved saved(const PythonCorrection& c) {
  const Correction& found = c.correction;
  std::vector<SavedRound> rounds;
  for (const Round& round : found.rounds) rounds.emplace_back(round.change, round.objective);
  const LogOffset& offset = found.offset;
  return {offset.delta,
          offset.temperature,
          offset.scale,
          std::string(kind_name(offset.scale_kind.value_or(ScoreKind::kAuto))),
          offset.second_temperature,
          offset.capped,
          found.residual,
          found.target,
          std::move(rounds),
          found.converged,
          found.warnings,
          c.method,
          c.strength,
          c.target,
          c.classes,
          c.selection.dump()};
}

PythonCorrection restored(Saved state) {
  PythonCorrection c;
  std::vector<SavedRound> rounds;
  std::string selection;
  std::string scale_kind;
  LogOffset& offset = c.correction.offset;
  std::tie(offset.delta, offset.temperature, offset.scale, scale_kind, offset.second_temperature,
           offset.capped, c.correction.residual, c.correction.target, rounds,
           c.correction.converged, c.correction.warnings, c.method, c.strength, c.target, c.classes,
           selection) = std::move(state);
  if (const ScoreKind kind = parse_kind(scale_kind); kind != ScoreKind::kAuto) {
    offset.scale_kind = kind;
  }
  for (const auto& [change, objective] : rounds) {
    c.correction.rounds.push_back({change, objective});
  }
  const std::size_t classes = offset.delta.size();
  const bool whole = classes > 0 && (offset.scale.empty() || offset.scale.size() == classes) &&
                     offset.temperature > 0 && std::isfinite(offset.temperature) &&
                     std::ranges::none_of(offset.delta, [](double d) { return !(d < HUGE_VAL); });
  c.selection = report::Json::parse(selection, nullptr, false);
  if (!whole || c.selection.is_discarded()) throw_bad_data("the pickle of a Correction is damaged");
  return c;
}

// All that tells two corrections apart.
std::string text_of(const PythonCorrection& c) {
  return report::correction_json(c.correction).dump() + c.selection.dump() + c.method + c.target +
         std::to_string(c.strength);
}

nb::object rounds_list(const std::vector<Round>& rounds) {
  nb::list list;
  for (const Round& round : rounds) {
    nb::dict entry;
    entry["change"] = round.change;
    if (round.objective) entry["objective"] = *round.objective;
    list.append(entry);
  }
  return list;
}

void bind_correction_class(nb::module_& m) {
  nb::class_<PythonCorrection>(m, "Correction",
                               R"(A correction: one number per class, and how it was found.

Made by :func:`make_correction`; :func:`correct` and :func:`bake` take it in place of a prior.
Corrected scores are z' = scale * z / temperature + delta. It never changes; two are equal when
their numbers and their origin are.)")
      .def_prop_ro(
          "delta", [](const PythonCorrection& c) { return to_numpy(c.correction.offset.delta); },
          nb::sig("def delta(self, /) -> numpy.typing.NDArray[numpy.float64]"),
          "What is added to the score of each class, shape (C,), mean 0; 0 for classes that are\n"
          "not corrected, -inf where the target is 0.")
      .def_prop_ro(
          "temperature", [](const PythonCorrection& c) { return c.correction.offset.temperature; },
          "T, by which scores are divided first.")
      .def_prop_ro(
          "scale",
          [](const PythonCorrection& c) -> nb::object {
            if (c.correction.offset.scale.empty()) return nb::none();
            return to_numpy(c.correction.offset.scale);
          },
          nb::sig("def scale(self, /) -> numpy.typing.NDArray[numpy.float64] | None"),
          "Factor of each class (method='vector-scaling'), or None: ones.")
      .def_prop_ro(
          "scale_kind",
          [](const PythonCorrection& c) -> std::optional<std::string> {
            if (!c.correction.offset.scale_kind) return std::nullopt;
            return std::string(kind_name(*c.correction.offset.scale_kind));
          },
          "Kind of the scores that scale was learned from, the only one that it fits, or None.")
      .def_prop_ro(
          "second_temperature",
          [](const PythonCorrection& c) { return c.correction.offset.second_temperature; },
          "Temperature of the second model's scores, which are added (method='gla'), or None.")
      .def_prop_ro(
          "capped", [](const PythonCorrection& c) { return to_numpy(c.correction.offset.capped); },
          nb::sig("def capped(self, /) -> numpy.typing.NDArray[numpy.int64]"),
          "Floored classes, raised no more than the most raised measured class.")
      .def_prop_ro(
          "residual", [](const PythonCorrection& c) { return to_numpy(c.correction.residual); },
          nb::sig("def residual(self, /) -> numpy.typing.NDArray[numpy.float64]"),
          "The prior that is divided out, shape (C,); empty when nothing is.")
      .def_prop_ro(
          "target", [](const PythonCorrection& c) { return to_numpy(c.correction.target); },
          nb::sig("def target(self, /) -> numpy.typing.NDArray[numpy.float64]"),
          "The prior aimed at, given or estimated, shape (C,); empty when nothing is divided out.")
      .def_ro("method", &PythonCorrection::method, "Name of the method; the chosen one of 'auto'.")
      .def_ro("strength", &PythonCorrection::strength, "Share of the correction; the chosen one.")
      .def_prop_ro(
          "classes",
          [](const PythonCorrection& c) -> std::optional<std::vector<std::string>> {
            if (c.classes.empty()) return std::nullopt;
            return c.classes;
          },
          "Class names of the prior; None when they are not known.")
      .def_prop_ro(
          "is_identity",
          [](const PythonCorrection& c) { return c.correction.offset.is_identity(); },
          "Whether scores stay as they are.")
      .def_prop_ro(
          "converged", [](const PythonCorrection& c) { return c.correction.converged; },
          "Whether an iterative method ended before max_rounds.")
      .def_prop_ro(
          "warnings",
          [](const PythonCorrection& c) {
            std::vector<std::string> sentences;
            for (const std::string& warning : c.correction.warnings) {
              sentences.push_back(as_python(warning));
            }
            return sentences;
          },
          "Sentences about what to be careful with; they were warned of when it was made.")
      .def_ro("target_name", &PythonCorrection::target,
              "The target as it was asked for, or 'given' for an array.")
      .def_prop_ro(
          "rounds", [](const PythonCorrection& c) { return rounds_list(c.correction.rounds); },
          nb::sig("def rounds(self, /) -> list[dict[str, float]]"),
          "Rounds of an iterative method: change, and objective where it looks at one.")
      .def_prop_ro(
          "selection", [](const PythonCorrection& c) { return to_dict(c.selection); },
          nb::sig("def selection(self, /) -> dict[str, typing.Any] | None"),
          "Verdict, explanation and candidates of method='auto' or strength='auto'; else None.")
      .def(
          "to_dict",
          [](const PythonCorrection& c) { return to_dict(report::correction_json(c.correction)); },
          nb::sig("def to_dict(self) -> dict[str, typing.Any]"),
          "The keys of `p2p correct --json`.")
      .def(
          "__eq__",
          [](const PythonCorrection& a, nb::handle b) -> nb::object {
            if (!nb::isinstance<PythonCorrection>(b)) return nb::borrow(Py_NotImplemented);
            return nb::cast(text_of(a) == text_of(nb::cast<const PythonCorrection&>(b)));
          },
          nb::sig("def __eq__(self, other: object, /) -> bool"))
      .def("__hash__",
           [](const PythonCorrection& c) {
             return std::hash<double>{}(c.correction.offset.delta.front());
           })
      .def("__getstate__", &saved)
      .def("__setstate__",
           [](PythonCorrection& c, Saved state) {
             new (&c) PythonCorrection(restored(std::move(state)));
           })
      .def("__repr__", [](const PythonCorrection& c) {
        return "Correction(method='" + c.method +
               "', n_classes=" + std::to_string(c.correction.offset.delta.size()) + ")";
      });
}

}  // namespace

void bind_correction(nb::module_& m) {
  bind_correction_class(m);
  nb::class_<EvidenceArrays>(m, "Evidence")
      .def(
          "__init__",
          [](EvidenceArrays* self, const Scores* holdout, std::optional<Integers> holdout_labels,
             std::optional<std::int64_t> ignore_index, const Scores* unlabelled,
             const Scores* holdout_second, const std::string& input, int threads) {
            new (self)
                EvidenceArrays{holdout,        std::move(holdout_labels), ignore_index, unlabelled,
                               holdout_second, parse_kind(input),         threads};
          },
          "holdout"_a.none(), "holdout_labels"_a.none(), "ignore_index"_a.none(),
          "unlabelled"_a.none(), "holdout_second"_a.none(), "input"_a, "threads"_a,
          nb::keep_alive<1, 2>(), nb::keep_alive<1, 5>(), nb::keep_alive<1, 6>());
  m.def("make_correction", &make, "prior"_a, "method"_a, "target"_a, "shares"_a.none(),
        "strength"_a.none(), "tau"_a, "eps"_a, "match_to"_a, "confusion"_a, "max_rounds"_a,
        "allow_unconverged"_a, "scoring"_a, "folds"_a, "max_group_loss"_a, "applied_to"_a,
        "evidence"_a);
  m.def("judge_inputs", &judge_arrays, "prior"_a, "evidence"_a,
        nb::sig("def judge_inputs(prior: ClassPrior, evidence: Evidence) -> dict[str, "
                "typing.Any]"));
  m.def(
      "require_fit",
      [](const PythonCorrection& c, const std::string& kind, const std::string& where) {
        require_fit(c.correction.offset, parse_kind(kind), where);
      },
      "correction"_a, "kind"_a, "where"_a);
  m.def("correct", &apply, "scores"_a, "out"_a, "class_axis"_a, "correction"_a, "input"_a,
        "output"_a, "second"_a.none(), "second_input"_a, "kind_stated"_a, "threads"_a);
  m.def(
      "detect_kind",
      [](const Scores& scores) {
        return std::string(kind_name(scores.read(ScoreKind::kAuto).kind));
      },
      "scores"_a);
  m.def(
      "methods",
      [] {
        nb::dict result;
        for (const MethodInfo& method : methods()) {
          result[nb::str(method.name.data(), method.name.size())] =
              nb::str(method.summary.data(), method.summary.size());
        }
        return result;
      },
      nb::sig("def methods() -> dict[str, str]"));
}

}  // namespace p2p::python
