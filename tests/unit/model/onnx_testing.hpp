#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "model/onnx_edit.hpp"
#include "model/protobuf.hpp"
#include "support/written_file.hpp"

/// ONNX models made field by field.
namespace p2p::model::test {

inline std::string floats(const std::vector<float>& values) { return p2p::test::bytes_of(values); }

inline std::string value_info(const std::string& name, const std::vector<std::int64_t>& dims,
                              std::int32_t type = kOnnxFloat) {
  std::string shape;
  for (const std::int64_t size : dims) {
    shape += bytes_field(
        1, size < 0 ? bytes_field(2, "N") : varint_field(1, static_cast<std::uint64_t>(size)));
  }
  return bytes_field(1, name) +
         bytes_field(2, bytes_field(1, varint_field(1, static_cast<std::uint64_t>(type)) +
                                           bytes_field(2, shape)));
}

inline std::string string_attribute(const std::string& name, const std::string& value) {
  return bytes_field(1, name) + bytes_field(4, value) + varint_field(20, 3);
}

inline std::string external_tensor(const std::string& name, const std::vector<std::int64_t>& dims,
                                   const std::string& location, const std::string& length) {
  std::string message;
  for (const std::int64_t size : dims) message += varint_field(1, static_cast<std::uint64_t>(size));
  message += varint_field(2, kOnnxFloat) + bytes_field(8, name);
  message += bytes_field(13, bytes_field(1, "location") + bytes_field(2, location));
  message += bytes_field(13, bytes_field(1, "length") + bytes_field(2, length));
  return message + varint_field(14, 1);
}

/// Parts of a model; serialize() puts them together.
struct Parts {
  std::vector<std::string> nodes;
  std::vector<std::string> initializers;
  std::vector<std::string> inputs = {value_info("x", {-1, 2})};
  std::vector<std::string> outputs = {value_info("scores", {-1, 3})};
  std::uint64_t ir_version = 8;
  std::uint64_t opset = 13;
  std::string model_fields;  ///< more fields of the model

  [[nodiscard]] std::string graph() const {
    std::string graph;
    for (const auto& node : nodes) graph += bytes_field(1, node);
    graph += bytes_field(2, "graph");
    for (const auto& tensor : initializers) graph += bytes_field(5, tensor);
    for (const auto& input : inputs) graph += bytes_field(11, input);
    for (const auto& output : outputs) graph += bytes_field(12, output);
    return graph;
  }
  [[nodiscard]] std::string serialize() const {
    return varint_field(1, ir_version) + bytes_field(2, "test") + bytes_field(7, graph()) +
           bytes_field(8, varint_field(2, opset)) + model_fields;
  }
};

inline std::string number(const std::string& name, float value) {
  return make_tensor(name, DType::kF32, {}, floats({value}));
}

/// `nodes` make "p", a number of each of three classes, of the inputs "x" and "y".
inline Parts making_p(std::vector<std::string> nodes, std::vector<std::string> values,
                      std::uint64_t opset) {
  Parts parts;
  parts.nodes = std::move(nodes);
  parts.initializers = std::move(values);
  parts.inputs = {value_info("x", {-1, 3}), value_info("y", {-1, 3})};
  parts.outputs = {value_info("p", {-1, 3})};
  parts.opset = opset;
  return parts;
}

inline const std::vector<float> kWeights = {1, 2, 3, 4, 5, 6};
inline const std::vector<float> kBias = {0.5F, -1, 2};

/// scores = x W + b, three classes, with b the initializer "b".
inline Parts gemm_parts(const std::string& attributes = "") {
  Parts parts;
  std::string node = make_node({"x", "W", "b"}, "scores", "fc", "Gemm");
  if (!attributes.empty()) node += bytes_field(5, attributes);
  parts.nodes = {node};
  parts.initializers = {make_tensor("W", DType::kF32, {2, 3}, floats(kWeights)),
                        make_tensor("b", DType::kF32, {3}, floats(kBias))};
  return parts;
}

/// A model file in a folder of its own.
class ModelFile {
 public:
  explicit ModelFile(const std::string& bytes) { p2p::test::write_file(path(), bytes); }
  explicit ModelFile(const Parts& parts) : ModelFile(parts.serialize()) {}
  [[nodiscard]] std::string path(const std::string& name = "model.onnx") const {
    return folder_.path(name);
  }
  [[nodiscard]] std::string bytes(const std::string& name = "model.onnx") const {
    return p2p::test::read_file(path(name));
  }
  [[nodiscard]] std::vector<std::string> list() const { return folder_.list(); }

 private:
  p2p::test::OutputFolder folder_;
};

}  // namespace p2p::model::test
