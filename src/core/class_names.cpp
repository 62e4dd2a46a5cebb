#include "p2p/class_names.hpp"

#include <algorithm>
#include <charconv>

#include "p2p/error.hpp"

namespace p2p {

std::vector<std::string> agree_on_class_names(const std::vector<NamedClasses>& sources) {
  const NamedClasses* first = nullptr;
  for (const NamedClasses& source : sources) {
    if (source.names.empty()) continue;
    if (first == nullptr) {
      first = &source;
      continue;
    }
    if (source.names.size() != first->names.size()) {
      throw_bad_data(source.origin + " names " + std::to_string(source.names.size()) +
                     " classes, but " + first->origin + " names " +
                     std::to_string(first->names.size()) + "; use files of the same model");
    }
    for (std::size_t c = 0; c < source.names.size(); ++c) {
      if (source.names[c] == first->names[c]) continue;
      throw_bad_data("class " + std::to_string(c) + " is '" + source.names[c] + "' in " +
                     source.origin + " but '" + first->names[c] + "' in " + first->origin +
                     "; bring the columns into the same order");
    }
  }
  return first == nullptr ? std::vector<std::string>{} : first->names;
}

std::int64_t find_class(const std::string& text, const std::vector<std::string>& names,
                        std::int64_t classes) {
  const auto found = std::ranges::find(names, text);
  if (found != names.end()) return found - names.begin();
  std::int64_t index = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc{} || end != text.data() + text.size() || index < 0 || index >= classes) {
    throw_usage("'" + text + "' is neither a class name nor a class number from 0 to " +
                std::to_string(classes - 1));
  }
  return index;
}

}  // namespace p2p
