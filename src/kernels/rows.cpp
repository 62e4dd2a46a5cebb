#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/hwy_targets.hpp"
#include "kernels/portable_math.hpp"
#include "kernels/reference.hpp"
#include "kernels/simd.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rows.cpp"
#include "hwy/foreach_target.h"
// foreach_target.h must come before the headers that are compiled once per target.
#include "hwy/highway.h"
#include "kernels/columns64-inl.h"
#include "kernels/row64-inl.h"

HWY_BEFORE_NAMESPACE();
namespace p2p::kernels::simd::HWY_NAMESPACE {

#if !P2P_VECTOR_TARGET
int64_t SoftmaxRows(const void* scores, DType dtype, int64_t rows, int64_t classes,
                    const SoftmaxParams& params, bool log_out, double* out, const RowFacts& facts) {
  return reference::softmax_rows(scores, dtype, rows, classes, params, log_out, out, facts);
}
int64_t ArgmaxRows(const void* scores, DType dtype, int64_t rows, int64_t classes,
                   const SoftmaxParams& params, int64_t* labels, const RowFacts& facts) {
  return reference::argmax_rows(scores, dtype, rows, classes, params, labels, facts);
}
#else

template <bool kLogOut, class T>
HWY_NOINLINE int64_t SoftmaxColumns(const T* scores, int64_t rows, int64_t classes,
                                    const SoftmaxParams& params, double* out,
                                    const RowFacts& facts) {
  const D64 d;
  return ForEachGroup(scores, rows, classes, [&](Columns<T>& columns, int64_t i) HWY_ATTR {
    const Inspection found = columns.Exponents(params, [](int64_t, V64, V64) HWY_ATTR {});
    const int64_t refused = columns.Finish(found, params.probabilities, i, facts);
    if (refused >= 0) return refused;
    V64 total = hn::Zero(d);
    for (int64_t c = 0; c < classes; ++c) {
      const V64 e = Exp(d, hn::Sub(hn::Load(d, columns.Column(c)), found.largest));
      total = hn::Add(total, e);
      if constexpr (!kLogOut) hn::Store(e, d, columns.Column(c));
    }
    double* place = out + i * classes;
    if constexpr (kLogOut) {
      const V64 log_total = hn::Log(d, total);
      columns.Store([&](V64 x) HWY_ATTR { return hn::Sub(hn::Sub(x, found.largest), log_total); },
                    place);
    } else {
      const V64 factor = hn::Div(hn::Set(d, 1.0), total);
      columns.Store([&](V64 e) HWY_ATTR { return hn::Mul(e, factor); }, place);
    }
    return refused;
  });
}

template <class T>
HWY_NOINLINE int64_t ArgmaxColumns(const T* scores, int64_t rows, int64_t classes,
                                   const SoftmaxParams& params, int64_t* labels,
                                   const RowFacts& facts) {
  const hn::RebindToSigned<D64> di;
  return ForEachGroup(scores, rows, classes, [&](Columns<T>& columns, int64_t i) HWY_ATTR {
    auto label = hn::Zero(di);
    const Inspection found =
        columns.Exponents(params, [&](int64_t c, V64 x, V64 largest) HWY_ATTR {
          const auto larger = hn::RebindMask(di, hn::Gt(x, largest));
          label = hn::IfThenElse(larger, hn::Set(di, c), label);
        });
    int64_t found_labels[kLanes64];
    hn::StoreU(label, di, found_labels);
    std::copy_n(found_labels, std::min(kLanes64, rows - i), labels + i);
    return columns.Finish(found, params.probabilities, i, facts);
  });
}

template <class T>
HWY_NOINLINE int64_t SoftmaxRowsOfType(const T* scores, int64_t rows, int64_t classes,
                                       const SoftmaxParams& params, bool log_out, double* out,
                                       const RowFacts& facts) {
  if (classes <= kColumnClasses) {
    return log_out ? SoftmaxColumns<true>(scores, rows, classes, params, out, facts)
                   : SoftmaxColumns<false>(scores, rows, classes, params, out, facts);
  }
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < rows; ++i) {
    double* row = out + i * classes;
    double largest = 0.0;
    if (!ExponentsOfRow(scores + i * classes, classes, params, i, facts, row, &largest)) return i;
    const double total = log_out ? ExponentialsOfRow<false>(row, classes, largest)
                                 : ExponentialsOfRow<true>(row, classes, largest);
    const double log_total = portable_log(total);
    for (int64_t c = 0; c < classes; c += lanes) {
      const auto n = static_cast<size_t>(std::min(lanes, classes - c));
      const V64 v = LoadPartF64(d, row + c, n);
      const V64 result = log_out ? hn::Sub(hn::Sub(v, hn::Set(d, largest)), hn::Set(d, log_total))
                                 : hn::Div(v, hn::Set(d, total));
      StorePartF64(d, result, row + c, n);
    }
  }
  return -1;
}

template <class T>
HWY_NOINLINE int64_t ArgmaxOfType(const T* scores, int64_t rows, int64_t classes,
                                  const SoftmaxParams& params, int64_t* labels,
                                  const RowFacts& facts) {
  if (classes <= kColumnClasses) {
    return ArgmaxColumns(scores, rows, classes, params, labels, facts);
  }
  const D64 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < rows; ++i) {
    const T* row = scores + i * classes;
    Inspector64 inspector;
    for (int64_t c = 0; c < classes; c += lanes) {
      const auto n = static_cast<size_t>(std::min(lanes, classes - c));
      const V64 raw = LoadPartF64(d, row + c, n);
      inspector.Add(d, raw, Exponent(d, raw, params, c, n), n);
    }
    if (!inspector.Finish(d, params.probabilities, i, facts)) return i;
    const V64 largest = hn::Set(d, inspector.largest);
    for (int64_t c = 0; c < classes; c += lanes) {
      const auto n = static_cast<size_t>(std::min(lanes, classes - c));
      const V64 x = Exponent(d, LoadPartF64(d, row + c, n), params, c, n);
      const auto hit = hn::FindFirstTrue(d, hn::And(hn::FirstN(d, n), hn::Eq(x, largest)));
      if (hit >= 0) {
        labels[i] = c + static_cast<int64_t>(hit);
        break;
      }
    }
  }
  return -1;
}

int64_t SoftmaxRows(const void* scores, DType dtype, int64_t rows, int64_t classes,
                    const SoftmaxParams& params, bool log_out, double* out, const RowFacts& facts) {
  return visit_scores(scores, dtype, [&](const auto* s) {
    return SoftmaxRowsOfType(s, rows, classes, params, log_out, out, facts);
  });
}

int64_t ArgmaxRows(const void* scores, DType dtype, int64_t rows, int64_t classes,
                   const SoftmaxParams& params, int64_t* labels, const RowFacts& facts) {
  return visit_scores(scores, dtype, [&](const auto* s) {
    return ArgmaxOfType(s, rows, classes, params, labels, facts);
  });
}

#endif  // P2P_VECTOR_TARGET

}  // namespace p2p::kernels::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace p2p::kernels::simd {

HWY_EXPORT(SoftmaxRows);
HWY_EXPORT(ArgmaxRows);

std::int64_t softmax_rows(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                          const SoftmaxParams& params, bool log_out, double* out,
                          const RowFacts& facts) noexcept {
  return HWY_DYNAMIC_DISPATCH(SoftmaxRows)(scores, dtype, rows, classes, params, log_out, out,
                                           facts);
}

std::int64_t argmax_rows(const void* scores, DType dtype, std::int64_t rows, std::int64_t classes,
                         const SoftmaxParams& params, std::int64_t* labels,
                         const RowFacts& facts) noexcept {
  return HWY_DYNAMIC_DISPATCH(ArgmaxRows)(scores, dtype, rows, classes, params, labels, facts);
}

}  // namespace p2p::kernels::simd
#endif  // HWY_ONCE
