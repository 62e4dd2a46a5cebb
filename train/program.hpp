#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

/// What the verbs of p2p-train share.
namespace p2p::train {

struct WordOptions {
  bool json = false;
  bool quiet = false;
};

/// --json, --quiet and --version.
void add_word_options(CLI::App& verb, WordOptions& options);

/// One object on stdout.
void print_json(const nlohmann::ordered_json& json);
/// Sentences for people, on stderr.
void note(const std::string& sentence);
void warn(const std::string& sentence);

/// Each adds its verb, which runs when chosen.
void add_train(CLI::App& app);
void add_score(CLI::App& app);
void add_data(CLI::App& app);

}  // namespace p2p::train
