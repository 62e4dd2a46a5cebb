#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "p2p/class_prior.hpp"
#include "p2p/error.hpp"

namespace p2p {
namespace {

template <class T>
void demand_equal(const T& a, const T& b, const char* what) {
  if (!(a == b)) {
    throw_bad_data(fmt::format(
        "priors that differ in {} cannot be merged; estimate all parts with the same options",
        what));
  }
}

// What follows the file in "scores.npz:train_logits".
std::string member(const std::string& name) {
  const std::size_t colon = name.rfind(':');
  return colon == std::string::npos ? "" : name.substr(colon);
}

// What makes two inputs the same rows: the same bytes, under whatever name; scores that were never
// in a file have no digest and are told by their name.
auto identity(const PriorInput& input) {
  const InputRecord& record = input.record;
  return std::tuple(record.sha256, record.shape,
                    record.sha256.empty() ? record.name : member(record.name));
}

bool same_file(const PriorInput& a, const PriorInput& b) { return identity(a) == identity(b); }

// Row weights hold for the data set whose labels they were made from, and for its parts.
void demand_one_data_set(const ClassPrior& a, const ClassPrior& b) {
  const auto belongs = [&](const PriorInput& x) {
    return std::ranges::any_of(b.inputs, [&](const PriorInput& y) { return same_file(x, y); });
  };
  if (std::ranges::any_of(a.inputs, belongs)) return;
  throw_bad_data(
      "priors whose rows were weighted by labels cannot be merged unless they are parts of one "
      "data "
      "set, because the weights of each would be wrong for both; estimate from all files at once");
}

void refuse_overlap(const PriorInput& a, const PriorInput& b) {
  // Whole arrays in memory cannot be recognised, parts of one are told by its name.
  if (a.record.sha256.empty() && a.parts == 1 && b.parts == 1) return;
  if (!same_file(a, b)) return;
  if (a.parts != b.parts) {
    throw_bad_data(fmt::format(
        "'{}' was cut into {} parts for one prior and into {} for another; cut it alike",
        a.record.name, a.parts, b.parts));
  }
  if (a.part == b.part) {
    throw_bad_data(fmt::format("part {} of {} of '{}' is given twice; its rows would count double",
                               a.part, a.parts, a.record.name));
  }
}

}  // namespace

void demand_same_settings(const PriorSettings& s, const PriorSettings& t) {
  demand_equal(s.classes, t.classes, "class names");
  demand_equal(s.counts, t.counts, "training counts");
  demand_equal(s.training_offset, t.training_offset, "the training offset");
  demand_equal(s.temperature, t.temperature, "temperature");
  demand_equal(s.input_kind, t.input_kind, "the kind of input (logits, probs, log-probs)");
  demand_equal(s.reading, t.reading, "how scores were read (--normalise, --log-base, --binary)");
  demand_equal(s.weighted, t.weighted, "whether rows were weighted");
  demand_equal(s.rows, t.rows, "where the rows come from (--rows)");
  demand_equal(s.smoothing, t.smoothing, "smoothing");
  demand_equal(s.pool, t.pool, "pooling");
  demand_equal(s.floor, t.floor, "the floor");
  demand_equal(s.excluded, t.excluded, "excluded classes");
  demand_equal(s.trained_with, t.trained_with, "the training loss");
}

ClassPrior merge(const ClassPrior& a, const ClassPrior& b) {
  if (a.match || b.match) {
    throw_bad_data(
        "a prior from p2p estimate --iterate cannot be merged, because each round needs all rows; "
        "estimate from all files at once");
  }
  const PriorSettings& s = a.settings;
  demand_equal(a.n_classes(), b.n_classes(), "the number of classes");
  demand_same_settings(s, b.settings);
  for (const PriorInput& x : a.inputs) {
    for (const PriorInput& y : b.inputs) refuse_overlap(x, y);
  }
  if (s.weighted) demand_one_data_set(a, b);
  PosteriorSum sums = PosteriorSum::load(a.sums);
  sums.merge(PosteriorSum::load(b.sums));
  std::vector<PriorInput> inputs = a.inputs;
  inputs.insert(inputs.end(), b.inputs.begin(), b.inputs.end());
  return finish_prior(a.settings, sums, std::move(inputs));
}

std::vector<std::string> missing_parts(const ClassPrior& prior) {
  struct File {
    std::string name;
    std::int64_t parts = 1;
    std::set<std::int64_t> have = {};
  };
  std::map<decltype(identity(PriorInput())), File> found;
  for (const PriorInput& input : prior.inputs) {
    File& file = found.try_emplace(identity(input), File{input.record.name}).first->second;
    file.parts = input.parts;
    file.have.insert(input.part);
  }
  constexpr std::size_t kShown = 20;
  std::vector<std::string> result;
  for (const auto& entry : found) {
    const auto& [name, parts, have] = entry.second;
    const auto missing = static_cast<std::size_t>(parts) - have.size();
    if (missing == 0) continue;
    std::vector<std::string> shown;
    for (std::int64_t part = 1; part <= parts && shown.size() < kShown; ++part) {
      if (!have.contains(part)) shown.push_back(std::to_string(part));
    }
    result.push_back(fmt::format("'{}': {} of {} parts missing: {}{}", name, missing, parts,
                                 fmt::join(shown, ", "), missing > shown.size() ? ", ..." : ""));
  }
  std::ranges::sort(result);
  return result;
}

}  // namespace p2p
