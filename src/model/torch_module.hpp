#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/subprocess.hpp"
#include "p2p/correct.hpp"
#include "p2p/types.hpp"

/// TorchScript modules as p2p-torch shows and edits them. Errors are its sentences.
namespace p2p::model {

/// A Linear or Conv layer.
struct TorchLayer {
  std::string name;  ///< "features.0"
  std::string type;  ///< "Linear" or "Conv"
  std::int64_t classes = 0;
  DType dtype = DType::kF32;
  std::string bias;  ///< name of the tensor; empty: no offset can be written into it
  std::string why_not_folded;
  std::string weight;  ///< name of the tensor; empty: it cannot be scaled
  std::string why_not_scaled;
  std::int64_t weight_elements = 0;
  bool class_last = false;  ///< the weight is [d, C]
};

/// A tensor that forward returns, and how it is made: multiplier * layer, or softmax of that.
struct TorchOutput {
  std::string name;  ///< key, field or place; "output" when forward returns one tensor
  std::optional<TorchLayer> layer;
  double multiplier = 1;
  OutputKind kind = OutputKind::kLogits;
  std::vector<std::string> also;  ///< other outputs made from the layer
  std::string reason;             ///< a clause, where there is no layer
  bool undecided = false;         ///< the graph hides the layer
};

struct TorchDescription {
  std::vector<TorchOutput> outputs;
  std::vector<TorchLayer> layers;  ///< that could take an offset, in the order of their use
};

TorchDescription describe_torch_module(const std::string& path);

struct TorchEdit {
  using Named = std::vector<std::pair<std::string, std::string>>;  ///< name and bytes
  Named tensors;                                                   ///< new elements
  Named extra;                                                     ///< extra files to put in
  std::vector<std::string> drop;                                   ///< extra files to take out
};

/// A module in LibTorch's memory.
class TorchModule {
 public:
  struct Wanted {
    std::string tensor;
    std::size_t bytes = 0;
  };

  /// Loads it and fetches the elements of tensors.
  TorchModule(const std::string& path, const std::vector<Wanted>& wanted);

  [[nodiscard]] const std::vector<std::string>& elements() const { return elements_; }
  /// Writes the edited module. Call once at most.
  void save(const TorchEdit& edit, const std::string& out);

 private:
  std::string path_;
  engine::Process process_;
  std::vector<std::string> elements_;
};

}  // namespace p2p::model
