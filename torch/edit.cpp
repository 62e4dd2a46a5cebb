#include "edit.hpp"

#include <fmt/format.h>

#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::script {
namespace {

using Json = nlohmann::json;

at::Tensor required_tensor(const torch::jit::Module& module, const std::string& name) {
  at::Tensor tensor = find_tensor(module, name);
  if (!tensor.defined()) {
    throw_bad_data(fmt::format(
        "the module has no tensor {} any more; go back to the original model", io::quote(name)));
  }
  return tensor;
}

std::string read_bytes(std::istream& in, const Json& announced) {
  std::string bytes(announced.at("bytes").get<std::size_t>(), '\0');
  if (!in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    throw_bad_data("the edit of the module ended before its bytes did");
  }
  return bytes;
}

/// The tensor stays the object that it is, so that what shares it sees the new elements.
void replace(const torch::jit::Module& module, const std::string& name, std::string bytes) {
  const at::Tensor tensor = required_tensor(module, name);
  if (tensor.nbytes() != bytes.size()) {
    throw_bad_data(fmt::format("tensor {} holds {} bytes, but its new elements are {}",
                               io::quote(name), tensor.nbytes(), bytes.size()));
  }
  tensor.copy_(torch::from_blob(bytes.data(), tensor.sizes(), tensor.scalar_type()));
}

}  // namespace

void edit_module(ModuleFile& file, const std::vector<std::string>& tensors, std::istream& in,
                 std::ostream& out) {
  const at::NoGradGuard no_grad;
  for (const std::string& name : tensors) {
    const at::Tensor elements = required_tensor(file.module, name).contiguous();
    out.write(static_cast<const char*>(elements.data_ptr()),
              static_cast<std::streamsize>(elements.nbytes()));
  }
  out.flush();
  std::string line;
  if (!std::getline(in, line)) return;
  const Json edit = Json::parse(line);
  for (const Json& tensor : edit.at("tensors")) {
    replace(file.module, tensor.at("name").get<std::string>(), read_bytes(in, tensor));
  }
  for (const Json& extra : edit.at("extra")) {
    file.extra[extra.at("name").get<std::string>()] = read_bytes(in, extra);
  }
  for (const Json& name : edit.at("drop")) file.extra.erase(name.get<std::string>());
  save_module(file, out);
  out.flush();
}

}  // namespace p2p::script
