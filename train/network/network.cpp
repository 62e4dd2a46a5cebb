#include "network/network.hpp"

#include <array>
#include <functional>
#include <numeric>

#include "network/builder.hpp"
#include "network/config_check.hpp"
#include "p2p/error.hpp"

namespace p2p::network {
namespace {

struct Known {
  std::string_view name;
  int (*build)(Builder&, const NetworkConfig&);
};

template <int Blocks>
int cifar_resnet(Builder& builder, const NetworkConfig& /*config*/) {
  return build_cifar_resnet(builder, Blocks);
}

constexpr std::array kKnown = {
    Known{"resnet20", cifar_resnet<3>},
    Known{"resnet32", cifar_resnet<5>},
    Known{"resnet44", cifar_resnet<7>},
    Known{"resnet18", [](Builder& b, const NetworkConfig&) { return build_resnet18(b); }},
    Known{"resnet50", [](Builder& b, const NetworkConfig&) { return build_resnet50(b); }},
    Known{"mlp", build_mlp}};

}  // namespace

std::int64_t Parameter::size() const {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::int64_t Network::trained_numbers() const {
  std::int64_t numbers = 0;
  for (const Parameter& parameter : parameters) {
    if (parameter.trained) numbers += parameter.size();
  }
  return numbers;
}

const std::vector<std::string_view>& network_names() {
  static const auto names = [] {
    std::vector<std::string_view> list;
    list.reserve(kKnown.size());
    for (const Known& known : kKnown) list.push_back(known.name);
    return list;
  }();
  return names;
}

Network make_network(const NetworkConfig& config) {
  if (const std::string problem = config_problem(config); !problem.empty()) {
    throw_usage("no network can be made: " + problem);
  }
  Builder builder(config);
  for (const Known& known : kKnown) {
    if (known.name == config.name) return builder.finish(known.build(builder, config));
  }
  throw_usage("no network is called " + config.name);
}

}  // namespace p2p::network
