#include <array>

#include "network/builder.hpp"

/// Residual networks for 224 pixels, with the names of torchvision's state dicts.
namespace p2p::network {
namespace {

/// What comes in, fitted by a projection where its shape is another (option B).
int build_past(Builder& builder, const std::string& name, int from, std::int64_t channels,
               int stride) {
  if (stride == 1 && builder.channels(from) == channels) return from;
  const int at = builder.convolution(name + ".downsample.0", from, channels, 1, stride);
  return builder.batch_norm(name + ".downsample.1", at);
}

int build_sum(Builder& builder, const std::string& name, int made, int past) {
  return builder.relu(name + ".relu", builder.add(name + ".add", made, past));
}

int build_basic(Builder& builder, const std::string& name, int from, std::int64_t width,
                int stride) {
  int at = builder.convolution(name + ".conv1", from, width, 3, stride);
  at = builder.relu(name + ".relu1", builder.batch_norm(name + ".bn1", at));
  at = builder.convolution(name + ".conv2", at, width, 3, 1);
  at = builder.batch_norm(name + ".bn2", at);
  return build_sum(builder, name, at, build_past(builder, name, from, width, stride));
}

int build_bottleneck(Builder& builder, const std::string& name, int from, std::int64_t width,
                     int stride) {
  constexpr std::int64_t kExpansion = 4;
  int at = builder.convolution(name + ".conv1", from, width, 1, 1);
  at = builder.relu(name + ".relu1", builder.batch_norm(name + ".bn1", at));
  at = builder.convolution(name + ".conv2", at, width, 3, stride);
  at = builder.relu(name + ".relu2", builder.batch_norm(name + ".bn2", at));
  at = builder.convolution(name + ".conv3", at, kExpansion * width, 1, 1);
  at = builder.batch_norm(name + ".bn3", at);
  return build_sum(builder, name, at, build_past(builder, name, from, kExpansion * width, stride));
}

template <class Block>
int build_resnet(Builder& builder, const std::array<int, 4>& blocks, const Block& block) {
  int at = builder.convolution("conv1", builder.last(), 64, 7, 2);
  at = builder.relu("relu", builder.batch_norm("bn1", at));
  at = builder.max_pool("maxpool", at, 3, 2);
  for (int stage = 0; stage < 4; ++stage) {
    for (int i = 0; i < blocks[static_cast<std::size_t>(stage)]; ++i) {
      const std::string name = "layer" + std::to_string(stage + 1) + "." + std::to_string(i);
      at = block(builder, name, at, std::int64_t{64} << stage, stage > 0 && i == 0 ? 2 : 1);
    }
  }
  return builder.mean("avgpool", at);
}

}  // namespace

int build_resnet18(Builder& builder) { return build_resnet(builder, {2, 2, 2, 2}, build_basic); }
int build_resnet50(Builder& builder) {
  return build_resnet(builder, {3, 4, 6, 3}, build_bottleneck);
}

}  // namespace p2p::network
