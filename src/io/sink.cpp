#include <fmt/format.h>

#include <cassert>

#include "io/output_target.hpp"
#include "io/sinks.hpp"
#include "p2p/error.hpp"

namespace p2p {
namespace {

using io::target_kind;
using io::TargetKind;

enum class Format { kNpy, kNpz, kSafetensors, kCsv };

Format output_format(const std::string& path) {
  if (path == "-") return Format::kNpy;
  if (has_ending(path, ".npy")) return Format::kNpy;
  if (has_ending(path, ".npz")) return Format::kNpz;
  if (has_ending(path, ".safetensors")) return Format::kSafetensors;
  if (has_ending(path, ".csv")) return Format::kCsv;
  if (target_kind(path) == TargetKind::kStream) return Format::kNpy;
  throw_usage(fmt::format(
      "the ending of the output '{}' says no format; use .npy, .npz, .safetensors or .csv, or '-' "
      "for .npy on standard output",
      path));
}

}  // namespace

std::unique_ptr<RowSink> create_sink(const std::string& path, const SinkSpec& spec) {
  const Format format = output_format(path);
  assert(spec.dtype != DType::kBF16 || format == Format::kSafetensors);
  if (format == Format::kCsv) return io::make_csv_sink(path, spec);
  io::ArrayFrame frame = format == Format::kNpy   ? io::npy_frame(spec)
                         : format == Format::kNpz ? io::npz_frame(spec)
                                                  : io::safetensors_frame(spec);
  if (target_kind(path) == TargetKind::kStream) {
    return io::make_array_stream_sink(path, spec, std::move(frame));
  }
  return io::make_array_file_sink(path, spec, std::move(frame));
}

DType sink_dtype(const std::string& path, DType dtype) {
  if (dtype != DType::kBF16) return dtype;
  return output_format(path) == Format::kSafetensors ? DType::kBF16 : DType::kF32;
}

}  // namespace p2p
