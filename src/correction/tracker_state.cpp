#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "p2p/error.hpp"
#include "p2p/track.hpp"

namespace p2p {
namespace {

constexpr int kFormatVersion = 1;
constexpr const char* kFormat = "p2p-tracker-state";
using Json = nlohmann::json;

[[noreturn]] void fail(const std::string& name, const char* key, const char* expected) {
  throw_bad_data(
      fmt::format("'{}' is not a usable tracker state: \"{}\" must be {}; delete it to start anew",
                  name, key, expected));
}

std::string string_of(const Json& json, const char* key, const std::string& name) {
  const auto it = json.find(key);
  if (it == json.end() || !it->is_string()) fail(name, key, "a string");
  return it->get<std::string>();
}

std::int64_t count(const Json& json, const char* key, const std::string& name) {
  const auto it = json.find(key);
  if (it == json.end() || !it->is_number_integer() || it->get<std::int64_t>() < 0) {
    fail(name, key, "an integer of at least 0");
  }
  return it->get<std::int64_t>();
}

}  // namespace

std::string write_tracker_state(const PriorTracker::State& state) {
  std::string target;
  for (const double t : state.target) {
    if (!target.empty()) target += ", ";
    target += std::isnan(t) ? "null" : fmt::format("{:.17g}", t);
  }
  // A file name may hold bytes that are not UTF-8.
  const std::string source =
      Json(state.source).dump(-1, ' ', false, Json::error_handler_t::replace);
  return fmt::format(
      "{{\n  \"format\": \"{}\",\n  \"version\": {},\n  \"prior\": \"{}\",\n"
      "  \"stored_target\": \"{}\",\n  \"batches\": {},\n  \"rows\": {},\n"
      "  \"since_reset\": {},\n  \"drift\": {:.17g},\n  \"source\": {},\n  \"position\": {},\n"
      "  \"target\": [{}]\n}}\n",
      kFormat, kFormatVersion, state.prior, state.stored_target, state.batches, state.rows,
      state.since_reset, state.drift, source, state.position, target);
}

PriorTracker::State parse_tracker_state(const std::string& text, const std::string& name) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("format", Json()) != Json(kFormat)) {
    throw_bad_data(
        fmt::format("'{}' is not a tracker state (JSON with \"format\": \"{}\"); delete it to "
                    "start anew, or name another file",
                    name, kFormat));
  }
  if (count(json, "version", name) > kFormatVersion) {
    fail(name, "version", "1, the only one that this p2p reads");
  }
  PriorTracker::State state;
  state.prior = string_of(json, "prior", name);
  state.stored_target = string_of(json, "stored_target", name);
  state.batches = count(json, "batches", name);
  state.rows = count(json, "rows", name);
  state.since_reset = count(json, "since_reset", name);
  state.source = string_of(json, "source", name);
  state.position = count(json, "position", name);
  const auto drift = json.find("drift");
  if (drift == json.end() || !drift->is_number() || !(drift->get<double>() >= 0)) {
    fail(name, "drift", "a number of at least 0");
  }
  state.drift = drift->get<double>();
  const auto target = json.find("target");
  if (target == json.end() || !target->is_array()) fail(name, "target", "an array");
  for (const Json& t : *target) {
    if (!t.is_null() && !t.is_number()) fail(name, "target", "an array of numbers");
    state.target.push_back(t.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                       : t.get<double>());
  }
  return state;
}

}  // namespace p2p
