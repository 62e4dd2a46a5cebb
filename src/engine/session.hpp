#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/tensor.hpp"

namespace p2p::engine {

/// An input or output of a model.
struct Port {
  std::string name;
  std::string type;                 ///< in words: "float32", or what the engine calls other things
  std::optional<Scalar> scalar;     ///< empty: no tensor of numbers
  std::vector<std::int64_t> shape;  ///< -1: any size; empty: not said
};

/// A model that an inference engine has loaded.
class Session {
 public:
  virtual ~Session() = default;
  [[nodiscard]] const std::string& engine() const { return engine_; }  ///< name and version
  [[nodiscard]] const std::vector<Port>& inputs() const { return inputs_; }
  [[nodiscard]] const std::vector<Port>& outputs() const { return outputs_; }
  /// The outputs of these names, which are tensors of numbers, for one batch: a tensor for each
  /// input, in their order. Error{kBadData} with the engine's own words.
  virtual std::vector<Tensor> run(const std::vector<Tensor>& batch,
                                  const std::vector<std::string>& outputs) = 0;

 protected:
  std::string engine_;
  std::vector<Port> inputs_;
  std::vector<Port> outputs_;
};

/// Feeds all rows of `inputs` to the model, batch after batch, and writes output i to results[i];
/// the contract of run_model (engine.hpp). `model` is its path, for messages.
void run_batches(Session& session, const std::string& model, const std::string& inputs,
                 const std::vector<std::string>& outputs, const std::vector<std::string>& results);

/// "MODEL cannot be run by ENGINE: 'words'": of what the engine said the first line, with "the
/// model" in place of its path and without its middle when it is long.
[[noreturn]] void throw_engine_error(const std::string& model, const std::string& engine,
                                     const std::string& words);

}  // namespace p2p::engine
