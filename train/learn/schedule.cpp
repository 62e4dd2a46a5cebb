#include "learn/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "p2p/error.hpp"

namespace p2p::learn {
namespace {

constexpr double kRise = 0.3;  // share of the steps of onecycle

// From `a` to `b` along half a cosine.
double ease(double a, double b, double share) {
  return b + (a - b) * (1 + std::cos(std::numbers::pi * share)) / 2;
}

}  // namespace

Schedule parse_schedule(std::string_view name) {
  if (name == "step") return Schedule::kStep;
  if (name == "cosine") return Schedule::kCosine;
  if (name == "onecycle") return Schedule::kOneCycle;
  throw_usage(fmt::format("--schedule '{}' is not step, cosine or onecycle", name));
}

double learning_rate_at(Schedule schedule, double highest, std::int64_t step, std::int64_t steps,
                        int epochs) {
  const double share = static_cast<double>(step) / static_cast<double>(steps);
  switch (schedule) {
    case Schedule::kCosine:
      return ease(highest, 0, share);
    case Schedule::kOneCycle: {
      if (share < kRise) return ease(highest / 25, highest, share / kRise);
      return ease(highest, highest / 250'000, (share - kRise) / (1 - kRise));
    }
    case Schedule::kStep:
      break;
  }
  const double warm_up = std::min(5.0, epochs / 10.0) / epochs;
  if (share < warm_up) {
    return highest * static_cast<double>(step + 1) / (warm_up * static_cast<double>(steps) + 1);
  }
  if (share >= 0.9) return highest / 10'000;
  return share >= 0.8 ? highest / 100 : highest;
}

double momentum_at(Schedule schedule, double momentum, std::int64_t step, std::int64_t steps) {
  if (schedule != Schedule::kOneCycle) return momentum;
  const double most = std::clamp(momentum + 0.05, 0.0, 0.99);
  const double least = std::clamp(momentum - 0.05, 0.0, 0.99);
  const double share = static_cast<double>(step) / static_cast<double>(steps);
  if (share < kRise) return ease(most, least, share / kRise);
  return ease(least, most, (share - kRise) / (1 - kRise));
}

}  // namespace p2p::learn
