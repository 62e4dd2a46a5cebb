#pragma once

#include <string>
#include <vector>

#include "p2p/correction.hpp"
#include "report/json.hpp"

namespace p2p::python {

/// A correction and how it was asked for: what the Python class Correction holds.
struct PythonCorrection {
  Correction correction;
  std::string method;
  double strength = 1;
  std::string target;                ///< as asked for, or "given"
  std::vector<std::string> classes;  ///< of the prior
  report::Json selection;            ///< of method or strength 'auto', else null
};

}  // namespace p2p::python
