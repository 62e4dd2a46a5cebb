#pragma once

#include <string>

#include "p2p/bake.hpp"

namespace p2p::model {

/// Two models that are compared.
struct ProvenModels {
  std::string before;
  std::string after;
  std::string out;  ///< what `after` is going to be called
};

/// Runs both models over the same inputs and compares the scores of the second with `correct`
/// applied to those of the first; where the options name the value that holds the logits
/// (`is_named`), the outputs that it changes as well (prove_outputs). Copies that show values
/// inside the graph, where the outputs alone do not, are made beside `out` and removed. Error as
/// run_model, which names no temporary file; {kUsage}: a format that cannot be run.
Verification prove(const ProvenModels& models, const ScoreHead& head, bool is_named,
                   const LogOffset& offset, const VerifyOptions& options);

}  // namespace p2p::model
