#pragma once

#include <cstdint>
#include <string>

namespace p2p::model {

struct OnnxModel;
struct OnnxTensor;

/// Every file that the model keeps weights in lies in its folder, is there and is long enough.
/// Error{kBadData} otherwise; absolute names, "..", links that lead out of the folder and files
/// with several names (hard links) are refused. What is judged is the opened file. One look at
/// each.
void check_external_data(const OnnxModel& model);

/// The bytes of a tensor that lie in another file. Error when there are more than `most`.
std::string external_bytes(const OnnxModel& model, const OnnxTensor& tensor, std::int64_t most);

/// Data files are shared by name: a model written to `out` looks for them in its own folder. Error
/// naming the first that is not there, with the command that copies it.
void require_external_data_beside(const OnnxModel& model, const std::string& out);

}  // namespace p2p::model
