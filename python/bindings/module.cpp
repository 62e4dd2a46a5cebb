#include <nanobind/nanobind.h>

#include <new>

#include "arrays.hpp"
#include "bindings.hpp"
#include "p2p/error.hpp"
#include "p2p/simd_target.hpp"
#include "p2p/version.hpp"
#include "words.hpp"

namespace p2p::python {
namespace {

PyObject* error_type = nullptr;

void bind_error(nb::module_& m) {
  error_type = PyErr_NewExceptionWithDoc(
      "prior2posterior.Error",
      "What cannot be used as asked: one sentence that says what, where, what was found, what was\n"
      "expected and how to mend it.",
      PyExc_ValueError, nullptr);
  if (error_type == nullptr) throw nb::python_error();
  m.attr("Error") = nb::borrow(error_type);
  nb::register_exception_translator([](const std::exception_ptr& failure, void*) {
    try {
      std::rethrow_exception(failure);
    } catch (const Error& error) {
      PyErr_SetString(error_type, as_python(error.what()).c_str());
    }
  });
}

}  // namespace
}  // namespace p2p::python

NB_MODULE(_core, m) {
  using namespace p2p::python;
  m.doc() = "The compiled library; use the package prior2posterior.";
  bind_error(m);
  nb::set_leak_warnings(false);  // what lives until the interpreter ends is not a leak
  p2p::kernels::select_target();
  m.attr("version") = p2p::kVersion;
  m.attr("BLOCK_ROWS") = p2p::kBlockRows;
  bind_prior(m);
  bind_correction(m);
  bind_head(m);
  bind_metrics(m);
  bind_model(m);
}
