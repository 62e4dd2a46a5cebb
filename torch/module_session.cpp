#include "module_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "engine/input_arrays.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"
#include "score_layers.hpp"

namespace p2p::script {
namespace {

using engine::Scalar;

struct Type {
  Scalar scalar;
  at::ScalarType torch;
};

constexpr std::array<Type, 10> kTypes = {{{Scalar::kBool, at::kBool},
                                          {Scalar::kI8, at::kChar},
                                          {Scalar::kI16, at::kShort},
                                          {Scalar::kI32, at::kInt},
                                          {Scalar::kI64, at::kLong},
                                          {Scalar::kU8, at::kByte},
                                          {Scalar::kF16, at::kHalf},
                                          {Scalar::kBF16, at::kBFloat16},
                                          {Scalar::kF32, at::kFloat},
                                          {Scalar::kF64, at::kDouble}}};

std::optional<at::ScalarType> torch_type(Scalar scalar) {
  const auto found = std::ranges::find(kTypes, scalar, &Type::scalar);
  return found == kTypes.end() ? std::nullopt : std::optional(found->torch);
}

/// Unsigned integers of more than 8 bits are no type of LibTorch 1.13.
Scalar fed_scalar(Scalar stored) { return torch_type(stored) ? stored : Scalar::kI64; }

/// In which the module computes; empty: it has no parameters.
std::optional<at::ScalarType> float_type(const torch::jit::Module& module) {
  for (const at::Tensor& parameter : module.parameters()) {
    if (parameter.is_floating_point()) return parameter.scalar_type();
  }
  return std::nullopt;
}

/// The tensor of that name among what forward returned; undefined when there is none.
at::Tensor member(const c10::IValue& result, const std::string& name) {
  const auto tensor_or_none = [](const c10::IValue& value) {
    return value.isTensor() ? value.toTensor() : at::Tensor();
  };
  std::size_t place = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), place);
  const bool is_place = error == std::errc{} && end == name.data() + name.size();
  if (result.isTensor() && name == "output") return result.toTensor();
  if (result.isTuple()) {
    const auto& elements = result.toTupleRef().elements();
    if (const auto& schema = result.toTupleRef().type()->schema()) {
      if (const auto index = schema->argumentIndexWithName(name)) {
        return tensor_or_none(elements[static_cast<std::size_t>(*index)]);
      }
    } else if (is_place && place < elements.size()) {
      return tensor_or_none(elements[place]);
    }
  }
  if (result.isTensorList() && is_place && place < result.toTensorList().size()) {
    return result.toTensorList().get(place);
  }
  if (result.isGenericDict()) {
    const auto dict = result.toGenericDict();
    const auto found = dict.find(name);
    if (found != dict.end()) return tensor_or_none(found->value());
  }
  return {};
}

engine::Tensor copied(const at::Tensor& output, Scalar scalar) {
  const at::Tensor tensor = output.to(at::kCPU).contiguous();
  engine::Tensor copy{.scalar = scalar, .shape = tensor.sizes().vec(), .data = {}};
  copy.data.resize(tensor.nbytes());
  std::memcpy(copy.data.data(), tensor.data_ptr(), copy.data.size());
  return copy;
}

}  // namespace

ModuleSession::ModuleSession(const std::string& path, const std::string& inputs,
                             const std::string& output)
    : path_(path), module_(load_module(path).module) {
  engine_ = engine_name();
  outputs_ = {{.name = output, .type = "tensor", .scalar = Scalar::kF32, .shape = {}}};
  if (!module_.find_method("forward")) {
    throw_bad_data(fmt::format("{} has no method forward to be run", io::quote(path)));
  }
  module_.eval();
  const std::vector<engine::InputArray> arrays = engine::open_inputs(inputs);
  const bool nameless = arrays.front().member().empty();
  const auto& arguments = module_.get_method("forward").function().getSchema().arguments();
  for (std::size_t i = 1; i < arguments.size(); ++i) {  // the first is the module itself
    const std::string& name = arguments[i].name();
    const auto array =
        nameless ? arrays.begin() : std::ranges::find(arrays, name, &engine::InputArray::member);
    const bool is_given = array != arrays.end() && (!nameless || inputs_.empty());
    by_name_.push_back(is_given || !arguments[i].default_value());
    if (!by_name_.back()) continue;
    const Scalar scalar = is_given ? fed_scalar(array->scalar()) : Scalar::kF32;
    inputs_.push_back({.name = name, .type = "tensor", .scalar = scalar, .shape = {}});
  }
}

std::vector<engine::Tensor> ModuleSession::run(const std::vector<engine::Tensor>& batch,
                                               const std::vector<std::string>& outputs) {
  try {
    const at::NoGradGuard no_grad;
    const std::optional<at::ScalarType> wanted = float_type(module_);
    std::vector<c10::IValue> positional;
    torch::jit::Kwargs named;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      at::Tensor tensor = torch::empty(batch[i].shape, *torch_type(batch[i].scalar));
      std::memcpy(tensor.data_ptr(), batch[i].data.data(), batch[i].data.size());
      if (tensor.is_floating_point() && wanted) tensor = tensor.to(*wanted);
      named[inputs_[i].name] = tensor;
    }
    const c10::IValue result = module_.get_method("forward")(positional, named);
    std::vector<engine::Tensor> tensors;
    for (const std::string& name : outputs) {
      const at::Tensor tensor = member(result, name);
      if (!tensor.defined()) {
        throw_bad_data(fmt::format("forward of {} returned no tensor {}; it returned {}",
                                   io::quote(path_), io::quote(name), result.tagKind()));
      }
      const auto type = std::ranges::find(kTypes, tensor.scalar_type(), &Type::torch);
      if (type == kTypes.end()) {
        throw_bad_data(fmt::format("output {} of {} holds {}; expected floats or integers",
                                   io::quote(name), io::quote(path_),
                                   c10::toString(tensor.scalar_type())));
      }
      tensors.push_back(copied(tensor, type->scalar));
    }
    return tensors;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    engine::throw_engine_error(path_, engine_, words(error));
  }
}

}  // namespace p2p::script
