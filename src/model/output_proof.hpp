#pragma once

#include <string>
#include <vector>

#include "io/temporary_folder.hpp"
#include "model/proof.hpp"
#include "p2p/bake.hpp"

namespace p2p::model {

/// A value of an ONNX graph that a person named holds the logits only if the outputs that are made
/// from it and as wide as the classes are corrected by it: each must be what `correct` makes of the
/// old one, as the logits or probabilities that it is known for or looks like. The outputs that
/// are not as wide, which cannot be compared. Error{kBadData}: an output that is not the corrected
/// one; probabilities and an offset with a scale for each class.
std::vector<std::string> prove_outputs(const ProvenModels& models, const ScoreHead& head,
                                       const LogOffset& offset, const VerifyOptions& options,
                                       const io::TemporaryFolder& folder);

}  // namespace p2p::model
