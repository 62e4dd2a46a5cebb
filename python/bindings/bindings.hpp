#pragma once

#include <nanobind/nanobind.h>

#include "p2p/row_source.hpp"

/// The parts of the module prior2posterior._core; module.cpp puts them together.
namespace p2p::python {

namespace nb = nanobind;

/// No more threads than blocks of rows, which are what threads share out.
int useful_threads(const ScoreSet& scores, int threads);

void bind_prior(nb::module_& m);
void bind_correction(nb::module_& m);
void bind_head(nb::module_& m);
void bind_metrics(nb::module_& m);
void bind_model(nb::module_& m);

}  // namespace p2p::python
