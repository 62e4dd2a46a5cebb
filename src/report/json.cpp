#include "report/json.hpp"

#include <cmath>

#include "report/names.hpp"

namespace p2p::report {
namespace {

Json real(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
Json reals(const std::vector<double>& values) {
  Json out = Json::array();
  for (const double value : values) out.push_back(real(value));
  return out;
}
Json pair(const Interval& interval) {
  return Json::array({real(interval.low), real(interval.high)});
}

// The shape that values and intervals share.
template <class Values, class F>
Json metric_object(const Values& v, F&& json) {
  Json out;
  out["accuracy"] = json(v.accuracy);
  out["balanced_accuracy"] = json(v.balanced_accuracy);
  out["macro_f1"] = json(v.macro_f1);
  out["nll"] = json(v.nll);
  out["brier"] = json(v.brier);
  out["ece"] = json(v.ece);
  out["ece_equal_mass"] = json(v.ece_equal_mass);
  out["ece_classwise"] = json(v.ece_classwise);
  out["worst_recall"] = json(v.worst_recall);
  out["geometric_mean"] = json(v.geometric_mean);
  Json groups = Json::object();
  if (v.many) groups["many"] = json(*v.many);
  if (v.medium) groups["medium"] = json(*v.medium);
  if (v.few) groups["few"] = json(*v.few);
  out["groups"] = groups;
  if (v.residual_slope) out["residual_slope"] = json(*v.residual_slope);
  return out;
}

Json beliefs_json(const ClassPrior& prior, const std::vector<ClassBelief>& beliefs) {
  Json out = Json::array();
  for (const ClassBelief& b : beliefs) {
    Json item;
    item["class"] = b.index;
    if (!prior.settings.classes.empty()) item["name"] = class_label(prior, b.index);
    item["effective"] = b.effective;
    item[prior.empirical.empty() ? "uniform" : "empirical"] = b.reference;
    item["ratio"] = b.ratio;
    out.push_back(item);
  }
  return out;
}

}  // namespace

std::string class_label(const ClassPrior& prior, std::int64_t c) {
  const auto& names = prior.settings.classes;
  return names.empty() ? std::to_string(c) : names[static_cast<std::size_t>(c)];
}

Json metrics_json(const Metrics& metrics) {
  Json out;
  out["n_rows"] = metrics.n_rows;
  out["n_ignored"] = metrics.n_ignored;
  out["n_classes"] = metrics.n_classes;
  out["n_clipped"] = metrics.n_clipped;
  out.update(metric_object(metrics.values, real));
  if (metrics.ci95) out["ci95"] = metric_object(*metrics.ci95, pair);
  return out;
}

Json prior_json(const ClassPrior& prior, const std::string& output) {
  Json out;
  out["output"] = output;
  out["n_rows"] = prior.n_rows;
  out["n_classes"] = prior.n_classes();
  out["rows"] = prior.settings.rows;
  out["input_kind"] = kind_name(prior.settings.input_kind);
  out["temperature"] = prior.settings.temperature;
  out["trained_with"] = prior.settings.trained_with;
  out["weighted"] = prior.settings.weighted;
  if (prior.match) {
    out["match"]["converged"] = prior.match->converged;
    out["match"]["changes"] = prior.match->changes;
    out["match"]["unmatched"] = prior.match->unmatched;
  }
  out["floored"] = prior.floored;
  out["uncovered"] = prior.uncovered;
  out["missing_parts"] = missing_parts(prior);
  return out;
}

Json inspection_json(const ClassPrior& prior, const PriorInspection& inspection,
                     const std::optional<Balance>& balance) {
  Json out;
  out["n_rows"] = prior.n_rows;
  out["n_classes"] = prior.n_classes();
  out["rows"] = prior.settings.rows;
  out["trained_with"] = prior.settings.trained_with;
  out["temperature"] = prior.settings.temperature;
  const auto& distance = inspection.distance;
  out["tv"] = distance ? real(distance->tv) : Json(nullptr);
  out["tv_ci95"] = distance && distance->tv_ci95 ? pair(*distance->tv_ci95) : Json(nullptr);
  out["kl"] = distance ? real(distance->kl) : Json(nullptr);
  out["spearman"] = distance ? real(distance->spearman) : Json(nullptr);
  out["max_ratio"] = distance ? real(distance->max_ratio) : Json(nullptr);
  out["gap"]["verdict"] = verdict_name(inspection.gap);
  out["gap"]["explanation"] = inspection.gap_sentence;
  out["over_believed"] = beliefs_json(prior, inspection.over_believed);
  out["under_believed"] = beliefs_json(prior, inspection.under_believed);
  out["floored"] = prior.floored;
  out["uncovered"] = prior.uncovered;
  out["missing_parts"] = missing_parts(prior);
  if (balance) {
    if (balance->slope) {
      out["residual_slope"]["value"] = real(balance->slope->value);
      out["residual_slope"]["ci95"] = pair(balance->slope->ci95);
    } else {
      out["residual_slope"] = nullptr;
    }
    out["balance"]["verdict"] = verdict_name(balance->verdict);
    out["balance"]["explanation"] = balance->sentence;
  }
  return out;
}

Json moved_inputs_json(const MovedInputs& inputs) {
  const auto statistic = [](const std::optional<ShiftedStatistic>& s) {
    if (!s) return Json(nullptr);
    Json out;
    out["measured"] = s->measured;
    out["expected"] = s->expected;
    out["difference"] = s->difference;
    out["ci95"] = pair(s->ci95);
    return out;
  };
  Json out;
  out["verdict"] = verdict_name(inputs.verdict);
  out["explanation"] = inputs.sentence;
  out["n_rows"] = inputs.n_rows;
  out["n_held_out"] = inputs.n_held_out;
  out["tv"] = inputs.tv;
  out["tv_ci95"] = inputs.tv_ci95 ? pair(*inputs.tv_ci95) : Json(nullptr);
  out["mean_posterior"] = inputs.mean_posterior;
  out["label_shift"] = inputs.label_shift.empty() ? Json(nullptr) : reals(inputs.label_shift);
  out["label_shift_converged"] =
      inputs.label_shift.empty() ? Json(nullptr) : Json(inputs.label_shift_converged);
  out["warnings"] = inputs.warnings;
  out["confidence"] = statistic(inputs.confidence);
  out["entropy"] = statistic(inputs.entropy);
  return out;
}

Json offset_json(const LogOffset& offset) {
  Json out;
  out["delta"] = reals(offset.delta);
  if (!offset.scale.empty()) out["scale"] = reals(offset.scale);
  if (offset.scale_kind) out["scale_kind"] = kind_name(*offset.scale_kind);
  out["temperature"] = offset.temperature;
  if (offset.second_temperature) out["second_temperature"] = *offset.second_temperature;
  out["capped"] = offset.capped;
  return out;
}

Json correction_json(const Correction& correction) {
  Json out = offset_json(correction.offset);
  out["residual"] = reals(correction.residual);
  out["target_prior"] = reals(correction.target);
  Json rounds = Json::array();
  for (const Round& round : correction.rounds) {
    Json entry;
    entry["change"] = real(round.change);
    if (round.objective) entry["objective"] = real(*round.objective);
    rounds.push_back(std::move(entry));
  }
  out["rounds"] = std::move(rounds);
  out["converged"] = correction.converged;
  out["warnings"] = correction.warnings;
  return out;
}

Json selection_json(const Selection& selection) {
  Json candidates = Json::array();
  for (const Candidate& c : selection.candidates) {
    Json entry;
    entry["method"] = c.name;
    entry["strength"] = c.strength;
    for (std::size_t i = 0; i < kObjectives; ++i) {
      Json& judged = entry["objectives"][std::string(objective_name(static_cast<Objective>(i)))];
      judged["value"] = real(c.judged[i].value);
      judged["gain"] = real(c.judged[i].gain);
      judged["gain_stderr"] = real(c.judged[i].gain_stderr);
    }
    entry["behind"] = real(c.behind);
    entry["behind_stderr"] = real(c.behind_stderr);
    if (c.many) entry["many"] = real(*c.many);
    if (c.medium) entry["medium"] = real(*c.medium);
    if (c.few) entry["few"] = real(*c.few);
    if (!c.excluded.empty()) entry["excluded"] = c.excluded;
    candidates.push_back(std::move(entry));
  }
  Json out;
  out["verdict"] = verdict_name(selection.verdict);
  out["objective"] = objective_name(selection.objective);
  out["explanation"] = selection.sentence;
  out["candidates"] = std::move(candidates);
  return out;
}

}  // namespace p2p::report
