#include "engine/row_inputs.hpp"

#include <fmt/format.h>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::engine {
namespace {

bool may_be_whole(const InputArray& array, const Port& port) {
  if (!array.has_rows() || array.shape() == port.shape) return true;
  return array.shape().size() == 1 && array.rows() <= kMostSizes &&
         scalar_kind(array.scalar()) == ScalarKind::kInteger &&
         (port.shape.empty() || port.shape.front() < 0);
}

/// The array whose first axis says how many rows there are; null when none has one.
const InputArray* first_with_rows(const std::vector<InputArray>& arrays,
                                  const std::vector<Port>& ports) {
  const InputArray* best = nullptr;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    if (!may_be_whole(arrays[i], ports[i])) return &arrays[i];
    if (!arrays[i].has_rows()) continue;
    if (best == nullptr || arrays[i].shape().size() > best->shape().size()) best = &arrays[i];
  }
  return best;
}

}  // namespace

RowInputs find_row_inputs(const std::vector<InputArray>& arrays, const std::vector<Port>& ports,
                          const std::string& path) {
  const InputArray* first = first_with_rows(arrays, ports);
  if (first == nullptr) {
    throw_bad_data(io::quote(path) +
                   " holds single numbers only; expected an array with the rows on its first axis");
  }
  RowInputs inputs{.cut = {}, .rows = first->rows()};
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const bool cut = arrays[i].has_rows() && arrays[i].rows() == inputs.rows;
    if (!cut && !may_be_whole(arrays[i], ports[i])) {
      throw_bad_data(fmt::format(
          "{} has {} rows, but {} has {}; the arrays of all inputs must have the same rows",
          io::quote(arrays[i].name()), arrays[i].rows(), io::quote(first->name()), inputs.rows));
    }
    inputs.cut.push_back(cut);
  }
  return inputs;
}

}  // namespace p2p::engine
