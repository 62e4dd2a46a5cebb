#include "model/hidden_paths.hpp"

#include <string_view>

#include "io/text.hpp"

namespace p2p::model {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

}  // namespace

std::string without_paths(std::string sentence, const HiddenPaths& hidden) {
  for (const auto& [path, name] : hidden) {
    replace_all(sentence, io::quote(path), name);
    replace_all(sentence, io::printable(path), name);
  }
  return sentence;
}

}  // namespace p2p::model
