#pragma once

#include <torch/script.h>

#include <exception>
#include <iosfwd>
#include <string>

/// The program p2p-torch: what `p2p` has LibTorch do.
namespace p2p::script {

/// A TorchScript file in memory.
struct ModuleFile {
  torch::jit::Module module;
  torch::jit::ExtraFilesMap extra;  ///< the files that its author put beside the code, by name
};

/// Tensors come to the CPU. Error{kBadData} in LibTorch's words; or when saving would lose a part
/// of the file that LibTorch does not write: the byte code of the mobile interpreter.
ModuleFile load_module(const std::string& path);

/// Writes the archive. LibTorch chooses its bytes, also for what nobody changed.
void save_module(const ModuleFile& file, std::ostream& out);

/// The parameter, buffer or other tensor "a.b.weight"; undefined when there is none.
at::Tensor find_tensor(const torch::jit::Module& module, const std::string& name);

/// What LibTorch says, on one line without its call stack.
std::string words(const std::exception& error);

}  // namespace p2p::script
