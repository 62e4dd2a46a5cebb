#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/script.h>

#include <string>

#include "io/text.hpp"
#include "learn/scorer.hpp"
#include "p2p/error.hpp"

namespace p2p::learn {
namespace {

// The first line of what LibTorch says, or of what the module raised.
std::string words(const std::exception& error) {
  std::string text = error.what();
  while (text.ends_with('\n')) text.pop_back();
  if (text.find("Traceback of TorchScript") != std::string::npos) {
    return text.substr(text.rfind('\n') + 1);
  }
  return text.substr(0, text.find('\n'));
}

class TorchScriptScorer final : public Scorer {
 public:
  TorchScriptScorer(const std::string& path, at::Device device) : path_(path) {
    device_ = device;
    try {
      module_ = torch::jit::load(path, device);
    } catch (const std::exception& error) {
      throw_bad_data(
          fmt::format("{} cannot be loaded by LibTorch; expected a TorchScript file as "
                      "torch.jit.save writes it: {}",
                      io::quote(path), io::quote(words(error))));
    }
    module_.eval();
  }

  Scores score(const at::Tensor& images) override {
    c10::IValue result;
    try {
      result = module_.forward({images.contiguous()});  // many flatten by view()
    } catch (const std::exception& error) {
      throw_bad_data(fmt::format("{} cannot be run by LibTorch: {}", io::quote(path_),
                                 io::quote(words(error))));
    }
    if (!result.isTensor()) {
      throw_bad_data(fmt::format("forward of {} returns {}; expected one tensor [N, classes]",
                                 io::quote(path_), result.tagKind()));
    }
    return {{}, result.toTensor().to(at::kFloat)};
  }

 private:
  std::string path_;
  torch::jit::Module module_;
};

}  // namespace

std::unique_ptr<Scorer> torchscript_scorer(const std::string& path, at::Device device) {
  return std::make_unique<TorchScriptScorer>(path, device);
}

}  // namespace p2p::learn
