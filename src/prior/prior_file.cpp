#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/exact_sum.hpp"
#include "p2p/class_prior.hpp"
#include "p2p/error.hpp"
#include "p2p/version.hpp"
#include "prior/match.hpp"

namespace p2p {
namespace {

// Written where nothing newer is used, so that older readers go on.
constexpr int kFirstVersion = 1;
constexpr int kMatchVersion = 2;  // key "match"
constexpr int kFormatVersion = kMatchVersion;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Json = nlohmann::json;

// --- writing: one key a line, one array a line, 17 significant digits ---

// Bytes that are not UTF-8 (a file name may hold any) become U+FFFD.
std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// JSON has no infinities and no NaN; the reader of a key knows which of them its null stands for.
std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{:.17g}", value) : "null";
}

template <class T, class F>
std::string array(const std::vector<T>& values, F&& text) {
  std::string result = "[";
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) result += ", ";
    result += text(values[i]);
  }
  return result + "]";
}
std::string array(const std::vector<double>& values) { return array(values, number); }
std::string array(const std::vector<std::int64_t>& values) {
  return array(values, [](std::int64_t v) { return std::to_string(v); });
}
std::string array(const std::vector<std::string>& values) { return array(values, quoted); }
std::string array(const std::vector<ExactSum>& values) {
  return array(values, [](const ExactSum& sum) { return '"' + to_hex(sum) + '"'; });
}

std::string input_text(const PriorInput& input) {
  return fmt::format(
      R"({{"name": {}, "shape": {}, "sha256": {}, "sha256_sampled": {}, "part": "{}/{}"}})",
      quoted(input.record.name), array(input.record.shape), quoted(input.record.sha256),
      input.record.sha256_sampled, input.part, input.parts);
}

std::string match_text(const PriorMatch& match) {
  return fmt::format(
      "{{\n    \"offset\": {},\n    \"changes\": {},\n    \"converged\": {},\n    "
      "\"unmatched\": {}\n  }}",
      array(match.offset), array(match.changes), match.converged, array(match.unmatched));
}

// --- reading ---

class Reader {
 public:
  Reader(const Json& json, std::string name) : json_(json), name_(std::move(name)) {}

  [[noreturn]] void fail(const std::string& key, const std::string& expected) const {
    throw_bad_data(fmt::format(
        "'{}' is not a usable prior file: \"{}\" must be {}; make it anew with p2p estimate", name_,
        key, expected));
  }

  [[nodiscard]] const Json& at(const std::string& key) const {
    const auto it = json_.find(key);
    if (it == json_.end()) fail(key, "present");
    return *it;
  }

  [[nodiscard]] std::string text(const std::string& key) const {
    const Json& value = at(key);
    if (!value.is_string()) fail(key, "a string");
    return value.get<std::string>();
  }

  [[nodiscard]] std::int64_t integer(const std::string& key, std::int64_t low) const {
    const Json& value = at(key);
    if (!value.is_number_integer() || value.get<std::int64_t>() < low) {
      fail(key, fmt::format("an integer of at least {}", low));
    }
    return value.get<std::int64_t>();
  }

  [[nodiscard]] bool boolean(const std::string& key) const {
    const Json& value = at(key);
    if (!value.is_boolean()) fail(key, "true or false");
    return value.get<bool>();
  }

  [[nodiscard]] double real(const std::string& key) const {
    const Json& value = at(key);
    if (!value.is_number()) fail(key, "a number");
    return value.get<double>();
  }

  /// `null_value`: what a null element means.
  [[nodiscard]] std::vector<double> reals(const std::string& key, std::int64_t size,
                                          double null_value) const {
    return values<double>(key, size, "numbers", [&](const Json& item, double& out) {
      if (item.is_null() && !std::isfinite(null_value))
        out = null_value;
      else if (item.is_number())
        out = item.get<double>();
      else
        return false;
      return true;
    });
  }

  [[nodiscard]] std::vector<std::int64_t> integers(const std::string& key,
                                                   std::int64_t size) const {
    return values<std::int64_t>(key, size, "integers", [](const Json& item, std::int64_t& out) {
      if (!item.is_number_integer()) return false;
      out = item.get<std::int64_t>();
      return out >= 0;
    });
  }

  /// Numbers of classes, each once, ascending.
  [[nodiscard]] std::vector<std::int64_t> class_numbers(const std::string& key,
                                                        std::int64_t classes) const {
    const std::vector<std::int64_t> result = integers(key, -1);
    for (std::size_t i = 0; i < result.size(); ++i) {
      if (result[i] >= classes || (i > 0 && result[i] <= result[i - 1])) {
        fail(key, fmt::format("class numbers from 0 to {}, ascending", classes - 1));
      }
    }
    return result;
  }

  /// Sums of terms that are not negative, as text.
  [[nodiscard]] std::vector<ExactSum> sums(const std::string& key, std::int64_t size) const {
    std::vector<ExactSum> result;
    for (const std::string& text : texts(key, size)) {
      try {
        result.push_back(from_hex(text));
      } catch (const Error& error) {
        fail(key, fmt::format("an array of sums, but {}", error.what()));
      }
      if (result.back().high < 0) fail(key, "an array of sums that are not negative");
    }
    return result;
  }

  [[nodiscard]] std::vector<std::string> texts(const std::string& key, std::int64_t size) const {
    return values<std::string>(key, size, "strings", [](const Json& item, std::string& out) {
      if (!item.is_string()) return false;
      out = item.get<std::string>();
      return true;
    });
  }

 private:
  // size -1: any.
  template <class T, class F>
  std::vector<T> values(const std::string& key, std::int64_t size, const char* what,
                        F&& read) const {
    const Json& list = at(key);
    if (!list.is_array() || (size >= 0 && static_cast<std::int64_t>(list.size()) != size)) {
      fail(key, size >= 0 ? fmt::format("an array of {} {}", size, what)
                          : fmt::format("an array of {}", what));
    }
    std::vector<T> result(list.size());
    for (std::size_t i = 0; i < result.size(); ++i) {
      if (!read(list[i], result[i]))
        fail(key, fmt::format("an array of {}, but element {} is not", what, i));
    }
    return result;
  }

  const Json& json_;
  std::string name_;
};

ScoreKind parse_kind(const Reader& reader) {
  const std::string text = reader.text("input_kind");
  for (const ScoreKind kind : {ScoreKind::kLogits, ScoreKind::kProbs, ScoreKind::kLogProbs}) {
    if (text == kind_name(kind)) return kind;
  }
  reader.fail("input_kind", "logits, probs or log-probs");
}

// Files of before have none of these.
ScoreReading parse_reading(const Json& json, const Reader& reader) {
  ScoreReading reading;
  if (json.contains("normalise")) reading.normalise = reader.boolean("normalise");
  if (json.contains("binary")) reading.binary = reader.boolean("binary");
  if (json.contains("log_base")) {
    reading.log_base = reader.real("log_base");
    if (!(*reading.log_base > 1) || !std::isfinite(*reading.log_base)) {
      reader.fail("log_base", "a number above 1");
    }
  }
  return reading;
}

PriorInput parse_input(const Json& json, const std::string& name) {
  const Reader reader(json, name);
  PriorInput input;
  input.record.name = reader.text("name");
  input.record.shape = reader.integers("shape", -1);
  input.record.sha256 = reader.text("sha256");
  input.record.sha256_sampled = reader.boolean("sha256_sampled");
  const std::string part = reader.text("part");
  const char* end = part.data() + part.size();
  const auto [slash, bad_part] = std::from_chars(part.data(), end, input.part);
  const bool cut = bad_part == std::errc{} && slash != end && *slash == '/';
  const auto [rest, bad_parts] = std::from_chars(cut ? slash + 1 : end, end, input.parts);
  if (!cut || bad_parts != std::errc{} || rest != end || input.part < 1 ||
      input.part > input.parts) {
    reader.fail("part", "of the form K/N");
  }
  return input;
}

void demand_distribution(const Reader& reader, const char* key, const std::vector<double>& values) {
  constexpr double kTolerance = 1e-6;
  double total = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    if (!(value > 0 && value <= 1)) reader.fail(key, "positive numbers of at most 1");
    total += value;
  }
  if (std::abs(total - 1) > kTolerance)
    reader.fail(key, fmt::format("numbers that sum to 1, not {:.9g}", total));
}

// The prior is read but for this; its residual must be what the match says.
PriorMatch parse_match(const Reader& file, const std::string& name, const ClassPrior& prior) {
  constexpr double kTolerance = 1e-6;
  if (!file.at("match").is_object()) file.fail("match", "an object");
  if (prior.empirical.empty()) file.fail("counts", "present, because \"match\" is");
  const Reader reader(file.at("match"), name);
  PriorMatch match;
  match.offset = reader.reals("offset", prior.n_classes(), -kInfinity);
  match.changes = reader.reals("changes", -1, 0);
  if (match.changes.empty() || std::ranges::any_of(match.changes, [](double c) { return c < 0; })) {
    reader.fail("changes", "one number of at least 0 for each round");
  }
  match.converged = reader.boolean("converged");
  match.unmatched = reader.class_numbers("unmatched", prior.n_classes());
  for (std::size_t c = 0; c < match.offset.size(); ++c) {
    if (std::isinf(match.offset[c]) && !std::isnan(prior.residual[c])) {
      reader.fail("offset", "numbers, and null for classes that are not corrected only");
    }
  }
  std::vector<double> residual;
  try {
    residual = matched_residual(prior, match.offset);
  } catch (const Error& error) {
    reader.fail("offset", fmt::format("small enough ({})", error.what()));
  }
  for (std::size_t c = 0; c < residual.size(); ++c) {
    if (std::abs(residual[c] - prior.residual[c]) > kTolerance * residual[c]) {
      file.fail("residual",
                fmt::format("counts / exp(match offset), scaled to sum to 1, in class {}", c));
    }
  }
  return match;
}

// What a file says beside its sums is derived from them, so it has to agree with them.
void demand_derived(const Reader& reader, const std::string& name, const ClassPrior& prior) {
  constexpr double kTolerance = 1e-9;
  ClassPrior derived;
  try {
    derived = finish_prior(prior.settings, PosteriorSum::load(prior.sums), prior.inputs);
  } catch (const Error& error) {
    throw_bad_data(fmt::format("'{}' is not a usable prior file: {}", name, error.what()));
  }
  const auto demand = [&](const char* key, const std::vector<double>& said,
                          const std::vector<double>& found) {
    for (std::size_t c = 0; c < said.size(); ++c) {
      if (std::isnan(said[c]) == std::isnan(found[c]) &&
          !(std::abs(said[c] - found[c]) > kTolerance * found[c])) {
        continue;
      }
      reader.fail(key, fmt::format("what its sums give, {} in class {} and not {}",
                                   number(found[c]), c, number(said[c])));
    }
  };
  demand("effective", prior.effective, derived.effective);
  demand("log_q_stderr", prior.log_q_stderr, derived.log_q_stderr);
  if (!prior.match) demand("residual", prior.residual, derived.residual);
  if (prior.floored != derived.floored) {
    reader.fail("floored", fmt::format("what its sums give, {}", array(derived.floored)));
  }
  if (prior.uncovered != derived.uncovered) {
    reader.fail("uncovered", fmt::format("what its sums give, {}", array(derived.uncovered)));
  }
}

}  // namespace

std::string write_prior(const ClassPrior& prior) {
  const PriorSettings& s = prior.settings;
  std::string out = "{\n";
  const auto add = [&out](const char* key, const std::string& value) {
    out += fmt::format("  \"{}\": {},\n", key, value);
  };
  add("format", quoted("p2p-prior"));
  add("version", std::to_string(prior.match ? kMatchVersion : kFirstVersion));
  add("tool_version", quoted(kVersion));
  add("n_classes", std::to_string(prior.n_classes()));
  add("n_rows", std::to_string(prior.n_rows));
  add("classes", s.classes.empty() ? "null" : array(s.classes));
  add("rows", quoted(s.rows));
  add("input_kind", quoted(std::string(kind_name(s.input_kind))));
  if (s.reading.normalise) add("normalise", "true");
  if (s.reading.log_base) add("log_base", number(*s.reading.log_base));
  if (s.reading.binary) add("binary", "true");
  add("temperature", number(s.temperature));
  add("trained_with", quoted(s.trained_with));
  add("weighted", s.weighted ? "true" : "false");
  add("smoothing", number(s.smoothing));
  if (s.pool) add("pool", "true");
  add("floor", s.floor ? number(*s.floor) : "null");
  add("excluded", array(s.excluded));
  add("effective", array(prior.effective));
  add("residual", array(prior.residual));
  add("empirical", prior.empirical.empty() ? "null" : array(prior.empirical));
  add("counts", s.counts.empty() ? "null" : array(s.counts));
  add("training_offset", array(s.training_offset));
  add("log_q_stderr", array(prior.log_q_stderr));
  add("floored", array(prior.floored));
  add("uncovered", array(prior.uncovered));
  if (prior.match) add("match", match_text(*prior.match));
  add("inputs", array(prior.inputs, input_text));
  out += fmt::format(
      "  \"sums\": {{\n    \"unit_log2\": {},\n    \"label_rows\": {},\n    \"posterior\": {},\n   "
      " "
      "\"posterior_squared\": {},\n    \"own_class\": {}\n  }}\n}}\n",
      -ExactSums::kUnitLog2, array(prior.sums.label_rows), array(prior.sums.posterior),
      array(prior.sums.posterior_squared), array(prior.sums.own_class));
  return out;
}

ClassPrior parse_prior(const std::string& text, const std::string& name) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("format", Json()) != Json("p2p-prior")) {
    throw_bad_data(
        fmt::format("'{}' is not a prior file (JSON with \"format\": \"p2p-prior\"); make one with "
                    "p2p estimate",
                    name));
  }
  const Reader reader(json, name);
  const std::int64_t version = reader.integer("version", 1);
  if (version > kFormatVersion) {
    throw_bad_data(fmt::format(
        "'{}' has prior format version {}, but this p2p {} reads up to {}; use a newer p2p", name,
        version, kVersion, kFormatVersion));
  }
  constexpr std::int64_t kLeastClasses = 2;
  const std::int64_t classes = reader.integer("n_classes", kLeastClasses);
  ClassPrior prior;
  PriorSettings& s = prior.settings;
  prior.n_rows = reader.integer("n_rows", 1);
  if (!reader.at("classes").is_null()) s.classes = reader.texts("classes", classes);
  s.rows = reader.text("rows");
  s.input_kind = parse_kind(reader);
  s.reading = parse_reading(json, reader);
  s.temperature = reader.real("temperature");
  if (!(s.temperature > 0) || !std::isfinite(s.temperature))
    reader.fail("temperature", "a positive number");
  s.trained_with = reader.text("trained_with");
  s.weighted = reader.boolean("weighted");
  s.smoothing = reader.real("smoothing");
  if (!(s.smoothing >= 0)) reader.fail("smoothing", "a number of at least 0");
  if (json.contains("pool")) s.pool = reader.boolean("pool");
  if (!reader.at("floor").is_null()) {
    s.floor = reader.real("floor");
    if (!(*s.floor > 0 && *s.floor * static_cast<double>(classes) < 1)) {
      reader.fail("floor", "null or a number between 0 and 1/n_classes");
    }
  }
  s.excluded = reader.class_numbers("excluded", classes);
  if (!reader.at("counts").is_null()) s.counts = reader.reals("counts", classes, 0);
  s.training_offset = reader.reals("training_offset", classes, -kInfinity);
  prior.effective = reader.reals("effective", classes, 0);
  demand_distribution(reader, "effective", prior.effective);
  prior.residual = reader.reals("residual", classes, kNaN);
  demand_distribution(reader, "residual", prior.residual);
  if (!s.counts.empty()) prior.empirical = normalised(s.counts, "'" + name + "', counts");
  prior.log_q_stderr = reader.reals("log_q_stderr", classes, kNaN);
  for (const double e : prior.log_q_stderr) {
    if (e < 0) reader.fail("log_q_stderr", "numbers of at least 0");
  }
  prior.floored = reader.class_numbers("floored", classes);
  prior.uncovered = reader.class_numbers("uncovered", classes);
  if (!reader.at("inputs").is_array()) reader.fail("inputs", "an array");
  for (const Json& input : reader.at("inputs")) {
    if (!input.is_object()) reader.fail("inputs", "an array of objects");
    prior.inputs.push_back(parse_input(input, name));
  }
  if (!reader.at("sums").is_object()) reader.fail("sums", "an object");
  const Reader sums(reader.at("sums"), name);
  if (sums.at("unit_log2") != Json(-ExactSums::kUnitLog2)) {
    sums.fail("unit_log2", std::to_string(-ExactSums::kUnitLog2));
  }
  prior.sums.rows = prior.n_rows;
  prior.sums.label_rows = sums.integers("label_rows", classes);
  std::int64_t unlabelled = prior.n_rows;
  for (const std::int64_t rows : prior.sums.label_rows) {
    if (rows > unlabelled) sums.fail("label_rows", "at most n_rows in total");
    unlabelled -= rows;
  }
  prior.sums.posterior = sums.sums("posterior", classes);
  prior.sums.posterior_squared = sums.sums("posterior_squared", classes);
  prior.sums.own_class = sums.sums("own_class", classes);
  for (std::int64_t c = 0; c < classes; ++c) {
    const auto at = static_cast<std::size_t>(c);
    if (std::isnan(prior.residual[at]) == prior.is_corrected(c)) {
      reader.fail(
          "residual",
          fmt::format("null exactly for excluded classes and classes without images; see class {}",
                      c));
    }
    if (std::isinf(s.training_offset[at]) && (s.counts.empty() || s.counts[at] > 0)) {
      reader.fail("training_offset", "numbers, and null for classes without images only");
    }
  }
  if (version >= kMatchVersion) prior.match = parse_match(reader, name, prior);
  demand_derived(reader, name, prior);
  return prior;
}

}  // namespace p2p
