#pragma once

#include <string>

#include "download/data_set.hpp"

namespace p2p::download {

/// CIFAR-10 and CIFAR-100, binary version (Krizhevsky 2009), by the names cifar10 and cifar100.
/// Error{kUsage}: another name.
const DataSet& find_data_set(const std::string& name);

}  // namespace p2p::download
