#pragma once

#include <string>
#include <string_view>

#include "p2p/bake.hpp"
#include "p2p/correct.hpp"
#include "p2p/estimate.hpp"
#include "p2p/select.hpp"
#include "p2p/types.hpp"

/// The words of the command line as Python's.
namespace p2p::python {

/// A sentence of the library with options of the command ("--input logits", "--ignore-index 3")
/// written as Python's arguments (input="logits", ignore_index=3).
std::string as_python(std::string_view sentence);

// Error{kUsage} listing the words.
ScoreKind parse_kind(const std::string& word, const char* argument = "input");
Training::Loss parse_loss(const std::string& word);
OutputKind parse_output(const std::string& word);
Objective parse_scoring(const std::string& word);
BakeMode parse_mode(const std::string& word);

}  // namespace p2p::python
