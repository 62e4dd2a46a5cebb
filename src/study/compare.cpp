#include "p2p/compare.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cassert>
#include <functional>
#include <utility>

#include "metrics/interval.hpp"
#include "metrics/posterior_scan.hpp"
#include "p2p/error.hpp"
#include "study/judged_rows.hpp"
#include "study/row_outcomes.hpp"

namespace p2p {
namespace {

using namespace study;
using metrics::interval_95;

template <class Metric>
std::vector<double> column(const std::vector<TableValues>& replicates,
                           Metric TableValues::*metric) {
  std::vector<double> values;
  for (const TableValues& replicate : replicates) {
    if constexpr (std::is_same_v<Metric, double>) {
      values.push_back(replicate.*metric);
    } else if (replicate.*metric) {
      values.push_back(*(replicate.*metric));
    }
  }
  return values;
}

TableIntervals intervals(const std::vector<TableValues>& replicates) {
  const auto of_group = [&](std::optional<double> TableValues::*metric) -> std::optional<Interval> {
    std::vector<double> values = column(replicates, metric);
    if (values.empty()) return std::nullopt;
    return interval_95(std::move(values));
  };
  TableIntervals result;
  result.accuracy = interval_95(column(replicates, &TableValues::accuracy));
  result.balanced_accuracy = interval_95(column(replicates, &TableValues::balanced_accuracy));
  result.many = of_group(&TableValues::many);
  result.medium = of_group(&TableValues::medium);
  result.few = of_group(&TableValues::few);
  result.nll = interval_95(column(replicates, &TableValues::nll));
  result.ece = interval_95(column(replicates, &TableValues::ece));
  return result;
}

enum class Wish : std::uint8_t { kHigh, kLow };

// One correction: its values and those of its replicates.
struct Judged {
  std::optional<TableValues> values;
  std::vector<TableValues> replicates;
};

Difference difference(const Judged& method, const Judged& reference, double TableValues::*metric,
                      Wish wish) {
  std::vector<double> differences = column(method.replicates, metric);
  for (std::size_t r = 0; r < differences.size(); ++r) {
    differences[r] -= reference.replicates[r].*metric;
  }
  Difference result;
  result.value = (*method.values).*metric - (*reference.values).*metric;
  result.ci95 = interval_95(std::move(differences));
  if (result.ci95.low > 0 || result.ci95.high < 0) {
    const bool higher = result.ci95.low > 0;
    result.standing = higher == (wish == Wish::kHigh) ? Standing::kBetter : Standing::kWorse;
  }
  return result;
}

void add_differences(const Judged& judged, const Judged& reference, ComparedMethod& method) {
  method.accuracy = difference(judged, reference, &TableValues::accuracy, Wish::kHigh);
  method.balanced_accuracy =
      difference(judged, reference, &TableValues::balanced_accuracy, Wish::kHigh);
  method.nll = difference(judged, reference, &TableValues::nll, Wish::kLow);
}

TableValues best_of(const std::vector<ComparedMethod>& methods) {
  std::optional<TableValues> best;
  const auto higher = [](std::optional<double>& mine, const std::optional<double>& other) {
    if (other && (!mine || *other > *mine)) mine = other;
  };
  for (const ComparedMethod& method : methods) {
    if (!method.values) continue;
    const TableValues& values = *method.values;
    if (!best) {
      best = values;
      continue;
    }
    best->accuracy = std::max(best->accuracy, values.accuracy);
    best->balanced_accuracy = std::max(best->balanced_accuracy, values.balanced_accuracy);
    higher(best->many, values.many);
    higher(best->medium, values.medium);
    higher(best->few, values.few);
    best->nll = std::min(best->nll, values.nll);
    best->ece = std::min(best->ece, values.ece);
  }
  return best.value_or(TableValues{});
}

class Judge {
 public:
  Judge(const TestRows& test, const CompareOptions& options, std::int64_t classes)
      : test_(test), options_(options), evaluate_(evaluate_options(test, options.threads)) {
    // Rows and labels are the same for every correction; what is wrong with them ends the
    // comparison.
    const LogOffset identity{.delta = std::vector<double>(static_cast<std::size_t>(classes), 0.0)};
    const JudgedRows rows(test_, identity, evaluate_);
    plan_ = rows.plan();
  }

  Judged operator()(const LogOffset& offset) const {
    const JudgedRows rows(test_, offset, evaluate_);
    RowOutcomes outcomes = row_outcomes(rows, *test_.rows.labels, options_.bootstrap, options_.seed,
                                        options_.rows_done);
    return {outcomes.values, std::move(outcomes.replicates)};
  }

  // The sentence, where only this correction is to blame.
  Judged operator()(ComparedMethod& method) const {
    method.problem = method.found.problem;
    if (!method.found.correction) return {};
    const LogOffset& offset = method.found.correction->offset;
    if (offset.second_temperature && test_.second == nullptr) {
      method.problem = fmt::format(
          "{} needs the test rows as the second model scores them (--second)", method.found.name);
      return {};
    }
    if (!offset.fits(test_.rows.kind)) {
      method.problem =
          fmt::format("{} learned its scales from {}, but the test rows hold {}", method.found.name,
                      kind_name(*offset.scale_kind), kind_name(test_.rows.kind));
      return {};
    }
    Judged judged;
    try {
      judged = (*this)(offset);
    } catch (const metrics::RowWithoutPosterior& error) {
      method.problem = error.what();
      return {};
    }
    method.values = judged.values;
    if (options_.bootstrap > 0) method.ci95 = intervals(judged.replicates);
    return judged;
  }

  [[nodiscard]] const metrics::RowPlan& plan() const { return plan_; }

 private:
  const TestRows& test_;
  const CompareOptions& options_;
  EvaluateOptions evaluate_;
  metrics::RowPlan plan_;
};

// Those of the corrections, where one was found.
std::int64_t classes_of(const std::vector<FoundCorrection>& corrections, const TestRows& test) {
  for (const FoundCorrection& found : corrections) {
    if (found.correction) return static_cast<std::int64_t>(found.correction->offset.delta.size());
  }
  return test.rows.scores->classes();
}

void demand_values(const std::vector<ComparedMethod>& methods) {
  if (std::ranges::any_of(methods, [](const ComparedMethod& m) { return m.values.has_value(); })) {
    return;
  }
  throw_bad_data(fmt::format("none of the {} corrections can be compared; the first: {}",
                             methods.size(), methods.front().problem));
}

}  // namespace

Comparison compare(std::vector<FoundCorrection> corrections, const TestRows& test,
                   const CompareOptions& options) {
  assert(!corrections.empty() && options.bootstrap >= 0 && options.threads >= 1);
  const Judge judge(test, options, classes_of(corrections, test));
  Comparison result;
  result.n_rows = judge.plan().n_used;
  result.n_ignored = judge.plan().n_rows - judge.plan().n_used;
  result.n_classes = judge.plan().classes;
  result.bootstrap = options.bootstrap;
  result.reference = options.reference;
  for (FoundCorrection& found : corrections) {
    result.methods.emplace_back().found = std::move(found);
  }

  Judged reference;
  const auto referred = std::ranges::find(result.methods, options.reference,
                                          [](const ComparedMethod& m) { return m.found.name; });
  if (referred != result.methods.end()) reference = judge(*referred);
  for (ComparedMethod& method : result.methods) {
    if (method.found.name == options.reference) continue;
    const Judged judged = judge(method);
    if (judged.values && reference.values && options.bootstrap > 0) {
      add_differences(judged, reference, method);
    }
  }
  demand_values(result.methods);
  result.best = best_of(result.methods);
  return result;
}

}  // namespace p2p
