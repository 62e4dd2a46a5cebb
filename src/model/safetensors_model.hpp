#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/file.hpp"
#include "io/safetensors_header.hpp"
#include "model/edited_file.hpp"
#include "model/record.hpp"

namespace p2p::model {

/// A .safetensors file and what was baked into it.
struct SafetensorsModel {
  std::shared_ptr<const io::File> file;
  io::SafetensorsHeader header;
  std::vector<StoredRecord> records;

  [[nodiscard]] const std::string& path() const { return file->name(); }
};

SafetensorsModel open_safetensors(const std::string& path);

/// Writes the model with `header` for its header and with edits of its data.
void write_safetensors(const SafetensorsModel& model, const std::string& header,
                       std::vector<Edit> edits, const std::string& out);

}  // namespace p2p::model
