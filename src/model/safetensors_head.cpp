#include "model/safetensors_head.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/text.hpp"
#include "model/weight_loader.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

constexpr std::string_view kBias = "bias";
constexpr std::string_view kWeight = "weight";

// What a new tensor needs, and the ways around it.
constexpr std::string_view kLoader =
    "the program that loads the weights must give the layer a bias too, or it leaves the new "
    "tensor out";
constexpr std::string_view kWithoutNewTensor =
    "correct its scores with p2p correct, bake the model exported to ONNX or TorchScript, or bake "
    "the module in Python: bake(module, prior)";

/// What is before `ending` in "bias" or "layer.bias", its dot included.
std::optional<std::string> prefix_of(std::string_view name, std::string_view ending) {
  if (!name.ends_with(ending)) return std::nullopt;
  name.remove_suffix(ending.size());
  if (!name.empty() && !name.ends_with('.')) return std::nullopt;
  return std::string(name);
}

std::string layer_of(const std::string& prefix) {
  return prefix.empty() ? prefix : prefix.substr(0, prefix.size() - 1);
}

std::string described(const io::Tensor& tensor) {
  return fmt::format("{} {}", io::printable(tensor.name), io::shape_text(tensor.info.shape));
}

/// A matrix, or a convolution that looks at one place: what makes one score for each class.
bool is_matrix(const io::Tensor& weight) {
  const auto& shape = weight.info.shape;
  return shape.size() >= 2 &&
         std::all_of(shape.begin() + 2, shape.end(), [](std::int64_t size) { return size == 1; });
}

/// Named as model-00001-of-00005.safetensors.
bool is_shard(std::string_view path) {
  const auto drop = [&](std::string_view ending) {
    if (!path.ends_with(ending)) return false;
    path.remove_suffix(ending.size());
    return true;
  };
  const auto drop_number = [&] {
    const std::size_t before = path.size();
    path = path.substr(0, path.find_last_not_of("0123456789") + 1);
    return path.size() < before;
  };
  return drop(".safetensors") && drop_number() && drop("-of-") && drop_number() && drop("-");
}

class HeadFinder {
 public:
  HeadFinder(const io::SafetensorsHeader& header, const std::string& file, std::int64_t n_classes)
      : header_(header),
        path_(file),
        file_(io::quote(file)),
        n_classes_(n_classes),
        architecture_(io::printable(architecture_beside(file))) {
    for (const io::Tensor& tensor : header.tensors) by_name_.emplace(tensor.name, &tensor);
  }

  [[nodiscard]] SafetensorsHead named(const std::string& name) const {
    const io::Tensor* bias = find(name);
    if (bias == nullptr) {
      std::vector<std::string> names;
      for (const io::Tensor& tensor : header_.tensors) names.push_back(described(tensor));
      throw_bad_data(fmt::format("{} has no tensor {}, which --tensor names; found {}", file_,
                                 io::quote(name), list_or_none(names)));
    }
    const auto& shape = bias->info.shape;
    const bool is_row = shape.size() == 1 || (shape.size() == 2 && shape[0] == 1);
    if (!io::is_float(bias->info.element) || !is_row || !fits(shape.back())) {
      throw_bad_data(fmt::format(
          "tensor {} of {} is {} of shape {}, but the bias that --tensor names is a float vector "
          "of {}; name another one or use a prior of this model's classes",
          io::quote(name), file_, bias->info.stored_type, io::shape_text(shape),
          n_classes_ == 0 ? "one number a class" : fmt::format("{} classes", n_classes_)));
    }
    const auto prefix = prefix_of(name, kBias);
    SafetensorsHead head{prefix ? layer_of(*prefix) : name, *bias, false, {}};
    const io::Tensor* weight = prefix ? find(*prefix + std::string(kWeight)) : nullptr;
    if (weight != nullptr && has_rows(*weight, shape.back())) head.weight = *weight;
    return head;
  }

  [[nodiscard]] SafetensorsHead with_new_bias(const std::string& name) const {
    const auto prefix = prefix_of(name, kBias);
    if (!prefix) {
      throw_usage(
          fmt::format("--add-bias {} does not end in '.bias'; name it after the layer's "
                      "weight, as fc.bias after fc.weight",
                      io::quote(name)));
    }
    if (find(name) != nullptr) {
      throw_bad_data(
          fmt::format("{} has a tensor {} already; name it with --tensor instead of "
                      "--add-bias",
                      file_, io::quote(name)));
    }
    const std::string beside = *prefix + std::string(kWeight);
    if (is_embedding(layer_of(*prefix))) {
      throw_bad_data(
          fmt::format("--add-bias {}: by its name {} of {} is an embedding, whose rows are looked "
                      "up, so no bias there shifts scores; {}",
                      io::quote(name), io::quote(beside), file_, kWithoutNewTensor));
    }
    if (!architecture_.empty()) {
      throw_bad_data(fmt::format(
          "--add-bias {}: {}, which config.json beside {} names, has no such bias, so "
          "from_pretrained would leave it out and the scores uncorrected; {}; for a program of "
          "your own that gives the layer a bias, bake a copy without config.json beside it",
          io::quote(name), architecture_, file_, kWithoutNewTensor));
    }
    const io::Tensor* weight = find(beside);
    if (weight == nullptr) {
      throw_bad_data(fmt::format(
          "{} has no tensor {} that --add-bias {} could be the bias of; the layers of {} classes "
          "without a bias could take {}",
          file_, io::quote(beside), io::quote(name), rows_text(), list_or_none(missing_biases())));
    }
    const auto& shape = weight->info.shape;
    if (!io::is_float(weight->info.element) || shape.empty() || !has_rows(*weight, shape[0]) ||
        !fits(shape[0])) {
      throw_bad_data(fmt::format(
          "tensor {} of {} is {} of shape {}, but the weight of a layer that gets a bias is a "
          "float array [{}, d]; name another layer or use a prior of this model's classes",
          io::quote(beside), file_, weight->info.stored_type, io::shape_text(shape), rows_text()));
    }
    SafetensorsHead head{layer_of(*prefix), {}, true, *weight};
    head.bias.name = name;
    head.bias.info = weight->info;
    head.bias.info.shape.assign(1, shape[0]);
    return head;
  }

  [[nodiscard]] SafetensorsHead found() const {
    std::vector<SafetensorsHead> heads;
    for (const io::Tensor& bias : header_.tensors) {
      auto head = head_of(bias);
      if (!head) head = loose(bias);
      if (head && fits(head->classes())) heads.push_back(*head);
    }
    if (heads.empty()) {
      throw_bad_data(fmt::format("{} has no tensor *.bias [{}] beside a *.weight [{}, d]{}", file_,
                                 rows_text(), rows_text(), instead()));
    }
    const std::vector<std::string> missing = missing_biases(heads[0].classes());
    if (heads.size() == 1 && missing.empty()) return heads[0];
    std::vector<std::string> names;
    for (const SafetensorsHead& head : heads) names.push_back(described(head.bias));
    if (!missing.empty()) {
      throw_bad_data(
          fmt::format("{} has layers of {} classes with a bias ({}) and without ({}); if the last "
                      "one has a bias, name it with --tensor, else {}",
                      file_, heads[0].classes(), io::list_text(names), io::list_text(missing),
                      making_one("--add-bias makes one")));
    }
    throw_bad_data(
        fmt::format("{} has {} layers that may make the scores: {}; name the bias of the "
                    "last one with --tensor",
                    file_, heads.size(), io::list_text(names)));
  }

 private:
  [[nodiscard]] const io::Tensor* find(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

  [[nodiscard]] bool fits(std::int64_t classes) const {
    return n_classes_ == 0 ? classes >= 2 : classes == n_classes_;
  }

  [[nodiscard]] std::string rows_text() const {
    return n_classes_ == 0 ? "C" : std::to_string(n_classes_);
  }

  static bool has_rows(const io::Tensor& weight, std::int64_t rows) {
    return weight.info.shape.size() >= 2 && weight.info.shape[0] == rows;
  }

  /// `bias` as that of a layer of any number of classes.
  [[nodiscard]] std::optional<SafetensorsHead> head_of(const io::Tensor& bias) const {
    const auto prefix = prefix_of(bias.name, kBias);
    if (!prefix || !io::is_float(bias.info.element) || bias.info.shape.size() != 1) return {};
    const io::Tensor* weight = find(*prefix + std::string(kWeight));
    if (weight == nullptr || !is_matrix(*weight) || !has_rows(*weight, bias.info.shape[0])) {
      return {};
    }
    return SafetensorsHead{layer_of(*prefix), bias, false, *weight};
  }

  /// A bias whose weight is not beside it, as of a layer that shares the weight of an embedding.
  [[nodiscard]] std::optional<SafetensorsHead> loose(const io::Tensor& bias) const {
    const auto prefix = prefix_of(bias.name, kBias);
    if (!prefix || !io::is_float(bias.info.element) || bias.info.shape.size() != 1 ||
        find(*prefix + std::string(kWeight)) != nullptr) {
      return {};
    }
    return SafetensorsHead{layer_of(*prefix), bias, false, {}};
  }

  /// Whether a loose bias is that of the layer before `prefix`: predictions.bias of
  /// predictions.decoder.
  [[nodiscard]] bool has_loose_bias(std::string_view prefix, std::int64_t classes) const {
    return std::ranges::any_of(header_.tensors, [&](const io::Tensor& bias) {
      const auto head = loose(bias);
      return head && head->classes() == classes && !head->layer.empty() &&
             prefix.starts_with(head->layer + ".");
    });
  }

  /// Biases that layers of this many classes (0: of as many as are looked for) lack.
  [[nodiscard]] std::vector<std::string> missing_biases(std::int64_t classes = 0) const {
    std::vector<std::string> names;
    for (const io::Tensor& weight : header_.tensors) {
      const auto prefix = prefix_of(weight.name, kWeight);
      const bool takes_bias = io::is_float(weight.info.element) && is_matrix(weight) &&
                              fits(weight.info.shape[0]) &&
                              (classes == 0 || weight.info.shape[0] == classes);
      if (!prefix || !takes_bias || is_embedding(layer_of(*prefix)) ||
          has_loose_bias(*prefix, weight.info.shape[0])) {
        continue;
      }
      const std::string bias = *prefix + std::string(kBias);
      if (find(bias) == nullptr) names.push_back(io::printable(bias));
    }
    return names;
  }

  /// What there is when there is no candidate, and what can be done, as the end of a sentence.
  [[nodiscard]] std::string instead() const {
    const std::vector<std::string> missing = missing_biases();
    if (missing.size() == 1) {
      return ": the head has no bias; " +
             making_one(fmt::format("--add-bias {} makes one", missing[0]));
    }
    if (!missing.empty()) {
      return ": the head has no bias; " +
             making_one(
                 fmt::format("--add-bias NAME makes one, NAME one of {}", io::list_text(missing)));
    }
    std::vector<std::string> others;
    for (const io::Tensor& tensor : header_.tensors) {
      if (head_of(tensor) || loose(tensor)) others.push_back(described(tensor));
    }
    return fmt::format(
        ", found {}; name the bias with --tensor or use a prior of this model's "
        "classes{}",
        list_or_none(others), shard_hint());
  }

  /// `advice`, which makes a tensor, or what to do where nothing would load it.
  [[nodiscard]] std::string making_one(const std::string& advice) const {
    if (architecture_.empty()) return fmt::format("{} ({})", advice, kLoader);
    return fmt::format("{}, which config.json names, would leave a new one out: {}", architecture_,
                       kWithoutNewTensor);
  }

  [[nodiscard]] std::string shard_hint() const {
    if (!is_shard(path_)) return "";
    return "; or take another of the files that this model is in, which may hold the head";
  }

  static std::string list_or_none(const std::vector<std::string>& names) {
    return names.empty() ? "none" : io::list_text(names);
  }

  const io::SafetensorsHeader& header_;
  std::string path_;
  std::string file_;  ///< the path for messages
  std::int64_t n_classes_;
  std::string architecture_;  ///< that loads the file, or empty
  std::unordered_map<std::string, const io::Tensor*> by_name_;
};

void refuse_graph_options(const BakeOptions& options) {
  if (options.mode == BakeMode::kAdd) {
    throw_usage(
        "--mode add needs a graph, and a .safetensors file holds weights only; use --mode "
        "fold or bake the exported .onnx model");
  }
  if (!options.output_name.empty()) {
    throw_usage(
        "--output-name is for .onnx models, and a .safetensors file has no outputs; name "
        "the bias with --tensor");
  }
  if (!options.tensor.empty() && !options.add_bias.empty()) {
    throw_usage(
        "--tensor and --add-bias exclude each other: the head has a bias or gets one; give "
        "one of them");
  }
}

}  // namespace

SafetensorsHead find_safetensors_head(const io::SafetensorsHeader& header, const std::string& file,
                                      std::int64_t n_classes, const BakeOptions& options) {
  refuse_graph_options(options);
  const HeadFinder finder(header, file, n_classes);
  if (!options.tensor.empty()) return finder.named(options.tensor);
  if (!options.add_bias.empty()) return finder.with_new_bias(options.add_bias);
  return finder.found();
}

}  // namespace p2p::model
