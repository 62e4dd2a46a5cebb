#include "learn/model.hpp"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/variable.h>

#include <cmath>

#include "images/random.hpp"
#include "learn/shared_batch_norm.hpp"

namespace p2p::learn {
namespace {

using network::Node;
using network::Op;

constexpr double kBatchNormMomentum = 0.1;  // as PyTorch

at::Tensor start_values(const network::Parameter& parameter, images::Random& random) {
  at::Tensor values = at::zeros(parameter.shape, at::kFloat);
  const auto fan = static_cast<double>(parameter.fan);
  auto* numbers = values.data_ptr<float>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    switch (parameter.start) {
      case network::Start::kZeros:
        break;
      case network::Start::kOnes:
        numbers[i] = 1;
        break;
      case network::Start::kHe:
        numbers[i] = static_cast<float>(random.normal() * std::sqrt(2 / fan));
        break;
      case network::Start::kUniform:
        numbers[i] = static_cast<float>(random.uniform(-1, 1) / std::sqrt(fan));
        break;
    }
  }
  return values;
}

at::Tensor cosine(const at::Tensor& features, const at::Tensor& weight) {
  const auto unit = [](const at::Tensor& rows) {
    return rows / rows.norm(2, 1, true).clamp_min(1e-12);
  };
  return network::kCosineScale * at::linear(unit(features), unit(weight));
}

at::Tensor shortcut(const at::Tensor& x, const Node& node) {
  const std::int64_t missing = node.channels - x.size(1);
  at::Tensor thinned = x;
  if (node.stride > 1) {
    for (const std::int64_t axis : {2, 3})
      thinned = thinned.slice(axis, 0, x.size(axis), node.stride);
  }
  return at::constant_pad_nd(thinned, {0, 0, 0, 0, missing / 2, missing - missing / 2});
}

}  // namespace

Model::Model(network::Network network, std::optional<std::uint64_t> seed, at::Device device)
    : network_(std::move(network)), device_(device) {
  for (std::size_t i = 0; i < network_.parameters.size(); ++i) {
    const network::Parameter& parameter = network_.parameters[i];
    at::Tensor values = at::zeros(parameter.shape, at::kFloat);
    if (seed) {
      images::Random random{*seed, 0x7765696768747321, i};
      values = start_values(parameter, random);
    }
    values = values.to(device);
    if (values.dim() == 4) values = values.contiguous(at::MemoryFormat::ChannelsLast);
    if (parameter.trained) {
      values.set_requires_grad(true);
      trained_.push_back(values);
      decays_.push_back(parameter.decays);
    }
    parameters_.push_back(values);
  }
  uses_.resize(network_.nodes.size());
  for (const Node& node : network_.nodes) {
    for (const int input : node.inputs) ++uses_[static_cast<std::size_t>(input)];
  }
  ++uses_[static_cast<std::size_t>(network_.features)];
  const auto channels = static_cast<std::int64_t>(network_.config.mean.size());
  mean_ = at::tensor(network_.config.mean).view({1, channels, 1, 1}).to(device);
  deviation_ = at::tensor(network_.config.deviation).view({1, channels, 1, 1}).to(device);
}

void Model::set(std::size_t i, const at::Tensor& value) {
  const at::NoGradGuard no_gradients;
  parameters_[i].copy_(value);
}

at::Tensor to_unit_range(const at::Tensor& images) {
  return images.permute({0, 3, 1, 2}).to(at::kFloat).div_(255);
}

Scores Model::forward(const at::Tensor& images, const Forward& how) {
  std::vector<at::Tensor> made(network_.nodes.size());
  std::vector<int> left = uses_;  // of what was made, by nodes to come
  const auto compute = [&](const Node& node) -> at::Tensor {
    const auto input = [&](std::size_t i) -> at::Tensor& {
      return made[static_cast<std::size_t>(node.inputs[i])];
    };
    const auto is_free = [&](std::size_t i) {
      const auto from = static_cast<std::size_t>(node.inputs[i]);
      return left[from] == 1 && network_.nodes[from].op != Op::kInput;
    };
    const auto parameter = [&](std::size_t i) -> const at::Tensor& {
      return parameters_[static_cast<std::size_t>(node.parameters[i])];
    };
    const auto shorten = [&](const at::Tensor& x) { return how.bf16 ? x.to(at::kBFloat16) : x; };
    switch (node.op) {
      case Op::kInput:
        return images;
      case Op::kNormalize:
        return (input(0) - mean_).div_(deviation_);
      case Op::kConvolution:
        return at::conv2d(shorten(input(0)), shorten(parameter(0)), {}, node.stride, node.padding);
      case Op::kBatchNorm: {
        if (how.training && how.group != nullptr && how.group->size() > 1) {
          return shared_batch_norm(input(0).to(at::kFloat), parameter(0), parameter(1),
                                   parameter(2), parameter(3), kBatchNormMomentum,
                                   network::kBatchNormEpsilon, *how.group);
        }
        // A single value has no variance to move a running moment to.
        const bool single = how.training && input(0).numel() == input(0).size(1);
        return at::batch_norm(input(0), parameter(0), parameter(1),
                              single ? at::Tensor() : parameter(2),
                              single ? at::Tensor() : parameter(3), how.training,
                              kBatchNormMomentum, network::kBatchNormEpsilon, true);
      }
      // Nobody else sees what is overwritten, and no gradient needs it.
      case Op::kRelu:
        return is_free(0) ? at::relu_(input(0)) : at::relu(input(0));
      case Op::kAdd:
        return is_free(0) ? input(0).add_(input(1)) : input(0) + input(1);
      case Op::kShortcut:
        return shortcut(input(0), node);
      case Op::kMaxPool:
        return at::max_pool2d(input(0), {node.kernel, node.kernel}, {node.stride, node.stride},
                              {node.padding, node.padding});
      case Op::kMean:
        return input(0).mean({2, 3});
      case Op::kFlatten:
        return input(0).flatten(1);
      case Op::kLinear: {
        const bool head = &node == &network_.nodes.back();
        if (head) return at::linear(input(0).to(at::kFloat), parameter(0), parameter(1));
        return at::linear(shorten(input(0)), shorten(parameter(0)), shorten(parameter(1)));
      }
      case Op::kCosine:
        return cosine(input(0).to(at::kFloat), parameter(0));
    }
    return {};
  };
  for (std::size_t i = 0; i < network_.nodes.size(); ++i) {
    made[i] = compute(network_.nodes[i]);
    for (const int input : network_.nodes[i].inputs) {
      const auto from = static_cast<std::size_t>(input);
      if (--left[from] == 0) made[from].reset();
    }
  }
  return {made[static_cast<std::size_t>(network_.features)].to(at::kFloat), made.back()};
}

}  // namespace p2p::learn
