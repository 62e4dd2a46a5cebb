#include "model/record.hpp"

#include <fmt/format.h>

#include "io/text.hpp"
#include "p2p/error.hpp"
#include "p2p/version.hpp"

namespace p2p::model {
namespace {

constexpr std::int64_t kFormatVersion = 1;
constexpr int kDeepestRecord = 16;
constexpr std::size_t kMostRecords = 100;

BakeMode parse_mode(const std::string& text) {
  for (const BakeMode mode : {BakeMode::kFold, BakeMode::kReweight}) {
    if (text == mode_name(mode)) return mode;
  }
  return BakeMode::kAdd;
}

}  // namespace

std::string write_records(const std::vector<StoredRecord>& records) {
  Json baked = Json::array();
  for (const auto& [record, undo] : records) {
    Json entry;
    entry["method"] = record.method;
    entry["target"] = record.target;
    entry["strength"] = record.strength;
    entry["prior_sha256"] = record.prior_sha256;
    entry["tool"] = "p2p " + record.version;
    entry["mode"] = mode_name(record.mode);
    entry["where"] = record.where;
    entry["undo"] = undo;
    baked.push_back(std::move(entry));
  }
  Json json;
  json["version"] = kFormatVersion;
  json["baked"] = std::move(baked);
  return json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

std::vector<StoredRecord> parse_records(const std::string& text, const std::string& name) {
  std::vector<StoredRecord> records;
  try {
    const Json json = Json::parse(text, [&](int depth, Json::parse_event_t, Json&) {
      if (depth > kDeepestRecord) throw_damaged_record(name, "it is nested too deep");
      return true;
    });
    const auto version = json.at("version").get<std::int64_t>();
    if (version != kFormatVersion) {
      throw_bad_data(fmt::format(
          "{} was baked by a newer p2p (record version {}, this one reads {}); use that p2p",
          io::quote(name), version, kFormatVersion));
    }
    for (const Json& entry : json.at("baked")) {
      if (records.size() >= kMostRecords)
        throw_damaged_record(name, "it lists more than 100 bakings");
      StoredRecord& stored = records.emplace_back();
      stored.record.method = entry.at("method").get<std::string>();
      stored.record.target = entry.at("target").get<std::string>();
      stored.record.strength = entry.at("strength").get<double>();
      stored.record.prior_sha256 = entry.at("prior_sha256").get<std::string>();
      const auto tool = entry.at("tool").get<std::string>();
      stored.record.version = tool.substr(std::min(tool.find(' ') + 1, tool.size()));
      stored.record.mode = parse_mode(entry.at("mode").get<std::string>());
      stored.record.where = entry.at("where").get<std::string>();
      stored.undo = entry.at("undo");
    }
  } catch (const nlohmann::json::exception& error) {
    throw_damaged_record(name, error.what());
  }
  if (records.empty()) throw_damaged_record(name, "it lists nothing");
  return records;
}

void throw_damaged_record(const std::string& name, const std::string& what) {
  throw_bad_data(fmt::format(
      "the record of what was baked into {} is damaged: {}; bake the original model anew",
      io::quote(name), io::printable(what)));
}

void refuse_baking_twice(const std::vector<StoredRecord>& records, bool again,
                         const std::string& name) {
  if (records.empty() || again) return;
  const BakeRecord& last = records.back().record;
  throw_bad_data(fmt::format(
      "{} holds a baked correction already ({}, target {}, strength {}); p2p unbake takes it out, "
      "--again adds another on top of it",
      io::quote(name), last.method, last.target, last.strength));
}

}  // namespace p2p::model
