#pragma once

#include <cstddef>
#include <optional>

#include "model/onnx_model.hpp"

/// Layers of ONNX Runtime's own (domain com.microsoft), as its optimiser and quantiser make them.
/// Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
namespace p2p::model {

/// FusedGemm without an activation: a Gemm in all but its name.
bool is_plain_fused_gemm(const OnnxModel& model, const OnnxNode& node);

/// Where DynamicQuantizeMatMul and MatMulIntegerToFloat have their float bias; empty for others.
std::optional<std::size_t> quantised_bias_input(const OnnxNode& node);

/// Whether the node's result may be logits: a layer, followed at most by a Relu.
bool makes_contrib_logits(const OnnxModel& model, const OnnxNode& node);

/// A fused layer whose activation is none that logits may have.
bool ends_in_sigmoid(const OnnxModel& model, const OnnxNode& node);

/// A layer with weights, floating-point or quantised.
bool is_contrib_layer(const OnnxNode& node);

/// Whether the operator makes logits of logits: quantised sums, products and poolings.
bool passes_contrib(const OnnxNode& node);

/// Columns of the constant weight of a layer that quantised_bias_input knows, or 0.
std::int64_t quantised_columns(const OnnxModel& model, const OnnxNode& node);

}  // namespace p2p::model
