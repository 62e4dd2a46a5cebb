#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "p2p/class_prior.hpp"
#include "p2p/correction.hpp"
#include "p2p/inspect.hpp"
#include "p2p/metrics.hpp"
#include "p2p/moved_inputs.hpp"
#include "p2p/select.hpp"

/// Value structs as JSON objects, keys in a fixed order; what is not finite becomes null.
namespace p2p::report {

using Json = nlohmann::ordered_json;

Json metrics_json(const Metrics& metrics);
Json inspection_json(const ClassPrior& prior, const PriorInspection& inspection,
                     const std::optional<Balance>& balance);
Json moved_inputs_json(const MovedInputs& inputs);
/// Facts of a prior that the verbs making one print.
Json prior_json(const ClassPrior& prior, const std::string& output);
Json offset_json(const LogOffset& offset);
/// The offset and how it was found.
Json correction_json(const Correction& correction);
Json selection_json(const Selection& selection);

/// Name of class c, or its number.
std::string class_label(const ClassPrior& prior, std::int64_t c);

}  // namespace p2p::report
