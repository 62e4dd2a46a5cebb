#include "json.hpp"

namespace p2p::python {

namespace nb = nanobind;

nb::object to_dict(const report::Json& json) {
  if (json.is_null()) return nb::none();
  if (json.is_boolean()) return nb::bool_(json.get<bool>());
  if (json.is_number_integer()) return nb::int_(json.get<std::int64_t>());
  if (json.is_number()) return nb::float_(json.get<double>());
  if (json.is_string()) return nb::str(json.get_ref<const std::string&>().c_str());
  if (json.is_array()) {
    nb::list list;
    for (const report::Json& item : json) list.append(to_dict(item));
    return list;
  }
  nb::dict dict;
  for (const auto& [key, value] : json.items()) dict[key.c_str()] = to_dict(value);
  return dict;
}

}  // namespace p2p::python
