#pragma once

#include <memory>

#include "io/spec.hpp"
#include "p2p/open.hpp"
#include "p2p/row_source.hpp"

namespace p2p::io {

/// Rows of a .csv or .tsv file as float64, in order, as often as wanted. Columns are separated by
/// tabs, else semicolons, else commas, whichever the first line holds. The first line names the
/// classes when one of its fields is no number, when it has all numbers in quotes above rows that
/// have not, when it counts 0, 1, 2, ... as pandas does, or when it holds distinct integers above
/// rows that are not integers; a guess is warned of, and 0,1 above probabilities alone is an Error.
/// So is a column that is no class (extra_columns.hpp) and not skipped. Opening reads the file once
/// to count its rows.
std::unique_ptr<RowSource> make_csv_source(const Spec& spec, const OpenOptions& options);

}  // namespace p2p::io
