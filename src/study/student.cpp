#include "study/student.hpp"

#include <cassert>

namespace p2p::study {
namespace {

constexpr double kNormal9875 = 2.241402727604947;

}  // namespace

// Cornish-Fisher expansion around the normal quantile (Abramowitz and Stegun 26.7.5).
double student_quantile_of_two(double freedom) {
  assert(freedom >= 4);
  constexpr double z = kNormal9875;
  constexpr double z2 = z * z;
  constexpr double g1 = z * (z2 + 1) / 4;
  constexpr double g2 = z * ((5 * z2 + 16) * z2 + 3) / 96;
  constexpr double g3 = z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
  constexpr double g4 = z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160;
  const double x = 1 / freedom;
  return z + x * (g1 + x * (g2 + x * (g3 + x * g4)));
}

}  // namespace p2p::study
