#include "network/onnx_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "io/atomic_file.hpp"
#include "io/text.hpp"
#include "model/onnx_edit.hpp"
#include "model/protobuf.hpp"
#include "p2p/error.hpp"
#include "p2p/version.hpp"

namespace p2p::network {
namespace {

using model::bytes_field;
using model::float_attribute;
using model::make_node;
using model::make_tensor;
using model::varint_bytes;
using model::varint_field;

static_assert(std::endian::native == std::endian::little);  // as raw_data has them

constexpr std::uint64_t kIrVersion = 8;
constexpr std::uint64_t kOpset = 13;
/// Protocol buffers are not read beyond.
constexpr std::int64_t kMostBytes = std::numeric_limits<std::int32_t>::max();
constexpr double kLeastNorm = 1e-12;

/// Bytes in order, of which weights stay where they are.
class Pieces {
 public:
  void add(std::string text) {
    bytes_ += std::ssize(text);
    pieces_.push_back({std::move(text), nullptr, 0});
  }
  void add(const float* numbers, std::int64_t count) {
    bytes_ += count * std::int64_t{sizeof(float)};
    pieces_.push_back({"", numbers, count});
  }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  /// Writes them from `offset` on; returns where they end.
  [[nodiscard]] std::int64_t write(io::AtomicFile& file, std::int64_t offset) const {
    for (const Piece& piece : pieces_) {
      const void* data =
          piece.numbers != nullptr ? static_cast<const void*>(piece.numbers) : piece.text.data();
      const std::int64_t bytes = piece.numbers != nullptr
                                     ? piece.count * std::int64_t{sizeof(float)}
                                     : std::ssize(piece.text);
      file.write_at(offset, data, bytes);
      offset += bytes;
    }
    return offset;
  }

 private:
  struct Piece {
    std::string text;
    const float* numbers;
    std::int64_t count;
  };
  std::vector<Piece> pieces_;
  std::int64_t bytes_ = 0;
};

/// Tag and length of a field whose bytes follow.
std::string field_start(std::uint32_t number, std::int64_t bytes) {
  return varint_bytes(std::uint64_t{number} << 3 | 2U) +
         varint_bytes(static_cast<std::uint64_t>(bytes));
}

template <class T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string int_attribute(std::string_view name, std::int64_t value) {
  return bytes_field(1, name) + varint_field(3, static_cast<std::uint64_t>(value)) +
         varint_field(20, 2);
}

std::string ints_attribute(std::string_view name, const std::vector<std::int64_t>& values) {
  std::string message = bytes_field(1, name);
  for (const std::int64_t value : values) {
    message += varint_field(8, static_cast<std::uint64_t>(value));
  }
  return message + varint_field(20, 7);
}

/// A size of -1: that of the batch, which is not fixed.
std::string value_info(const std::string& name, const std::vector<std::int64_t>& shape) {
  std::string dims;
  for (const std::int64_t size : shape) {
    dims += bytes_field(
        1, size < 0 ? bytes_field(2, "N") : varint_field(1, static_cast<std::uint64_t>(size)));
  }
  const std::string type = varint_field(1, model::kOnnxFloat) + bytes_field(2, dims);
  return bytes_field(1, name) + bytes_field(2, bytes_field(1, type));
}

/// scale * w_c / max(|w_c|, kLeastNorm) of each row.
std::vector<float> cosine_weight(const float* weight, std::int64_t rows, std::int64_t width) {
  std::vector<float> unit(static_cast<std::size_t>(rows * width));
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* from = weight + row * width;
    double squares = 0;
    for (std::int64_t i = 0; i < width; ++i) squares += double{from[i]} * from[i];
    const double factor = kCosineScale / std::max(std::sqrt(squares), kLeastNorm);
    for (std::int64_t i = 0; i < width; ++i) {
      unit[static_cast<std::size_t>(row * width + i)] = static_cast<float>(factor * from[i]);
    }
  }
  return unit;
}

/// The fields of a GraphProto.
class Graph {
 public:
  Graph(const Network& network, const std::vector<const float*>& values)
      : network_(network), values_(values) {
    for (const Node& node : network.nodes) add(node);
    const NetworkConfig& config = network.config;
    pieces_.add(bytes_field(2, config.name));
    pieces_.add(
        bytes_field(11, value_info(value(0), {-1, config.channels, config.height, config.width})));
    pieces_.add(bytes_field(12, value_info("scores", {-1, config.classes})));
  }
  [[nodiscard]] const Pieces& pieces() const { return pieces_; }

 private:
  /// What the value of a node is called.
  [[nodiscard]] std::string value(int node) const {
    const bool last = node + 1 == std::ssize(network_.nodes);
    return last ? "scores" : network_.nodes[static_cast<std::size_t>(node)].name;
  }

  void add(const Node& node) {
    const std::string& in = node.inputs.empty() ? node.name : value(node.inputs.front());
    switch (node.op) {
      case Op::kInput:
        return;
      case Op::kNormalize:
        return add_normalize(node, in);
      case Op::kConvolution:
        return add_node(node, "Conv", with_parameters(node, in), window(node));
      case Op::kBatchNorm:
        return add_node(node, "BatchNormalization", with_parameters(node, in),
                        {float_attribute("epsilon", static_cast<float>(kBatchNormEpsilon))});
      case Op::kRelu:
        return add_node(node, "Relu", {in});
      case Op::kAdd:
        return add_node(node, "Add", {in, value(node.inputs[1])});
      case Op::kShortcut:
        return add_shortcut(node, in);
      case Op::kMaxPool:
        return add_node(node, "MaxPool", {in}, window(node));
      case Op::kMean:
        add_step(node.name + ".pooled", "GlobalAveragePool", {in});
        return add_node(node, "Flatten", {node.name + ".pooled"});
      case Op::kFlatten:
        return add_node(node, "Flatten", {in});
      case Op::kLinear:
        return add_node(node, "Gemm", with_parameters(node, in), {int_attribute("transB", 1)});
      case Op::kCosine:
        return add_cosine(node, in);
    }
  }

  void add_normalize(const Node& node, const std::string& in) {
    const NetworkConfig& config = network_.config;
    const std::vector<std::int64_t> shape = {config.channels, 1, 1};
    add_floats(node.name + ".mean", shape, config.mean);
    add_floats(node.name + ".deviation", shape, config.deviation);
    add_step(node.name + ".centred", "Sub", {in, node.name + ".mean"});
    add_node(node, "Div", {node.name + ".centred", node.name + ".deviation"});
  }

  void add_shortcut(const Node& node, const std::string& in) {
    const std::int64_t had = network_.nodes[static_cast<std::size_t>(node.inputs.front())].channels;
    const std::int64_t front = (node.channels - had) / 2;
    const std::int64_t back = node.channels - had - front;
    constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
    add_step(
        node.name + ".pixels", "Slice",
        {in, add_integers(node.name + ".starts", {0, 0}),
         add_integers(node.name + ".ends", {kEnd, kEnd}), add_integers(node.name + ".axes", {2, 3}),
         add_integers(node.name + ".steps", {node.stride, node.stride})});
    add_node(node, "Pad",
             {node.name + ".pixels",
              add_integers(node.name + ".pads", {0, front, 0, 0, 0, back, 0, 0})});
  }

  /// scale * x / max(|x|, kLeastNorm) . w_c / max(|w_c|, kLeastNorm)
  void add_cosine(const Node& node, const std::string& in) {
    const int weight = node.parameters.front();
    const Parameter& parameter = network_.parameters[static_cast<std::size_t>(weight)];
    add_floats(parameter.name, parameter.shape,
               cosine_weight(values_[static_cast<std::size_t>(weight)], parameter.shape[0],
                             parameter.shape[1]));
    add_floats(node.name + ".least", {}, {static_cast<float>(kLeastNorm)});
    add_step(node.name + ".norm", "ReduceL2", {in}, {ints_attribute("axes", {1})});
    add_step(node.name + ".divisor", "Max", {node.name + ".norm", node.name + ".least"});
    add_step(node.name + ".unit", "Div", {in, node.name + ".divisor"});
    add_node(node, "Gemm", {node.name + ".unit", parameter.name}, {int_attribute("transB", 1)});
  }

  static std::vector<std::string> window(const Node& node) {
    const std::int64_t kernel = node.kernel;
    const std::int64_t stride = node.stride;
    const std::int64_t padding = node.padding;
    return {ints_attribute("kernel_shape", {kernel, kernel}),
            ints_attribute("strides", {stride, stride}),
            ints_attribute("pads", {padding, padding, padding, padding})};
  }

  /// The node that makes the value of `node`.
  void add_node(const Node& node, const std::string& op, const std::vector<std::string>& inputs,
                const std::vector<std::string>& attributes = {}) {
    add_message(
        make_node(inputs, value(static_cast<int>(&node - network_.nodes.data())), node.name, op),
        attributes);
  }
  /// One on the way there.
  void add_step(const std::string& made, const std::string& op,
                const std::vector<std::string>& inputs,
                const std::vector<std::string>& attributes = {}) {
    add_message(make_node(inputs, made, made, op), attributes);
  }
  void add_message(std::string message, const std::vector<std::string>& attributes) {
    for (const std::string& attribute : attributes) message += bytes_field(5, attribute);
    pieces_.add(bytes_field(1, message));
  }

  /// `in` and the parameters of the node, which are written.
  std::vector<std::string> with_parameters(const Node& node, const std::string& in) {
    std::vector<std::string> names = {in};
    for (const int i : node.parameters) {
      const Parameter& parameter = network_.parameters[static_cast<std::size_t>(i)];
      names.push_back(parameter.name);
      std::string start = make_tensor(parameter.name, DType::kF32, parameter.shape, "");
      start.resize(start.size() - bytes_field(9, "").size());
      const std::int64_t bytes = parameter.size() * std::int64_t{sizeof(float)};
      start += field_start(9, bytes);
      pieces_.add(field_start(5, std::ssize(start) + bytes) + start);
      pieces_.add(values_[static_cast<std::size_t>(i)], parameter.size());
    }
    return names;
  }
  void add_floats(const std::string& name, const std::vector<std::int64_t>& shape,
                  const std::vector<float>& numbers) {
    pieces_.add(bytes_field(5, make_tensor(name, DType::kF32, shape, bytes_of(numbers))));
  }
  std::string add_integers(const std::string& name, const std::vector<std::int64_t>& numbers) {
    pieces_.add(bytes_field(5, varint_field(1, numbers.size()) +
                                   varint_field(2, model::kOnnxInt64) + bytes_field(8, name) +
                                   bytes_field(9, bytes_of(numbers))));
    return name;
  }

  const Network& network_;
  const std::vector<const float*>& values_;
  Pieces pieces_;
};

std::string class_field(const std::vector<std::string>& classes) {
  for (const std::string& name : classes) {
    if (io::is_utf8(name)) continue;
    throw_bad_data(
        fmt::format("the class name {} is not UTF-8, as ONNX files have to be; rename the class",
                    io::quote(name)));
  }
  const std::string list = nlohmann::json(classes).dump();
  return bytes_field(14, bytes_field(1, "classes") + bytes_field(2, list));
}

}  // namespace

void write_onnx(const std::string& path, const Network& network,
                const std::vector<const float*>& values, const std::vector<std::string>& classes) {
  assert(values.size() == network.parameters.size());
  assert(classes.empty() || std::ssize(classes) == network.config.classes);
  const Graph graph(network, values);
  Pieces start;
  start.add(varint_field(1, kIrVersion) + bytes_field(2, "p2p") + bytes_field(3, kVersion) +
            bytes_field(8, varint_field(2, kOpset)));
  if (!classes.empty()) start.add(class_field(classes));
  start.add(field_start(7, graph.pieces().bytes()));
  const std::int64_t bytes = start.bytes() + graph.pieces().bytes();
  if (bytes > kMostBytes) {
    throw_bad_data(fmt::format(
        "{} would have {} bytes, and an ONNX file holds at most {}; train a smaller network",
        io::quote(path), bytes, kMostBytes));
  }
  io::AtomicFile file(path);
  file.reserve(bytes);
  const std::int64_t end = graph.pieces().write(file, start.write(file, 0));
  assert(end == bytes);
  static_cast<void>(end);
  file.commit();
}

}  // namespace p2p::network
