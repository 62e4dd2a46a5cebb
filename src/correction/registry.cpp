#include "correction/registry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "p2p/error.hpp"

namespace p2p {
namespace {

struct Entry {
  MethodInfo info;
  correction::MethodFunction run;
};

using namespace correction;

// Simplest first; a new method is one line here.
const std::array kEntries{
    Entry{{.method = Method::kNone, .name = "none", .summary = "the identity, whatever the target"},
          run_none},
    Entry{{.method = Method::kEmpirical,
           .name = "empirical",
           .summary = "class frequencies: r = pi^tau / exp(b)",
           .needs_counts = true},
          run_empirical},
    Entry{{.method = Method::kP2P, .name = "p2p", .summary = "the effective prior, as measured"},
          run_p2p},
    Entry{{.method = Method::kMatch,
           .name = "match",
           .summary = "p2p iterated until the mean posterior is the prior"},
          run_match},
    Entry{{.method = Method::kGala,
           .name = "gala",
           .summary = "divides by the mean posterior of target rows, to the power tau",
           .needs_unlabelled = true},
          run_gala},
    Entry{{.method = Method::kTemperature,
           .name = "temperature",
           .summary = "a temperature fitted on labelled rows; p2p measured on them at it",
           .needs_holdout = true},
          run_temperature},
    Entry{{.method = Method::kBias,
           .name = "bias",
           .summary = "a temperature and offsets fitted on labelled rows weighted to the target",
           .needs_holdout = true},
          run_bias},
    Entry{{.method = Method::kVectorScaling,
           .name = "vector-scaling",
           .summary = "scales and offsets fitted on labelled rows weighted to the target",
           .needs_holdout = true},
          run_vector_scaling},
    Entry{{.method = Method::kEm,
           .name = "em",
           .summary = "target prior by expectation-maximisation on target rows",
           .needs_unlabelled = true,
           .estimates_target = true},
          run_em},
    Entry{{.method = Method::kMapEm,
           .name = "map-em",
           .summary = "the same, pulled towards uniform",
           .needs_unlabelled = true,
           .estimates_target = true},
          run_map_em},
    Entry{{.method = Method::kBbse,
           .name = "bbse",
           .summary = "target prior from the confusion matrix of labelled rows",
           .needs_holdout = true,
           .needs_unlabelled = true,
           .estimates_target = true},
          run_bbse},
    Entry{{.method = Method::kRlls,
           .name = "rlls",
           .summary = "the same, regularised",
           .needs_holdout = true,
           .needs_unlabelled = true,
           .estimates_target = true},
          run_rlls},
    Entry{{.method = Method::kDrops,
           .name = "drops",
           .summary = "the worst target within eps of uniform, by loss on labelled rows",
           .needs_holdout = true,
           .estimates_target = true},
          run_drops},
    Entry{{.method = Method::kGla,
           .name = "gla",
           .summary = "sum of fine-tuned and zero-shot scores, each without its prior",
           .needs_counts = true,
           .needs_holdout = true,
           .needs_second = true},
          run_gla},
};

const Entry& entry(Method method) {
  return *std::ranges::find(kEntries, method, [](const Entry& e) { return e.info.method; });
}

}  // namespace

std::span<const MethodInfo> methods() {
  static const auto infos = [] {
    std::array<MethodInfo, kEntries.size()> result{};
    std::ranges::transform(kEntries, result.begin(), [](const Entry& e) { return e.info; });
    return result;
  }();
  return infos;
}

const MethodInfo& info(Method method) { return entry(method).info; }

Method find_method(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Entry& e : kEntries) {
    if (e.info.name == name) return e.info.method;
    names.push_back(e.info.name);
  }
  throw_usage(
      fmt::format("'{}' is not a method; expected one of {}", name, fmt::join(names, ", ")));
}

correction::MethodFunction correction::function_of(Method method) { return entry(method).run; }

}  // namespace p2p
