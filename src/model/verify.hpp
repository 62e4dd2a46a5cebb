#pragma once

#include <cstdint>
#include <string>

#include "p2p/bake.hpp"
#include "p2p/correct.hpp"
#include "p2p/row_source.hpp"
#include "p2p/types.hpp"

namespace p2p::model {

/// The scores in a temporary .npy file, with the classes on `class_axis`, under a name that
/// messages can use.
ScoreSet open_rows(const std::string& path, const std::string& name, int class_axis);

/// Compares scores of a new model with `correct` applied, in float64, to those of the old one: .npy
/// files of floats for the same rows, both of `kind` (no labels), with the classes on `class_axis`.
/// Logits must agree in their constants too: x = scale * z / T + delta.
///   max_difference       max |new - expected| / max(1, |expected|); 0 where both are -inf,
///   infinite
///                        where one is
///   differing_decisions  rows whose largest new score is that of another class than the largest
///                        expected one, although these two lie farther apart than the tolerance
///                        (times max(1, |expected|); of probabilities times the larger one)
///   changed_decisions    rows whose largest expected score is of another class than the old one
/// Tolerance: options.tolerance, else the widest that one of the element types asks for: of the two
/// files, and `stored`, in which the model keeps the offset. One pass; memory O(C).
/// Error{kBadData}: NaN (with row and class), a row that `correct` refuses, files of different
/// shapes.
Verification verify_scores(const std::string& old_scores, const std::string& new_scores,
                           OutputKind kind, int class_axis, DType stored, const LogOffset& offset,
                           const VerifyOptions& options, const std::string& engine);

/// Differing decisions, as above, of a model that gives labels: .npy of integers, one for each row
/// of `old_scores`. Error{kBadData}: as above; another number of labels; no class.
std::int64_t count_differing_labels(const std::string& old_scores, const std::string& new_labels,
                                    OutputKind kind, int class_axis, DType stored,
                                    const LogOffset& offset, const VerifyOptions& options);

/// The default tolerance where numbers are rounded to `dtype`.
double default_tolerance(DType dtype);

}  // namespace p2p::model
