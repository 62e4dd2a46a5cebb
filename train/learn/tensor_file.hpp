#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

namespace p2p::learn {

struct NamedTensor {
  std::string name;
  at::Tensor value;
};

/// A .safetensors file: tensors by name and texts by name.
struct TensorFile {
  std::vector<NamedTensor> tensors;
  std::map<std::string, std::string> texts;
  /// Null when there is none of this name.
  [[nodiscard]] const at::Tensor* find(const std::string& name) const;
};

/// Writes float32 tensors of any device, row-major. Nothing is left on failure.
void write_tensors(const std::string& path, const TensorFile& file);

/// Tensors of floats, as float32; others are passed over. Error{kBadData}: no such file.
TensorFile read_tensors(const std::string& path);

}  // namespace p2p::learn
