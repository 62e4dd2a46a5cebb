#pragma once

#include <string_view>

#include "p2p/inspect.hpp"

namespace p2p::report {

constexpr std::string_view verdict_name(GapVerdict verdict) {
  switch (verdict) {
    case GapVerdict::kNoGap:
      return "no-gap";
    case GapVerdict::kGap:
      return "gap";
    case GapVerdict::kUnknown:
      break;
  }
  return "unknown";
}

constexpr std::string_view verdict_name(BalanceVerdict verdict) {
  switch (verdict) {
    case BalanceVerdict::kBalanced:
      return "balanced";
    case BalanceVerdict::kHeadBiased:
      return "head-biased";
    case BalanceVerdict::kOverCorrected:
      return "over-corrected";
    case BalanceVerdict::kUnknown:
      break;
  }
  return "unknown";
}

}  // namespace p2p::report
