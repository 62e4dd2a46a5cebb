#pragma once

#include "model/onnx_head.hpp"

/// Two classes by one logit a row.
namespace p2p::model {

/// Takes `node` for what turns one logit a row into probabilities: the Sigmoid of a column, or
/// 1 - p beside such a p. Fills in `head` (logits, one_logit, two classes, where to fold); false,
/// with the head as it was, for anything else, and `problem` says why where it is one logit a
/// position.
bool take_one_logit(const OnnxModel& model, const OnnxNode& node, OnnxHead& head,
                    std::string& problem);

/// What `offset` of two classes does to the one logit.
LogOffset one_logit_offset(const LogOffset& offset, OneLogit logit);

}  // namespace p2p::model
