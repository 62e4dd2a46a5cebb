#pragma once

#include <string>

#include "engine/session.hpp"
#include "module_file.hpp"

namespace p2p::script {

/// A module in evaluation mode. What it takes is said by the arguments of `forward` and the arrays
/// of `inputs`; floats are given to it in the type of its parameters.
class ModuleSession final : public engine::Session {
 public:
  /// `output`: the one to be fetched: "output" when forward returns a tensor, else a key, a field
  /// or a place. Error{kBadData}: as load_module; inputs that cannot be read.
  ModuleSession(const std::string& path, const std::string& inputs, const std::string& output);
  std::vector<engine::Tensor> run(const std::vector<engine::Tensor>& batch,
                                  const std::vector<std::string>& outputs) override;

 private:
  std::string path_;
  torch::jit::Module module_;
  std::vector<bool> by_name_;
};

}  // namespace p2p::script
