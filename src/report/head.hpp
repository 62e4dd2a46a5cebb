#pragma once

#include <string>
#include <vector>

#include "p2p/train_head.hpp"
#include "report/json.hpp"

namespace p2p::report {

Json head_json(const std::string& output, const std::string& method, const TrainedHead& trained);
/// The loss of the first and the last epoch, and one line for each class. `names` may be empty.
std::string head_text(const TrainedHead& trained, const std::vector<std::string>& names);

}  // namespace p2p::report
