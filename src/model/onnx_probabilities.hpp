#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/onnx_head.hpp"

/// Probabilities that graphs make without a logit behind them.
namespace p2p::model {

/// Whether `value`, of `rank` axes, is known to hold probabilities over the classes on its last
/// axis: what a classifier of ai.onnx.ml makes, numbers divided by their sum, p beside 1 - p, a
/// softmax, and weighted means of those. O(nodes).
bool holds_probabilities(const OnnxModel& model, const std::string& value, std::int64_t rank);

/// Whether `value`, of `rank` axes, is known to hold no number below 0. O(nodes).
bool is_never_negative(const OnnxModel& model, const std::string& value, std::int64_t rank);

/// Fills in `head` when `value` holds probabilities that no logit stands behind, and its classes
/// are known to lie on its last axis.
bool take_probabilities(const OnnxModel& model, const std::string& value, OnnxHead& head);

/// The operator that makes probabilities: a classifier of ai.onnx.ml, or a norm of its results.
bool makes_probabilities(const OnnxModel& model, const OnnxNode& node);

/// The only number of a constant.
std::optional<double> constant_number(const OnnxModel& model, const std::string& value);

/// Whether `value` is 1 - p.
bool is_one_minus(const OnnxModel& model, const std::string& value, const std::string& p);

/// The value that Identity, Cast and Dropout passed on as `value`.
std::string passed_on(const OnnxModel& model, const std::string& value);

}  // namespace p2p::model
