#include "network/builder.hpp"

#include <utility>

namespace p2p::network {

Builder::Builder(const NetworkConfig& config) {
  network_.config = config;
  const int images = append(Op::kInput, "images", {}, config.channels);
  append(Op::kNormalize, "normalize", {images}, config.channels);
}

int Builder::append(Op op, const std::string& name, std::vector<int> inputs,
                    std::int64_t channels) {
  Node node;
  node.op = op;
  node.name = name;
  node.inputs = std::move(inputs);
  node.channels = channels;
  network_.nodes.push_back(std::move(node));
  return last();
}

void Builder::own(int node, Parameter parameter) {
  Node& owner = network_.nodes[static_cast<std::size_t>(node)];
  parameter.name = owner.name + "." + parameter.name;
  owner.parameters.push_back(static_cast<int>(network_.parameters.size()));
  network_.parameters.push_back(std::move(parameter));
}

std::int64_t Builder::channels(int node) const {
  return network_.nodes[static_cast<std::size_t>(node)].channels;
}

int Builder::convolution(const std::string& name, int from, std::int64_t channels, int kernel,
                         int stride) {
  const int made = append(Op::kConvolution, name, {from}, channels);
  Node& node = network_.nodes.back();
  node.kernel = kernel;
  node.stride = stride;
  node.padding = (kernel - 1) / 2;
  own(made, {"weight",
             {channels, this->channels(from), kernel, kernel},
             Start::kHe,
             channels * kernel * kernel});
  return made;
}

int Builder::batch_norm(const std::string& name, int from) {
  const std::int64_t width = channels(from);
  const int made = append(Op::kBatchNorm, name, {from}, width);
  own(made, {"weight", {width}, Start::kOnes, 1, true, false});
  own(made, {"bias", {width}, Start::kZeros, 1, true, false});
  own(made, {"running_mean", {width}, Start::kZeros, 1, false, false});
  own(made, {"running_var", {width}, Start::kOnes, 1, false, false});
  return made;
}

int Builder::relu(const std::string& name, int from) {
  return append(Op::kRelu, name, {from}, channels(from));
}

int Builder::add(const std::string& name, int left, int right) {
  return append(Op::kAdd, name, {left, right}, channels(left));
}

int Builder::shortcut(const std::string& name, int from, std::int64_t channels, int stride) {
  const int made = append(Op::kShortcut, name, {from}, channels);
  network_.nodes.back().stride = stride;
  return made;
}

int Builder::max_pool(const std::string& name, int from, int kernel, int stride) {
  const int made = append(Op::kMaxPool, name, {from}, channels(from));
  Node& node = network_.nodes.back();
  node.kernel = kernel;
  node.stride = stride;
  node.padding = (kernel - 1) / 2;
  return made;
}

int Builder::mean(const std::string& name, int from) {
  return append(Op::kMean, name, {from}, channels(from));
}

int Builder::flatten(const std::string& name, int from, std::int64_t width) {
  return append(Op::kFlatten, name, {from}, width);
}

int Builder::linear(const std::string& name, int from, std::int64_t width) {
  const std::int64_t in = channels(from);
  const int made = append(Op::kLinear, name, {from}, width);
  own(made, {"weight", {width, in}, Start::kUniform, in});
  own(made, {"bias", {width}, Start::kUniform, in, true, false});
  return made;
}

Network Builder::finish(int features) {
  network_.features = features;
  const std::int64_t classes = network_.config.classes;
  if (network_.config.cosine_head) {
    const std::int64_t in = channels(features);
    own(append(Op::kCosine, "fc", {features}, classes),
        {"weight", {classes, in}, Start::kUniform, in});
  } else {
    linear("fc", features, classes);
  }
  return std::move(network_);
}

}  // namespace p2p::network
