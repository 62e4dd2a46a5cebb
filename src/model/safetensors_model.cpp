#include "model/safetensors_model.hpp"

#include <utility>

namespace p2p::model {

SafetensorsModel open_safetensors(const std::string& path) {
  SafetensorsModel model;
  model.file = io::File::open(path);
  model.header = io::read_safetensors_header(*model.file);
  const auto record = model.header.metadata.find(kRecordKey);
  if (record != model.header.metadata.end()) model.records = parse_records(record->second, path);
  return model;
}

void write_safetensors(const SafetensorsModel& model, const std::string& header,
                       std::vector<Edit> edits, const std::string& out) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xFFU);
  edits.push_back({0, model.header.data_begin(), bytes + header});
  write_edited(*model.file, std::move(edits), out);
}

}  // namespace p2p::model
