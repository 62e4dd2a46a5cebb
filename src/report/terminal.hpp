#pragma once

#include <optional>
#include <string>

#include "p2p/class_prior.hpp"
#include "p2p/inspect.hpp"
#include "p2p/metrics.hpp"
#include "p2p/moved_inputs.hpp"

/// The same value structs as plain text for people; lines end with a newline, no colour.
namespace p2p::report {

std::string metrics_text(const Metrics& metrics);
std::string inspection_text(const ClassPrior& prior, const PriorInspection& inspection,
                            const std::optional<Balance>& balance);
std::string moved_inputs_text(const ClassPrior& prior, const MovedInputs& inputs);

}  // namespace p2p::report
