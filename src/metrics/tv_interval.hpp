#pragma once

#include "p2p/class_prior.hpp"
#include "p2p/metrics.hpp"

namespace p2p {

/// 95 % interval of the total variation between q and pi of the rows' distribution; `tv` is the
/// measured one, which sampling noise makes larger. It holds for any way in which the two differ:
///   low:  noise adds at most the distance that it makes where q = pi, so
///         low = tv - A m(0) - z_low B s(0);
///   high: noise adds least where every class is off by the same k standard errors, so
///         high = k A with A m(k) - z_high B s(k) = tv,
/// A = 1/2 sum se_c; B^2 = 1/4 sum (se_c^2 / max(1/2, 1 - share_c)), share_c = se_c^2 / sum se^2 (q
/// sums to 1, so its errors are negatively correlated); m(k) and s(k) mean and standard deviation
/// of |k + e|, e standard normal. z leaves 3.5 % below and 1.5 % above; z_low is corrected for the
/// skewness of |e|. se_c^2 is the squared standard error of q_c and what too few rows cannot show,
/// F/2 pi_c / (N (1 + N pi_c)), F the ratio of the squared errors to those of one-hot rows. Fewer
/// than two rows: [0, 1]. Counts must be known. O(C).
Interval tv_interval(const ClassPrior& prior, double tv);

}  // namespace p2p
