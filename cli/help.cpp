#include "help.hpp"

#include <sstream>

namespace p2p::cli {
namespace {

constexpr std::size_t kNameColumns = 26;
constexpr std::size_t kTextColumns = 54;

bool is_repeatable(const CLI::Option* option) {
  return option->get_expected_max() >= CLI::detail::expected_max_vector_size;
}

// The placeholder, without what the validators add to it.
std::string placeholder(const CLI::Option* option) {
  const std::string type = option->get_type_name();
  return type.substr(0, type.find(':')) + (is_repeatable(option) ? "..." : "");
}

std::string wrapped(const std::string& text) {
  std::istringstream words(text);
  std::string lines;
  std::size_t used = 0;
  for (std::string word; words >> word;) {
    const bool fits = used + 1 + word.size() <= kTextColumns;
    if (used > 0) lines += fits ? ' ' : '\n';
    used = used > 0 && fits ? used + 1 + word.size() : word.size();
    lines += word;
  }
  return lines;
}

}  // namespace

HelpFormatter::HelpFormatter() { column_width(kNameColumns); }

std::string HelpFormatter::make_usage(const CLI::App* app, std::string name) const {
  std::string usage = "Usage: " + name;
  if (!app->get_subcommands({}).empty()) usage += " VERB";
  for (const CLI::Option* option : app->get_options()) {
    if (!option->get_positional()) continue;
    const std::string word = option->get_name(true) + (is_repeatable(option) ? "..." : "");
    usage += option->get_required() ? " " + word : " [" + word + "]";
  }
  for (const CLI::Option* option : app->get_options()) {
    if (option->get_positional() || !option->get_required()) continue;
    const std::string names = option->get_name(false, true);
    usage += " " + names.substr(0, names.find(',')) + " " + placeholder(option);
  }
  return usage + " [OPTIONS]\n";
}

std::string HelpFormatter::make_subcommand(const CLI::App* verb) const {
  std::ostringstream out;
  CLI::detail::format_help(out, verb->get_name(), wrapped(verb->get_description()),
                           get_column_width());
  return out.str();
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  if (option->get_type_size() == 0) return "";
  if (option->get_positional()) return is_repeatable(option) ? "..." : "";
  return " " + placeholder(option);
}

std::string HelpFormatter::make_option_desc(const CLI::Option* option) const {
  std::string text = option->get_description();
  if (!option->get_default_str().empty()) text += " [" + option->get_default_str() + "]";
  return wrapped(text);
}

}  // namespace p2p::cli
