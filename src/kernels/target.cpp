#include "kernels/target.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

#include "kernels/hwy_targets.hpp"
#include "kernels/kernels.hpp"
#include "p2p/error.hpp"

// Highway's headers come last: they read HWY_DISABLED_TARGETS.
#include "hwy/highway.h"

namespace p2p::kernels {
namespace {

std::atomic<bool> scalar_forced{false};

/// What the processor has, whatever was forced before.
std::vector<std::int64_t> supported_targets() {
  hwy::SetSupportedTargetsForTest(0);
  std::vector<std::int64_t> targets;
  const std::int64_t vectors = hwy::SupportedTargets() & HWY_TARGETS & ~(HWY_SCALAR | HWY_EMU128);
  for (std::int64_t bits = vectors; bits != 0; bits &= bits - 1) {
    targets.push_back(bits & -bits);
  }
  return targets;
}

void dispatch_to(std::int64_t target) {
  scalar_forced = false;
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace

bool use_scalar() noexcept { return scalar_forced.load(std::memory_order_relaxed); }

std::vector<std::string> available_targets() {
  std::vector<std::string> names;
  for (const std::int64_t target : supported_targets()) names.push_back(hwy::TargetName(target));
  names.push_back("scalar");
  return names;
}

const char* select_target() {
  const std::vector<std::int64_t> targets = supported_targets();
  const char* forced = std::getenv("P2P_FORCE_TARGET");
  const std::string fastest = targets.empty() ? "scalar" : hwy::TargetName(targets.front());
  const std::string name = forced == nullptr || *forced == '\0' ? fastest : forced;
  for (const std::int64_t target : targets) {
    if (name == hwy::TargetName(target)) {
      dispatch_to(target);
      return hwy::TargetName(target);
    }
  }
  if (name != "scalar") {
    throw_usage(
        fmt::format("P2P_FORCE_TARGET is '{}', which this processor or build does not have; "
                    "use one of: {}.",
                    name, fmt::join(available_targets(), ", ")));
  }
  scalar_forced = true;
  return "scalar";
}

}  // namespace p2p::kernels
