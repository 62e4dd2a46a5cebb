#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/array_sink.hpp"
#include "p2p/open.hpp"

/// One output format each; create_sink chooses.
namespace p2p::io {

/// Header of format version 1.0 as numpy.save writes it: padded with spaces so that the array
/// starts at a multiple of 64 bytes. bf16 has no name there: a bug.
std::string npy_header(DType dtype, const std::vector<std::int64_t>& shape);

ArrayFrame npy_frame(const SinkSpec& spec);
ArrayFrame npz_frame(const SinkSpec& spec);
ArrayFrame safetensors_frame(const SinkSpec& spec);
std::unique_ptr<RowSink> make_csv_sink(const std::string& path, const SinkSpec& spec);

}  // namespace p2p::io
