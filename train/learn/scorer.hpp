#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>

#include "images/image_set.hpp"
#include "learn/model.hpp"

namespace p2p::learn {

/// What makes scores of images: a network with its weights, or somebody's model file.
class Scorer {
 public:
  virtual ~Scorer() = default;
  /// images float [N, channels, height, width] on device(). `features` may be undefined.
  virtual Scores score(const at::Tensor& images) = 0;
  [[nodiscard]] at::Device device() const { return device_; }
  /// Rows that it takes at once; 0: any number.
  [[nodiscard]] std::int64_t batch() const { return batch_; }

 protected:
  at::Device device_ = at::kCPU;
  std::int64_t batch_ = 0;
};

/// `model` outlives it; batch norm by its running moments.
std::unique_ptr<Scorer> network_scorer(Model& model, bool bf16);

/// A TorchScript file whose forward takes the images and returns a tensor. Error{kBadData} in
/// LibTorch's words.
std::unique_ptr<Scorer> torchscript_scorer(const std::string& path, at::Device device);

/// An ONNX file with one input [N, channels, height, width] of floats, for images of this shape;
/// the first output counts. Error{kUsage}: no ONNX Runtime, with what to install; {kBadData}:
/// another input.
std::unique_ptr<Scorer> onnx_scorer(const std::string& path, const images::ImageShape& shape,
                                    int threads);

}  // namespace p2p::learn
