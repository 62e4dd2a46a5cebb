#pragma once

#include <CLI/CLI.hpp>
#include <string>

/// What the verbs of p2p-train share.
namespace p2p::train {

/// Sentences for people, on stderr.
void note(const std::string& sentence);
void warn(const std::string& sentence);

/// Each adds its verb, which runs when chosen.
void add_train(CLI::App& app);
void add_score(CLI::App& app);
void add_data(CLI::App& app);

}  // namespace p2p::train
