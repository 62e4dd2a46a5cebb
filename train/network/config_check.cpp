#include "network/config_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "io/text.hpp"

namespace p2p::network {
namespace {

std::int64_t least_pixels(const NetworkConfig& config) {
  return config.name == "resnet18" || config.name == "resnet50" ? 32 : 8;
}

/// One finite number a channel.
std::string moment_problem(const NetworkConfig& config, const std::vector<float>& values,
                           std::string_view what) {
  if (std::ssize(values) != config.channels) {
    return fmt::format("{} {} values for images of {} channels; give one for each channel",
                       values.size(), what, config.channels);
  }
  const auto bad = std::ranges::find_if_not(values, [](float v) { return std::isfinite(v); });
  if (bad == values.end()) return "";
  return fmt::format("a {} of {} for channel {}; expected a finite number", what, *bad,
                     bad - values.begin());
}

}  // namespace

std::string config_problem(const NetworkConfig& config) {
  const auto& known = network_names();
  if (std::ranges::find(known, config.name) == known.end()) {
    const std::vector<std::string> names(known.begin(), known.end());
    return fmt::format("{} is no network known here; choose one of {}", io::quote(config.name),
                       io::list_text(names));
  }
  if (config.channels != 1 && config.channels != 3) {
    return fmt::format("images of {} channels; expected 1 (grey) or 3 (colour)", config.channels);
  }
  const std::int64_t least = least_pixels(config);
  if (std::min(config.height, config.width) < least ||
      std::max(config.height, config.width) > kMostPixels) {
    return fmt::format("images of {} x {} pixels; {} takes from {} to {} a side: scale them",
                       config.height, config.width, config.name, least, kMostPixels);
  }
  if (config.classes < 2 || config.classes > kMostClasses) {
    return fmt::format("{} classes; expected from 2 to {}", config.classes, kMostClasses);
  }
  if (auto problem = moment_problem(config, config.mean, "mean"); !problem.empty()) {
    return problem;
  }
  if (auto problem = moment_problem(config, config.deviation, "deviation"); !problem.empty()) {
    return problem;
  }
  const auto bad = std::ranges::find_if(config.deviation, [](float v) { return v <= 0; });
  if (bad == config.deviation.end()) return "";
  return fmt::format("a deviation of {} for channel {}; expected more than 0", *bad,
                     bad - config.deviation.begin());
}

}  // namespace p2p::network
