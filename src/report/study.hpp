#pragma once

#include <string>

#include "p2p/compare.hpp"
#include "p2p/sweep.hpp"
#include "report/json.hpp"

/// Comparisons and sweeps as a table for people, JSON, CSV and Markdown.
namespace p2p::report {

/// Percent for people; the best of each column carries a star.
std::string comparison_text(const Comparison& comparison);
std::string comparison_markdown(const Comparison& comparison);
/// Fractions, one line a method; empty cells where there is no value.
std::string comparison_csv(const Comparison& comparison);
Json comparison_json(const Comparison& comparison);

std::string sweep_text(const Sweep& sweep);
/// Fractions, one line a point.
std::string sweep_csv(const Sweep& sweep);
Json sweep_json(const Sweep& sweep);

}  // namespace p2p::report
