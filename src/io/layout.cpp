#include "io/layout.hpp"

#include <fmt/format.h>

#include <utility>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

int resolve_axis(const ArrayInfo& info, std::optional<int> class_axis, const std::string& name) {
  const int rank = static_cast<int>(info.shape.size());
  if (!class_axis && rank > 2) {
    throw_bad_data(
        fmt::format("{} has shape {}: with {} axes, say which one holds the classes "
                    "(--class-axis 0 to {})",
                    quote(name), shape_text(info.shape), rank, rank - 1));
  }
  const int axis = class_axis.value_or(rank - 1);
  if (axis < -rank || axis >= rank) {
    throw_bad_data(fmt::format("{} has shape {}: there is no axis {}; expected {} to {}",
                               quote(name), shape_text(info.shape), axis, -rank, rank - 1));
  }
  return axis < 0 ? axis + rank : axis;
}

void demand_rows(const Layout& layout, const ArrayInfo& info, const std::string& name) {
  if (layout.rows() > 0) return;
  throw_bad_data(fmt::format("{} has shape {}: it holds no rows; expected at least one",
                             quote(name), shape_text(info.shape)));
}

}  // namespace

Layout score_layout(const ArrayInfo& info, std::optional<int> class_axis, const std::string& name,
                    bool one_column) {
  const int rank = static_cast<int>(info.shape.size());
  Layout layout;
  if (one_column && rank == 1) {
    layout.outer = info.shape[0];
    layout.classes = 1;
    demand_rows(layout, info, name);
    return layout;
  }
  layout.class_axis = resolve_axis(info, class_axis, name);
  layout.classes = info.shape[static_cast<std::size_t>(layout.class_axis)];
  layout.outer = 1;
  for (int axis = 0; axis < rank; ++axis) {
    std::int64_t& part = axis < layout.class_axis ? layout.outer : layout.inner;
    if (axis != layout.class_axis) part *= info.shape[static_cast<std::size_t>(axis)];
  }
  if (info.fortran_order && rank > 2) {
    throw_bad_data(
        fmt::format("{} has shape {} in Fortran order, which is read for 2 axes only; "
                    "save numpy.ascontiguousarray(array)",
                    quote(name), shape_text(info.shape)));
  }
  if (info.fortran_order) std::swap(layout.outer, layout.inner);
  demand_rows(layout, info, name);
  if (one_column && layout.classes == 1) return layout;
  if (layout.classes < 2 || layout.classes > kMostClasses) {
    throw_bad_data(
        fmt::format("{} has shape {}: axis {} gives {} classes; expected 2 to {} "
                    "(another axis? see --class-axis){}",
                    quote(name), shape_text(info.shape), layout.class_axis, layout.classes,
                    kMostClasses, layout.classes == 1 ? kOneColumnRemedy : ""));
  }
  return layout;
}

}  // namespace p2p::io
