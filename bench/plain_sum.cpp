#include "plain_sum.hpp"

#include "kernels/hwy_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/plain_sum.cpp"
#include "hwy/foreach_target.h"
// foreach_target.h must come before the headers that are compiled once per target.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace p2p::bench::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

uint32_t PlainSum(const uint32_t* values, int64_t words) {
  const hn::ScalableTag<uint32_t> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto a0 = hn::Zero(d), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
  for (int64_t i = 0; i + 8 * lanes <= words; i += 8 * lanes) {
    a0 = hn::Add(a0, hn::LoadU(d, values + i));
    a1 = hn::Add(a1, hn::LoadU(d, values + i + lanes));
    a2 = hn::Add(a2, hn::LoadU(d, values + i + 2 * lanes));
    a3 = hn::Add(a3, hn::LoadU(d, values + i + 3 * lanes));
    a4 = hn::Add(a4, hn::LoadU(d, values + i + 4 * lanes));
    a5 = hn::Add(a5, hn::LoadU(d, values + i + 5 * lanes));
    a6 = hn::Add(a6, hn::LoadU(d, values + i + 6 * lanes));
    a7 = hn::Add(a7, hn::LoadU(d, values + i + 7 * lanes));
  }
  const auto even = hn::Add(hn::Add(a0, a2), hn::Add(a4, a6));
  const auto odd = hn::Add(hn::Add(a1, a3), hn::Add(a5, a7));
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
}

}  // namespace p2p::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace p2p::bench {

HWY_EXPORT(PlainSum);

std::uint32_t plain_sum(const std::uint32_t* values, std::int64_t words) {
  return HWY_DYNAMIC_DISPATCH(PlainSum)(values, words);
}

}  // namespace p2p::bench
#endif  // HWY_ONCE
