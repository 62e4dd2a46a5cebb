#pragma once

#include <string>
#include <vector>

#include "p2p/bake.hpp"
#include "report/json.hpp"

/// Models and what was baked into them, as JSON and as text.
namespace p2p::report {

/// Keys of `p2p bake --json` (docs/bake.md). `out` empty: nothing was written.
Json bake_json(const std::string& model, const std::string& out, const BakeResult& result);
Json records_json(const std::string& model, const std::vector<BakeRecord>& records);
Json head_json(const std::string& model, const ScoreHead& head);

/// "output 'logits' (logits), bias 'fc.bias' of Gemm 'fc'": where a correction goes, in one clause.
std::string place_text(const ScoreHead& head);
std::string records_text(const std::string& model, const std::vector<BakeRecord>& records);
std::string head_text(const std::string& model, const ScoreHead& head);
/// One sentence.
std::string verification_text(const Verification& verification);

}  // namespace p2p::report
