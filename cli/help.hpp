#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace p2p::cli {

/// Layout of --help: usage with all that is required, options with a placeholder each, descriptions
/// wrapped to 80 columns and followed by the default.
class HelpFormatter final : public CLI::Formatter {
 public:
  HelpFormatter();
  std::string make_usage(const CLI::App* app, std::string name) const override;
  std::string make_subcommand(const CLI::App* verb) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
  std::string make_option_desc(const CLI::Option* option) const override;
};

}  // namespace p2p::cli
