#include "module_file.hpp"

#include <caffe2/serialize/inline_container.h>
#include <fmt/format.h>

#include <ostream>
#include <string_view>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::script {
namespace {

constexpr std::string_view kExtra = "extra/";

/// Names of the extra files; LibTorch reads only those that it is asked for.
torch::jit::ExtraFilesMap extra_names(const std::string& path) {
  caffe2::serialize::PyTorchStreamReader reader(path);
  torch::jit::ExtraFilesMap extra;
  for (const std::string& name : reader.getAllRecords()) {
    if (name.starts_with(kExtra)) extra[name.substr(kExtra.size())];
    if (name == "bytecode.pkl") {
      throw_bad_data(fmt::format(
          "{} holds byte code for the mobile interpreter, which would be lost; bake the module "
          "saved by torch.jit.save, then convert it",
          io::quote(path)));
    }
  }
  return extra;
}

}  // namespace

ModuleFile load_module(const std::string& path) {
  try {
    ModuleFile file;
    file.extra = extra_names(path);
    file.module = torch::jit::load(path, at::kCPU, file.extra);
    return file;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw_bad_data(
        fmt::format("LibTorch cannot load {}: {}; expected a module saved by "
                    "torch.jit.save",
                    io::quote(path), words(error)));
  }
}

void save_module(const ModuleFile& file, std::ostream& out) { file.module.save(out, file.extra); }

at::Tensor find_tensor(const torch::jit::Module& module, const std::string& name) {
  torch::jit::Module owner = module;
  std::string_view rest = name;
  for (std::size_t dot = 0; (dot = rest.find('.')) != std::string_view::npos;) {
    const std::string child(rest.substr(0, dot));
    if (!owner.hasattr(child) || !owner.attr(child).isModule()) return {};
    owner = owner.attr(child).toModule();
    rest.remove_prefix(dot + 1);
  }
  const std::string last(rest);
  if (!owner.hasattr(last) || !owner.attr(last).isTensor()) return {};
  return owner.attr(last).toTensor();
}

std::string words(const std::exception& error) {
  const auto* own = dynamic_cast<const c10::Error*>(&error);
  std::string_view text = own != nullptr ? own->what_without_backtrace() : error.what();
  // An error inside the module comes with the traceback of its code before it.
  constexpr std::string_view kTraceback = "RuntimeError: ";
  if (const std::size_t at = text.rfind(kTraceback); at != std::string_view::npos) {
    text.remove_prefix(at + kTraceback.size());
  }
  text = io::trim(text.substr(0, text.find('\n')));
  if (text.ends_with('.')) text.remove_suffix(1);
  return io::printable(text);
}

}  // namespace p2p::script
