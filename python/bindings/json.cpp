#include "json.hpp"

#include "p2p/error.hpp"

namespace p2p::python {

namespace nb = nanobind;

namespace {

constexpr int kDeepest = 32;

nb::object to_object(const report::Json& json, int depth) {
  if (depth > kDeepest) throw_bad_data("a result that is nested too deeply");
  if (json.is_null()) return nb::none();
  if (json.is_boolean()) return nb::bool_(json.get<bool>());
  if (json.is_number_integer()) return nb::int_(json.get<std::int64_t>());
  if (json.is_number()) return nb::float_(json.get<double>());
  if (json.is_string()) return nb::str(json.get_ref<const std::string&>().c_str());
  if (json.is_array()) {
    nb::list list;
    for (const report::Json& item : json) list.append(to_object(item, depth + 1));
    return list;
  }
  nb::dict dict;
  for (const auto& [key, value] : json.items()) dict[key.c_str()] = to_object(value, depth + 1);
  return dict;
}

}  // namespace

nb::object to_dict(const report::Json& json) { return to_object(json, 0); }

}  // namespace p2p::python
