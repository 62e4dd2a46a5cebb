#pragma once

namespace p2p::study {

/// Quantile 1 - 0.05 / 4 of Student's t, so that two two-sided intervals of that level hold
/// together with 95 % or more (Bonferroni). `freedom` >= 4, infinite for the normal distribution;
/// relative error below 1e-3.
double student_quantile_of_two(double freedom);

}  // namespace p2p::study
