#include "report/terminal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "report/json.hpp"
#include "report/names.hpp"

namespace p2p::report {
namespace {

constexpr std::size_t kListedShifts = 5;

enum class Unit : std::uint8_t { kPercent, kPlain };

std::string value_line(const char* name, double value, Unit unit, const Interval* ci) {
  const double scale = unit == Unit::kPercent ? 100 : 1;
  const int digits = unit == Unit::kPercent ? 2 : 4;
  std::string line = fmt::format("{:<22}{:>10.{}f}{}", name, value * scale, digits,
                                 unit == Unit::kPercent ? " %" : "  ");
  if (ci != nullptr) {
    line += fmt::format("   [{:.{}f}, {:.{}f}]", ci->low * scale, digits, ci->high * scale, digits);
  }
  while (line.ends_with(' ')) line.pop_back();
  return line + "\n";
}

std::string beliefs_text(const ClassPrior& prior, const char* title,
                         const std::vector<ClassBelief>& beliefs) {
  if (beliefs.empty()) return "";
  std::string out = fmt::format("\n{}\n", title);
  for (const ClassBelief& b : beliefs) {
    out += fmt::format("  {:<20}  effective {:.6g}  {} {:.6g}  ratio {:.4f}\n",
                       class_label(prior, b.index), b.effective,
                       prior.empirical.empty() ? "uniform" : "empirical", b.reference, b.ratio);
  }
  return out;
}

std::string interval_text(const std::optional<Interval>& ci) {
  return ci ? fmt::format("   [{:.6f}, {:.6f}]", ci->low, ci->high) : "";
}

}  // namespace

std::string metrics_text(const Metrics& metrics) {
  const MetricValues& v = metrics.values;
  const MetricIntervals* ci = metrics.ci95 ? &*metrics.ci95 : nullptr;
  std::string out = fmt::format("{} rows, {} classes", metrics.n_rows, metrics.n_classes);
  if (metrics.n_ignored > 0) out += fmt::format(", {} rows left out", metrics.n_ignored);
  if (ci != nullptr) out += "; 95 % bootstrap intervals";
  out += "\n";
  const auto add = [&](const char* name, double value, Unit unit,
                       const Interval MetricIntervals::*interval) {
    out += value_line(name, value, unit, ci == nullptr ? nullptr : &(ci->*interval));
  };
  const auto add_group = [&](const char* name, const std::optional<double>& value, Unit unit,
                             const std::optional<Interval> MetricIntervals::*interval) {
    if (!value) return;
    const Interval* bounds = ci != nullptr && (ci->*interval) ? &*(ci->*interval) : nullptr;
    out += value_line(name, *value, unit, bounds);
  };
  add("accuracy", v.accuracy, Unit::kPercent, &MetricIntervals::accuracy);
  add("balanced accuracy", v.balanced_accuracy, Unit::kPercent,
      &MetricIntervals::balanced_accuracy);
  add_group("  many", v.many, Unit::kPercent, &MetricIntervals::many);
  add_group("  medium", v.medium, Unit::kPercent, &MetricIntervals::medium);
  add_group("  few", v.few, Unit::kPercent, &MetricIntervals::few);
  add("worst recall", v.worst_recall, Unit::kPercent, &MetricIntervals::worst_recall);
  add("geometric mean", v.geometric_mean, Unit::kPercent, &MetricIntervals::geometric_mean);
  add("macro F1", v.macro_f1, Unit::kPercent, &MetricIntervals::macro_f1);
  add("NLL", v.nll, Unit::kPlain, &MetricIntervals::nll);
  add("Brier", v.brier, Unit::kPlain, &MetricIntervals::brier);
  add("ECE, equal width", v.ece, Unit::kPlain, &MetricIntervals::ece);
  add("ECE, equal mass", v.ece_equal_mass, Unit::kPlain, &MetricIntervals::ece_equal_mass);
  add("ECE, class-wise", v.ece_classwise, Unit::kPlain, &MetricIntervals::ece_classwise);
  add_group("residual slope", v.residual_slope, Unit::kPlain, &MetricIntervals::residual_slope);
  if (metrics.n_clipped > 0) {
    out += fmt::format("NLL: {} rows have a probability below 1e-38, clipped there\n",
                       metrics.n_clipped);
  }
  return out;
}

std::string inspection_text(const ClassPrior& prior, const PriorInspection& inspection,
                            const std::optional<Balance>& balance) {
  std::string out = fmt::format(
      "effective prior of {} classes from {} rows ({}), trained with {}\n", prior.n_classes(),
      prior.n_rows, prior.settings.rows, prior.settings.trained_with);
  if (const auto& d = inspection.distance) {
    out += fmt::format("\n{:<22}{:.6f}{}\n", "total variation", d->tv, interval_text(d->tv_ci95));
    out += fmt::format("{:<22}{:.6f}\n", "KL(q || pi)", d->kl);
    out += fmt::format("{:<22}{:.4f}\n", "Spearman", d->spearman);
    out += fmt::format("{:<22}{:.4f}\n", "largest ratio", d->max_ratio);
  }
  out += fmt::format("\ngap: {}\n  {}\n", verdict_name(inspection.gap), inspection.gap_sentence);
  if (balance) {
    out += fmt::format("balance: {}\n  {}\n", verdict_name(balance->verdict), balance->sentence);
  }
  out += beliefs_text(prior, "most over-believed classes", inspection.over_believed);
  out += beliefs_text(prior, "most under-believed classes", inspection.under_believed);
  for (const std::string& missing : missing_parts(prior)) out += "\nincomplete: " + missing + "\n";
  return out;
}

std::string moved_inputs_text(const ClassPrior& prior, const MovedInputs& inputs) {
  std::string out = fmt::format("\n{} unlabelled rows, {} labelled held-out rows\n", inputs.n_rows,
                                inputs.n_held_out);
  out += fmt::format("{:<22}{:.6f}{}\n", "TV(mean posterior, q)", inputs.tv,
                     interval_text(inputs.tv_ci95));
  const auto add = [&](const char* name, const std::optional<ShiftedStatistic>& s) {
    if (!s) return;
    out += fmt::format("{:<22}{:.4f}   expected {:.4f}, difference {:.4f} [{:.4f}, {:.4f}]\n", name,
                       s->measured, s->expected, s->difference, s->ci95.low, s->ci95.high);
  };
  add("confidence", inputs.confidence);
  add("entropy", inputs.entropy);
  out += fmt::format("inputs: {}\n  {}\n", verdict_name(inputs.verdict), inputs.sentence);
  if (inputs.label_shift.empty()) return out;

  const auto change = [&](std::size_t c) {
    return std::abs(inputs.label_shift[c] - prior.effective[c]);
  };
  std::vector<std::size_t> order(inputs.label_shift.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater(), change);
  order.resize(std::min(order.size(), kListedShifts));
  out += "\nclass frequencies that fit these rows best (em), largest changes\n";
  for (const std::size_t c : order) {
    out += fmt::format("  {:<20}  {:.6g}  effective prior {:.6g}\n",
                       class_label(prior, static_cast<std::int64_t>(c)), inputs.label_shift[c],
                       prior.effective[c]);
  }
  return out;
}

}  // namespace p2p::report
