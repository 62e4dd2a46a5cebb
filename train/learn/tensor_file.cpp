#include "learn/tensor_file.hpp"

#include <ATen/ATen.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

#include "io/atomic_file.hpp"
#include "io/file.hpp"
#include "io/safetensors_header.hpp"
#include "p2p/error.hpp"

namespace p2p::learn {
namespace {

std::optional<at::ScalarType> float_type(io::Element element) {
  switch (element) {
    case io::Element::kF16:
      return at::kHalf;
    case io::Element::kBF16:
      return at::kBFloat16;
    case io::Element::kF32:
      return at::kFloat;
    case io::Element::kF64:
      return at::kDouble;
    default:
      return std::nullopt;
  }
}

}  // namespace

const at::Tensor* TensorFile::find(const std::string& name) const {
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name == name) return &tensor.value;
  }
  return nullptr;
}

void write_tensors(const std::string& path, const TensorFile& file) {
  nlohmann::ordered_json header;
  if (!file.texts.empty()) header["__metadata__"] = file.texts;
  std::int64_t end = 0;
  for (const NamedTensor& tensor : file.tensors) {
    const std::int64_t begin = end;
    end += tensor.value.numel() * static_cast<std::int64_t>(sizeof(float));
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.value.sizes().vec()}, {"data_offsets", {begin, end}}};
  }
  const std::string start = io::safetensors_start(header.dump());
  io::AtomicFile out(path);
  auto position = static_cast<std::int64_t>(start.size());
  out.reserve(position + end);
  out.write_at(0, start.data(), position);
  for (const NamedTensor& tensor : file.tensors) {
    const at::Tensor values = tensor.value.detach().to(at::kCPU, at::kFloat).contiguous();
    const std::int64_t bytes = values.numel() * static_cast<std::int64_t>(sizeof(float));
    out.write_at(position, values.data_ptr<float>(), bytes);
    position += bytes;
  }
  out.commit();
}

TensorFile read_tensors(const std::string& path) {
  const auto file = io::File::open(path);
  io::SafetensorsHeader header = io::read_safetensors_header(*file);
  TensorFile result;
  for (const io::Tensor& tensor : header.tensors) {
    const std::optional<at::ScalarType> type = float_type(tensor.info.element);
    if (!type) continue;
    at::Tensor values = at::empty(tensor.info.shape, *type);
    file->read(tensor.offset, values.data_ptr(),
               values.numel() * static_cast<std::int64_t>(values.element_size()));
    result.tensors.push_back({tensor.name, values.to(at::kFloat)});
  }
  result.texts = std::move(header.metadata);
  return result;
}

}  // namespace p2p::learn
