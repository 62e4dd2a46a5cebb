#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "module_file.hpp"

namespace p2p::script {

/// Writes the elements of `tensors` to `out`, one tensor after the other. Then reads an edit from
/// `in`, one line of JSON and the bytes that it announces, in its order:
/// { "tensors": [{"name": "fc.bias", "bytes": 40}],       new elements for a tensor
///   "extra": [{"name": "notes.txt", "bytes": 123}],      extra files to put in
///   "drop": ["old.txt"] }                                extra files to take out
/// and writes the edited archive to `out`. An input that ends before the edit asks for nothing
/// more. Error{kBadData}: a tensor that does not exist, or has another size.
void edit_module(ModuleFile& file, const std::vector<std::string>& tensors, std::istream& in,
                 std::ostream& out);

}  // namespace p2p::script
