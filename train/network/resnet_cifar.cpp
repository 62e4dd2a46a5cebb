#include "network/builder.hpp"

namespace p2p::network {
namespace {

int build_block(Builder& builder, const std::string& name, int from, std::int64_t channels,
                int stride) {
  int at = builder.convolution(name + ".conv1", from, channels, 3, stride);
  at = builder.relu(name + ".relu1", builder.batch_norm(name + ".bn1", at));
  at = builder.convolution(name + ".conv2", at, channels, 3, 1);
  at = builder.batch_norm(name + ".bn2", at);
  const bool same = stride == 1 && builder.channels(from) == channels;
  const int past = same ? from : builder.shortcut(name + ".shortcut", from, channels, stride);
  return builder.relu(name + ".relu2", builder.add(name + ".add", at, past));
}

}  // namespace

int build_cifar_resnet(Builder& builder, int blocks) {
  int at = builder.convolution("conv1", builder.last(), 16, 3, 1);
  at = builder.relu("relu", builder.batch_norm("bn1", at));
  for (int stage = 1; stage <= 3; ++stage) {
    for (int i = 0; i < blocks; ++i) {
      const std::string name = "layer" + std::to_string(stage) + "." + std::to_string(i);
      at = build_block(builder, name, at, std::int64_t{8} << stage, stage > 1 && i == 0 ? 2 : 1);
    }
  }
  return builder.mean("mean", at);
}

}  // namespace p2p::network
