#pragma once

#include <string>

#include "p2p/bake.hpp"

namespace p2p::model {

/// Runs the model `before` and the model `after` over the same inputs and compares the scores of
/// the second with `correct` applied to those of the first. Copies that show values inside the
/// graph, where the outputs alone do not, are made beside `out` and removed. Error as run_model;
/// {kUsage}: a format that cannot be run.
Verification prove(const std::string& before, const std::string& after, const std::string& out,
                   const ScoreHead& head, const LogOffset& offset, const VerifyOptions& options);

}  // namespace p2p::model
