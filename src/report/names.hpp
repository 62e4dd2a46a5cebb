#pragma once

#include <string_view>

#include "p2p/inspect.hpp"
#include "p2p/moved_inputs.hpp"
#include "p2p/select.hpp"

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

constexpr std::string_view verdict_name(InputsVerdict verdict) {
  switch (verdict) {
    case InputsVerdict::kInputsMoved:
      return "inputs-moved";
    case InputsVerdict::kLabelShiftExplains:
      return "label-shift-explains";
    case InputsVerdict::kUnknown:
      break;
  }
  return "unknown";
}

constexpr std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kCorrect:
      return "correct";
    case Verdict::kLeaveAlone:
      return "leave-alone";
    case Verdict::kTooFewRows:
      break;
  }
  return "too-few-rows";
}

}  // namespace p2p::report
