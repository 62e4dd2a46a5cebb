#pragma once

#include <vector>

namespace p2p {

/// The fewest classes that a line and a variance can be learned from.
inline constexpr int kLeastPooled = 4;

/// Effective prior of few rows, drawn towards a power of the class frequencies:
///
///     log q_c = a + s log pi_c + u_c + e_c,   u_c ~ N(0, v),   e_c ~ N(0, error_c^2)
///
/// Result: exp(m_c + v / (v + error_c^2) (log q_c - m_c)) on the line m = a + s log pi, the
/// posterior mean of log q; m_c alone where error_c is NaN. v is the most likely of
/// exp(-16 + k / 10), k = 0 .. 200, by the restricted marginal likelihood, a and s its generalised
/// least squares. O(C) for each v. `q`, `error` (of log q) and `frequencies` have one entry a
/// class, frequencies > 0; error NaN or q 0: the class was not measured. Needs kLeastPooled
/// measured classes of two frequencies. Ref: empirical Bayes, Efron and Morris 1975; REML,
/// Patterson and Thompson 1971.
std::vector<double> pooled(const std::vector<double>& q, const std::vector<double>& error,
                           const std::vector<double>& frequencies);

}  // namespace p2p
