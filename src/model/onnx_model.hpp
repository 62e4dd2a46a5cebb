#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "model/protobuf.hpp"
#include "p2p/types.hpp"

/// An ONNX model as its structure: what is connected to what and where the bytes lie. Weights are
/// not read. Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
namespace p2p::model {

/// Element types of TensorProto that scores and biases may have; others keep their number.
enum OnnxType : std::int32_t {
  kOnnxUndefined = 0,
  kOnnxFloat = 1,
  kOnnxInt64 = 7,
  kOnnxString = 8,
  kOnnxFloat16 = 10,
  kOnnxDouble = 11,
  kOnnxBFloat16 = 16,
};
/// Empty for types that hold no scores.
std::optional<DType> score_type(std::int32_t onnx_type);
std::int32_t onnx_type(DType dtype);

struct OnnxTensor {
  std::string name;
  Span field;    ///< in the graph, tag included
  Span message;  ///< the TensorProto
  std::int32_t type = kOnnxUndefined;
  std::vector<std::int64_t> dims;
  bool external = false;
  std::string location;  ///< of external data, relative to the model's folder
  std::int64_t external_offset = 0;
  std::int64_t external_length = -1;            ///< -1: to the end of the file
  std::int64_t raw_length = -1;                 ///< bytes of raw_data; -1: not stored so
  [[nodiscard]] std::int64_t elements() const;  ///< of the dims, checked when read
};

struct OnnxNode {
  Span field;    ///< in the graph, tag included
  Span message;  ///< the NodeProto
  std::string op, domain, name;
  std::vector<std::string> inputs, outputs;
  std::vector<std::string> captured;  ///< names that graphs in its attributes mention
  /// "Gemm 'head/fc'", for people; the output stands in where the node has no name.
  [[nodiscard]] std::string words() const;
  [[nodiscard]] bool is(std::string_view onnx_op) const { return domain.empty() && op == onnx_op; }
  [[nodiscard]] bool is_ml(std::string_view ml_op) const {
    return domain == "ai.onnx.ml" && op == ml_op;
  }
};
/// Whether the node is one of these operators of the standard domain.
bool is_one_of(std::span<const std::string_view> ops, const OnnxNode& node);

/// An input, an output or value_info of the graph.
struct OnnxValue {
  std::string name;
  bool is_tensor = false;
  std::int32_t type = kOnnxUndefined;              ///< of the elements of a tensor
  std::optional<std::vector<std::int64_t>> shape;  ///< -1: not fixed; empty: not even the rank
};

struct OnnxAttribute {
  Span field;  ///< in the node
  float f = 0;
  std::int64_t i = 0;
  std::string s;  ///< read only where it is short
  std::vector<std::int64_t> ints;
  std::vector<float> floats;
  std::vector<std::string> strings;
  std::optional<OnnxTensor> tensor;
};

struct OnnxModel {
  std::unique_ptr<WireFile> wire;
  std::string path;
  std::int64_t ir_version = 0;
  std::int64_t opset = 0;  ///< of the standard domain; 0: not imported
  Span graph_field, graph;
  std::vector<OnnxNode> nodes;
  std::vector<OnnxTensor> initializers;
  std::vector<OnnxValue> inputs, outputs, values;
  struct Metadata {
    Span field, value;
  };
  std::map<std::string, Metadata> metadata;  ///< by key
  std::vector<std::string> functions;        ///< "domain.name" of model-local functions
  std::vector<OnnxTensor> external;          ///< all tensors whose data lie in other files

  std::unordered_map<std::string, std::size_t> producer;  ///< value -> node
  std::unordered_set<std::string> written_twice;  ///< values of nodes that come again, byte by byte
  std::unordered_map<std::string, std::size_t> initializer;  ///< name -> initializer
  std::unordered_map<std::string, const OnnxValue*> stated;  ///< by name; outputs before inputs
  std::unordered_map<std::string, int> uses;  ///< how often a value is consumed, subgraphs and
                                              ///< outputs of the graph included

  [[nodiscard]] const OnnxNode* maker(const std::string& value) const;
  [[nodiscard]] const OnnxTensor* find_initializer(const std::string& value) const;
  [[nodiscard]] const OnnxValue* find_output(const std::string& name) const;
  /// What the model says of a value: input, output or value_info; null when nothing.
  [[nodiscard]] const OnnxValue* find_value(const std::string& name) const;
  [[nodiscard]] int times_used(const std::string& value) const;
  /// A metadata value; empty when there is none, or one of more than `most` bytes.
  [[nodiscard]] std::optional<std::string> metadata_text(const std::string& key,
                                                         std::int64_t most) const;
  /// The attribute, or empty. Error when it is damaged.
  [[nodiscard]] std::optional<OnnxAttribute> attribute(const OnnxNode& node,
                                                       std::string_view name) const;
  [[nodiscard]] std::int64_t int_attribute(const OnnxNode& node, std::string_view name,
                                           std::int64_t otherwise) const;
  /// The tensor behind a value: an initializer, or what a Constant node holds. Empty otherwise.
  [[nodiscard]] std::optional<OnnxTensor> constant(const std::string& value) const;
};

/// Most nodes, tensors and names of a graph.
inline constexpr std::size_t kMostOnnxItems = 1'000'000;
/// Deepest nesting of graphs in graphs.
inline constexpr int kDeepestGraph = 32;

/// Error{kBadData}: no protocol buffer, no graph, two of them, a cycle, a value made twice, an
/// initializer whose bytes do not fit its shape, external data that lies outside the model's
/// folder, does not exist or is too short. O(structure).
OnnxModel load_onnx(const std::string& path);

/// A tensor of a message of the wire format. `field` is left alone.
OnnxTensor read_tensor(WireFile& wire, Span message);

/// Elements of a small tensor of int64 that lies in the model; empty when it is something else.
std::vector<std::int64_t> tensor_integers(const OnnxModel& model, const OnnxTensor& tensor);

/// Strings of a tensor of strings.
std::vector<std::string> tensor_strings(const OnnxModel& model, const OnnxTensor& tensor);

/// The elements of a float tensor, little-endian, as its type stores them. Error when their number
/// is not that of the dims.
std::string tensor_bytes(const OnnxModel& model, const OnnxTensor& tensor);

/// The TensorProto with `bytes` as raw data in place of what it held; type, name, dims and all else
/// as they are.
std::string with_raw_data(const OnnxModel& model, const OnnxTensor& tensor, std::string_view bytes);

/// A new TensorProto.
std::string make_tensor(const std::string& name, DType dtype, const std::vector<std::int64_t>& dims,
                        std::string_view bytes);
/// A new TensorProto of one axis.
std::string make_integers(const std::string& name, const std::vector<std::int64_t>& values);
std::string make_strings(const std::string& name, const std::vector<std::string>& values);

}  // namespace p2p::model
