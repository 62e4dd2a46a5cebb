#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/record.hpp"
#include "p2p/bake.hpp"

/// What each model format can do; bake.cpp chooses among them. The contract of each function is
/// that of its namesake in p2p/bake.hpp. `out` is a hidden name in the folder of the output,
/// written completely or not at all.
namespace p2p::model {

/// What was done: where, the completed record, and the rounding.
struct Baked {
  ScoreHead head;
  BakeRecord record;
  double rounding = 0;
};

ScoreHead find_onnx_scores(const std::string& path, std::int64_t n_classes,
                           const BakeOptions& options);
std::vector<StoredRecord> onnx_records(const std::string& path);
/// Error when `out` is no place for this model: its data files are not there, or it is one of them.
void check_onnx_output(const std::string& path, const std::string& out);
Baked bake_onnx(const std::string& path, const LogOffset& offset, const BakeRecord& record,
                const BakeOptions& options, const std::string& out);
void unbake_onnx(const std::string& path, const std::string& out);

ScoreHead find_safetensors_scores(const std::string& path, std::int64_t n_classes,
                                  const BakeOptions& options);
std::vector<StoredRecord> safetensors_records(const std::string& path);
Baked bake_safetensors(const std::string& path, const LogOffset& offset, const BakeRecord& record,
                       const BakeOptions& options, const std::string& out);
void unbake_safetensors(const std::string& path, const std::string& out);

ScoreHead find_torchscript_scores(const std::string& path, std::int64_t n_classes,
                                  const BakeOptions& options);
std::vector<StoredRecord> torchscript_records(const std::string& path);
Baked bake_torchscript(const std::string& path, const LogOffset& offset, const BakeRecord& record,
                       const BakeOptions& options, const std::string& out);
void unbake_torchscript(const std::string& path, const std::string& out);

}  // namespace p2p::model
