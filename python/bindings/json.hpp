#pragma once

#include <nanobind/nanobind.h>

#include "report/json.hpp"

namespace p2p::python {

/// JSON as Python's dicts, lists, numbers and None.
nanobind::object to_dict(const report::Json& json);

}  // namespace p2p::python
