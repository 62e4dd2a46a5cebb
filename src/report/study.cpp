#include "report/study.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace p2p::report {
namespace {

struct Cell {
  std::optional<double> value;
  std::optional<Interval> ci95;
  bool best = false;
};

struct Column {
  const char* title;
  const char* key;
  double scale;  // 100: percent for people
  int digits;
};

constexpr std::array kColumns{Column{"accuracy", "accuracy", 100, 2},
                              Column{"balanced", "balanced_accuracy", 100, 2},
                              Column{"many", "many", 100, 2},
                              Column{"medium", "medium", 100, 2},
                              Column{"few", "few", 100, 2},
                              Column{"NLL", "nll", 1, 4},
                              Column{"ECE", "ece", 1, 4}};
using Row = std::array<Cell, kColumns.size()>;

std::array<std::optional<double>, kColumns.size()> numbers(const TableValues& v) {
  return {v.accuracy, v.balanced_accuracy, v.many, v.medium, v.few, v.nll, v.ece};
}

Row cells(const ComparedMethod& method, const TableValues& best) {
  Row row;
  const auto values = numbers(*method.values);
  const auto bests = numbers(best);
  for (std::size_t i = 0; i < row.size(); ++i) {
    row[i].value = values[i];
    row[i].best = values[i] && values[i] == bests[i];
  }
  if (!method.ci95) return row;
  const TableIntervals& ci = *method.ci95;
  const std::array<std::optional<Interval>, kColumns.size()> intervals{
      ci.accuracy, ci.balanced_accuracy, ci.many, ci.medium, ci.few, ci.nll, ci.ece};
  for (std::size_t i = 0; i < row.size(); ++i) row[i].ci95 = intervals[i];
  return row;
}

// Groups that nobody has are left out.
std::vector<std::size_t> shown_columns(const TableValues& best) {
  std::vector<std::size_t> shown;
  const auto bests = numbers(best);
  for (std::size_t i = 0; i < kColumns.size(); ++i) {
    if (bests[i]) shown.push_back(i);
  }
  return shown;
}

std::string range_text(const Interval& ci, const Column& column) {
  return fmt::format("[{:.{}f}, {:.{}f}]", ci.low * column.scale, column.digits,
                     ci.high * column.scale, column.digits);
}

const char* standing_word(Standing standing) {
  switch (standing) {
    case Standing::kBetter:
      return "better";
    case Standing::kWorse:
      return "worse";
    case Standing::kUndecided:
      break;
  }
  return "";
}

std::string difference_text(const Difference& d, const Column& column) {
  return fmt::format("{:+.{}f} [{:+.{}f}, {:+.{}f}]", d.value * column.scale, column.digits,
                     d.ci95.low * column.scale, column.digits, d.ci95.high * column.scale,
                     column.digits);
}

struct NamedDifference {
  const Column& column;
  const Difference& difference;
};

std::vector<NamedDifference> differences(const ComparedMethod& method) {
  if (!method.accuracy) return {};
  return {{kColumns[0], *method.accuracy},
          {kColumns[1], *method.balanced_accuracy},
          {kColumns[5], *method.nll}};
}

bool any_difference(const Comparison& comparison) {
  return std::ranges::any_of(comparison.methods,
                             [](const ComparedMethod& m) { return m.accuracy.has_value(); });
}

std::size_t name_width(const Comparison& comparison) {
  std::size_t width = 6;
  for (const ComparedMethod& m : comparison.methods) width = std::max(width, m.found.name.size());
  return width + 2;
}

std::string trimmed(std::string line) {
  while (line.ends_with(' ')) line.pop_back();
  return line + "\n";
}

std::string head_line(const Comparison& comparison) {
  std::string line = fmt::format("{} rows, {} classes", comparison.n_rows, comparison.n_classes);
  if (comparison.n_ignored > 0) line += fmt::format(", {} rows left out", comparison.n_ignored);
  return line;
}

std::string values_text(const Comparison& comparison) {
  const std::size_t width = name_width(comparison);
  std::string line = fmt::format("{:<{}}", "method", width);
  const auto shown = shown_columns(comparison.best);
  for (const std::size_t i : shown) line += fmt::format("{:>9} ", kColumns[i].title);
  std::string out = trimmed(line + fmt::format("{:>10}", "seconds"));
  for (const ComparedMethod& method : comparison.methods) {
    if (!method.values) continue;
    line = fmt::format("{:<{}}", method.found.name, width);
    const Row row = cells(method, comparison.best);
    for (const std::size_t i : shown) {
      line += row[i].value ? fmt::format("{:>9.{}f}{}", *row[i].value * kColumns[i].scale,
                                         kColumns[i].digits, row[i].best ? '*' : ' ')
                           : fmt::format("{:>10}", "");
    }
    out += trimmed(line + fmt::format("{:>10.3f}", method.found.seconds));
  }
  return out;
}

std::string intervals_text(const Comparison& comparison) {
  constexpr std::array<std::size_t, 4> kWithInterval{0, 1, 5, 6};
  const std::size_t width = name_width(comparison);
  std::string line = fmt::format("{:<{}}", "95 % of", width);
  for (const std::size_t i : kWithInterval) line += fmt::format("{:<18}", kColumns[i].title);
  std::string out = trimmed(line);
  for (const ComparedMethod& method : comparison.methods) {
    if (!method.ci95) continue;
    line = fmt::format("{:<{}}", method.found.name, width);
    const Row row = cells(method, comparison.best);
    for (const std::size_t i : kWithInterval) {
      line += fmt::format("{:<18}", range_text(*row[i].ci95, kColumns[i]));
    }
    out += trimmed(line);
  }
  return out;
}

std::string differences_text(const Comparison& comparison) {
  const std::size_t width = name_width(comparison);
  constexpr int kCell = 32;
  std::string line = fmt::format("{:<{}}", "minus " + comparison.reference, width);
  for (const std::size_t i : {0U, 1U, 5U}) line += fmt::format("{:<{}}", kColumns[i].title, kCell);
  std::string out = trimmed(line);
  for (const ComparedMethod& method : comparison.methods) {
    if (!method.accuracy) continue;
    line = fmt::format("{:<{}}", method.found.name, width);
    for (const auto& [column, difference] : differences(method)) {
      line += fmt::format(
          "{:<{}}", difference_text(difference, column) + " " + standing_word(difference.standing),
          kCell);
    }
    out += trimmed(line);
  }
  return out;
}

std::string problems_text(const Comparison& comparison, const char* bullet) {
  std::string out;
  for (const ComparedMethod& method : comparison.methods) {
    if (method.values) continue;
    out += fmt::format("{}{}: {}\n", bullet, method.found.name, method.problem);
  }
  return out;
}

std::string csv_text(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::string csv_number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? fmt::format("{}", *value) : "";
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
Json pair(const Interval& ci) { return Json::array({number(ci.low), number(ci.high)}); }

// Values or intervals, groups apart as in evaluate.
template <class Values, class F>
Json table_object(const Values& v, F&& json) {
  Json out;
  out["accuracy"] = json(v.accuracy);
  out["balanced_accuracy"] = json(v.balanced_accuracy);
  Json groups = Json::object();
  if (v.many) groups["many"] = json(*v.many);
  if (v.medium) groups["medium"] = json(*v.medium);
  if (v.few) groups["few"] = json(*v.few);
  out["groups"] = groups;
  out["nll"] = json(v.nll);
  out["ece"] = json(v.ece);
  return out;
}

Json method_json(const ComparedMethod& method, const TableValues& best) {
  Json out;
  out["name"] = method.found.name;
  if (!method.values) {
    out["problem"] = method.problem;
    return out;
  }
  out.update(table_object(*method.values, number));
  if (method.ci95) out["ci95"] = table_object(*method.ci95, pair);
  const Row row = cells(method, best);
  out["best"] = Json::array();
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i].best) out["best"].push_back(kColumns[i].key);
  }
  for (const auto& [column, difference] : differences(method)) {
    Json& item = out["difference"][column.key];
    item["value"] = number(difference.value);
    item["ci95"] = pair(difference.ci95);
    const std::string word = standing_word(difference.standing);
    item["standing"] = word.empty() ? "undecided" : word;
  }
  out["seconds"] = method.found.seconds;
  out["correction"] = correction_json(*method.found.correction);
  return out;
}

}  // namespace

std::string comparison_text(const Comparison& comparison) {
  std::string out = head_line(comparison) + "; * best\n\n" + values_text(comparison);
  if (comparison.bootstrap > 0) out += "\n" + intervals_text(comparison);
  if (any_difference(comparison)) out += "\n" + differences_text(comparison);
  if (const std::string problems = problems_text(comparison, "  "); !problems.empty()) {
    out += "\nnot compared\n" + problems;
  }
  return out;
}

std::string comparison_markdown(const Comparison& comparison) {
  const auto shown = shown_columns(comparison.best);
  const bool compared = any_difference(comparison);
  std::string out = "| method |";
  std::string rule = "|---|";
  for (const std::size_t i : shown) {
    out += fmt::format(" {} |", kColumns[i].title);
    rule += "---|";
  }
  if (compared) {
    out += fmt::format(" accuracy - {} |", comparison.reference);
    rule += "---|";
  }
  out += " seconds |\n" + rule + "---|\n";
  for (const ComparedMethod& method : comparison.methods) {
    if (!method.values) continue;
    out += fmt::format("| {} |", method.found.name);
    const Row row = cells(method, comparison.best);
    for (const std::size_t i : shown) {
      const Cell& cell = row[i];
      if (!cell.value) {
        out += " |";
        continue;
      }
      const char* mark = cell.best ? "**" : "";
      out += fmt::format(" {0}{1:.{2}f}{0}", mark, *cell.value * kColumns[i].scale,
                         kColumns[i].digits);
      if (cell.ci95) out += " " + range_text(*cell.ci95, kColumns[i]);
      out += " |";
    }
    if (compared) {
      out += method.accuracy ? " " + difference_text(*method.accuracy, kColumns[0]) + " |" : " |";
    }
    out += fmt::format(" {:.3f} |\n", method.found.seconds);
  }
  out += fmt::format("\n{}.", head_line(comparison));
  if (comparison.bootstrap > 0) {
    out +=
        fmt::format(" 95 % intervals from {} bootstrap replicates, the same rows for every method.",
                    comparison.bootstrap);
  }
  out += "\n";
  if (const std::string problems = problems_text(comparison, "- "); !problems.empty()) {
    out += "\nNot compared:\n\n" + problems;
  }
  return out;
}

std::string comparison_csv(const Comparison& comparison) {
  std::string out = "method";
  for (const Column& column : kColumns) {
    out += fmt::format(",{0},{0}_low,{0}_high", column.key);
  }
  for (const std::size_t i : {0U, 1U, 5U}) {
    out += fmt::format(",{0}_difference,{0}_difference_low,{0}_difference_high", kColumns[i].key);
  }
  out += ",seconds,problem\n";
  for (const ComparedMethod& method : comparison.methods) {
    out += csv_text(method.found.name);
    const Row row = method.values ? cells(method, comparison.best) : Row{};
    for (const Cell& cell : row) {
      out += "," + csv_number(cell.value);
      out += cell.ci95 ? fmt::format(",{},{}", cell.ci95->low, cell.ci95->high) : ",,";
    }
    const auto against = differences(method);
    for (const auto& [column, d] : against) {
      out += fmt::format(",{},{},{}", d.value, d.ci95.low, d.ci95.high);
    }
    if (against.empty()) out += ",,,,,,,,,";
    out += fmt::format(",{},{}\n", method.values ? csv_number(method.found.seconds) : "",
                       csv_text(method.problem));
  }
  return out;
}

Json comparison_json(const Comparison& comparison) {
  Json out;
  out["n_rows"] = comparison.n_rows;
  out["n_ignored"] = comparison.n_ignored;
  out["n_classes"] = comparison.n_classes;
  out["bootstrap"] = comparison.bootstrap;
  out["reference"] = comparison.reference;
  out["methods"] = Json::array();
  for (const ComparedMethod& method : comparison.methods) {
    out["methods"].push_back(method_json(method, comparison.best));
  }
  return out;
}

std::string sweep_text(const Sweep& sweep) {
  std::string out = fmt::format("{} rows, {} classes", sweep.n_rows, sweep.n_classes);
  if (sweep.n_ignored > 0) out += fmt::format(", {} rows left out", sweep.n_ignored);
  out += "; target proportional to (training prior)^gamma\n\n";
  if (sweep.points.empty()) return out;
  const auto shown = shown_columns(sweep.points.front().values);
  std::string line = fmt::format("{:>8}{:>10}", "gamma", "strength");
  for (const std::size_t i : shown) line += fmt::format("{:>10}", kColumns[i].title);
  out += trimmed(line);
  for (const SweepPoint& point : sweep.points) {
    line = fmt::format("{:>8}{:>10.4g}", point.gamma ? fmt::format("{:.4g}", *point.gamma) : "-",
                       point.strength);
    const auto values = numbers(point.values);
    for (const std::size_t i : shown) {
      line += fmt::format("{:>10.{}f}", *values[i] * kColumns[i].scale, kColumns[i].digits);
    }
    out += trimmed(line);
  }
  return out;
}

std::string sweep_csv(const Sweep& sweep) {
  std::string out = "gamma,strength";
  for (const Column& column : kColumns) out += fmt::format(",{}", column.key);
  out += "\n";
  for (const SweepPoint& point : sweep.points) {
    out += fmt::format("{},{}", csv_number(point.gamma), point.strength);
    for (const auto& value : numbers(point.values)) out += "," + csv_number(value);
    out += "\n";
  }
  return out;
}

Json sweep_json(const Sweep& sweep) {
  Json out;
  out["n_rows"] = sweep.n_rows;
  out["n_ignored"] = sweep.n_ignored;
  out["n_classes"] = sweep.n_classes;
  out["points"] = Json::array();
  for (const SweepPoint& point : sweep.points) {
    Json item;
    item["gamma"] = point.gamma ? Json(*point.gamma) : Json(nullptr);
    item["strength"] = point.strength;
    item.update(table_object(point.values, number));
    out["points"].push_back(item);
  }
  out["warnings"] = sweep.warnings;
  return out;
}

}  // namespace p2p::report
