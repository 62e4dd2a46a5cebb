#include "images/class_numbers.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::images {

std::vector<std::string> numbers(std::size_t classes) {
  std::vector<std::string> names;
  for (std::size_t c = 0; c < classes; ++c) names.push_back(std::to_string(c));
  return names;
}

std::size_t count_numbered_classes(const std::vector<std::int32_t>& labels,
                                   const std::string& name) {
  const std::size_t classes = static_cast<std::size_t>(std::ranges::max(labels)) + 1;
  // Beyond as many classes as labels some class is without one, so that no more need be counted.
  std::vector<bool> found(std::min(classes, labels.size()));
  for (const std::int32_t label : labels) {
    if (static_cast<std::size_t>(label) < found.size()) {
      found[static_cast<std::size_t>(label)] = true;
    }
  }
  const auto missing = std::ranges::find(found, false);
  if (missing != found.end()) {
    throw_bad_data(fmt::format(
        "{} has no image of class {}, but of class {}; expected some of each: number the classes "
        "from 0 without gaps",
        io::quote(name), missing - found.begin(), classes - 1));
  }
  if (classes < 2) {
    throw_bad_data(io::quote(name) + " has images of one class only; expected two or more");
  }
  return classes;
}

}  // namespace p2p::images
