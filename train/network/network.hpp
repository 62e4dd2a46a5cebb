#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// A network as data: what LibTorch runs, what the ONNX file says and what the weight file holds
/// all come from this one list of nodes.
namespace p2p::network {

enum class Op : std::uint8_t {
  kInput,        ///< images [N, channels, height, width], values 0..1
  kNormalize,    ///< (x - mean_c) / deviation_c
  kConvolution,  ///< no bias; weight [out, in, k, k]
  kBatchNorm,    ///< weight, bias, running_mean, running_var [channels]; epsilon kBatchNormEpsilon
  kRelu,         ///<
  kAdd,          ///< of two nodes
  kShortcut,     ///< option A (He et al. 2015): every second pixel, zero channels on both sides
  kMaxPool,      ///< window `kernel`
  kMean,         ///< over height and width: [N, channels]
  kFlatten,      ///< [N, channels * height * width]
  kLinear,       ///< weight [out, in], bias [out]
  kCosine,       ///< scale * cos(x, weight_c); weight [out, in] (Gidaris and Komodakis 2018)
};

inline constexpr double kBatchNormEpsilon = 1e-5;
/// Scale of a cosine head, as in LDAM (Cao et al. 2019).
inline constexpr double kCosineScale = 30;

/// How a parameter starts.
enum class Start : std::uint8_t {
  kZeros,
  kOnes,
  kHe,       ///< normal, deviation sqrt(2 / (out k k)) (He et al. 2015, fan-out)
  kUniform,  ///< in +-1 / sqrt(fan_in)
};

struct Parameter {
  std::string name;  ///< as in PyTorch's state dicts: "layer1.0.conv1.weight"
  std::vector<std::int64_t> shape;
  Start start = Start::kZeros;
  std::int64_t fan = 1;  ///< what `start` divides by
  bool trained = true;   ///< false: running moments of batch norm
  bool decays = true;    ///< false under --no-bias-decay: biases and batch norm
  [[nodiscard]] std::int64_t size() const;
};

struct Node {
  Op op = Op::kInput;
  std::string name;                         ///< unique: "layer1.0.conv1"
  std::vector<int> inputs;                  ///< earlier nodes
  std::vector<int> parameters;              ///< of this node, in the order that `op` lists
  std::int64_t channels = 0;                ///< of what it makes (kFlatten, kLinear: width)
  int kernel = 1, stride = 1, padding = 0;  ///< kConvolution, kMaxPool; kShortcut has stride too
};

/// What a network is made from; stands in the weight file, so that it can be made again.
struct NetworkConfig {
  std::string name = "resnet32";  ///< see network_names()
  std::int64_t channels = 3, height = 32, width = 32;
  std::int64_t classes = 0;
  bool cosine_head = false;
  std::vector<float> mean, deviation;  ///< [channels], of values 0..1
  bool operator==(const NetworkConfig&) const = default;
};

struct Network {
  NetworkConfig config;
  std::vector<Parameter> parameters;
  std::vector<Node> nodes;  ///< can be computed in this order; the last makes the scores
  int features = 0;         ///< the node before the head: penultimate features [N, width]
  /// Numbers that are trained.
  [[nodiscard]] std::int64_t trained_numbers() const;
};

/// resnet20, resnet32, resnet44: CIFAR networks of He et al. 2015, 3 stages of 16, 32 and 64
///   channels, option A; resnet18, resnet50: theirs for 224 pixels, option B, strides as
///   torchvision has them; mlp: two hidden layers of 512 with ReLU.
/// Error{kUsage}: another name; images too small for it (below 8 pixels a side; 32 for 18 and 50)
///   or larger than 4096; neither 1 nor 3 channels; fewer than 2 classes or more than 2^20; a mean
///   or deviation that is not one finite number for each channel, a deviation that is not positive.
Network make_network(const NetworkConfig& config);

const std::vector<std::string_view>& network_names();

}  // namespace p2p::network
