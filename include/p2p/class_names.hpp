#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace p2p {

/// Class names and where they come from, for messages. No names: the source knows none.
struct NamedClasses {
  std::string origin;
  std::vector<std::string> names;
};

/// The names that all sources with names agree on, in order; empty when none has any.
/// Error{kBadData} naming the first class that differs: columns in another order would be silently
/// wrong.
std::vector<std::string> agree_on_class_names(const std::vector<NamedClasses>& sources);

/// Index of a class given by name or number. Error{kUsage} when it is neither.
std::int64_t find_class(const std::string& text, const std::vector<std::string>& names,
                        std::int64_t classes);

}  // namespace p2p
