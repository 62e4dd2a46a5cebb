#pragma once

#include <memory>
#include <optional>

#include "io/spec.hpp"
#include "p2p/row_source.hpp"

namespace p2p::io {

/// Rows of a .csv or .tsv file as float64, in order, as often as wanted. Columns are separated by
/// tabs, else semicolons, else commas, whichever the first line holds. The first line names the
/// classes when one of its fields is no number, or when it counts 0, 1, 2, ... as pandas does.
/// Opening reads the file once to count its rows.
std::unique_ptr<RowSource> make_csv_source(const Spec& spec, std::optional<int> class_axis);

}  // namespace p2p::io
