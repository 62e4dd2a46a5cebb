#pragma once

#include <string>
#include <utility>
#include <vector>

#include "p2p/error.hpp"

namespace p2p::model {

/// Paths of files that are gone when a sentence is read, and what to call them there.
using HiddenPaths = std::vector<std::pair<std::string, std::string>>;

/// `sentence` with the names, between quotes or not, in place of the paths.
std::string without_paths(std::string sentence, const HiddenPaths& hidden);

/// What `work` returns; its Errors speak of the names.
template <class Work>
auto naming(const HiddenPaths& hidden, Work&& work) {
  try {
    return work();
  } catch (const Error& error) {
    throw Error(error.code(), without_paths(error.what(), hidden));
  }
}

}  // namespace p2p::model
