#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "p2p/bake.hpp"

namespace p2p::model {

using Json = nlohmann::ordered_json;

/// Key under which a model's own metadata keep what was baked (docs/formats/baked.md).
inline constexpr const char* kRecordKey = "prior2posterior";

/// Longest record that is read: the original bias of a million classes, and some.
inline constexpr std::int64_t kLongestRecord = std::int64_t{64} << 20;

/// One correction in a model: what it was, and what the format needs to take it out again.
struct StoredRecord {
  BakeRecord record;
  Json undo;
};

/// JSON on one line: {"version": 1, "baked": [{...}, ...]}, oldest first.
std::string write_records(const std::vector<StoredRecord>& records);
/// Error{kBadData} naming what is wrong; `name` is the model, for messages.
std::vector<StoredRecord> parse_records(const std::string& text, const std::string& name);

/// The sentence for a record that does not say what it must.
[[noreturn]] void throw_damaged_record(const std::string& name, const std::string& what);

/// Error{kBadData} when there are records and `again` is false.
void refuse_baking_twice(const std::vector<StoredRecord>& records, bool again,
                         const std::string& name);

}  // namespace p2p::model
