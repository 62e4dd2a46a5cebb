#include "network/builder.hpp"

namespace p2p::network {
namespace {

constexpr std::int64_t kHidden = 512;

}  // namespace

int build_mlp(Builder& builder, const NetworkConfig& config) {
  int at =
      builder.flatten("flatten", builder.last(), config.channels * config.height * config.width);
  at = builder.relu("relu1", builder.linear("fc1", at, kHidden));
  return builder.relu("relu2", builder.linear("fc2", at, kHidden));
}

}  // namespace p2p::network
