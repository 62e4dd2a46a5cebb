#include "model/onnx_reweight.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "core/element.hpp"
#include "model/onnx_labels.hpp"

namespace p2p::model {
namespace {

constexpr std::int64_t kSumAxesAreAnInput = 13;  // operator sets
constexpr std::int64_t kMaxAxesAreAnInput = 18;
constexpr std::int64_t kMaxBroadcasts = 8;
constexpr double kLargestFloat16Sum = 0x1p15;

// In place of sums of 0, it turns 0 / 0 into 0.
double least_positive(DType dtype) {
  if (dtype == DType::kF16) return 0x1p-24;
  return dtype == DType::kF64 ? std::numeric_limits<double>::min()
                              : double{std::numeric_limits<float>::min()};
}

// A chain of new nodes behind the one that made the probabilities.
class Chain {
 public:
  Chain(Change& change, std::string value, DType dtype, std::int64_t at, std::string last)
      : change_(change), value_(std::move(value)), last_(std::move(last)), dtype_(dtype), at_(at) {}

  [[nodiscard]] const std::string& value() const { return value_; }

  std::string constant(const std::string& name, const std::vector<double>& numbers) {
    return constant(name, stored(numbers, dtype_));
  }
  std::string constant(const std::string& name, const Rounded& numbers) {
    std::string unused = change_.unused_name("prior2posterior/" + name);
    const std::size_t count = numbers.bytes.size() / item_size(dtype_);
    change_.add_constant(at_, unused, dtype_, {static_cast<std::int64_t>(count)}, numbers);
    return unused;
  }

  // value = op(value, with), under a name of its own or the one of the probabilities.
  void apply(const std::string& op, const std::string& with, const std::string& name,
             bool is_last = false) {
    const std::string node_name = change_.unused_name("prior2posterior/" + name);
    const std::string output = is_last ? last_ : node_name;
    change_.add_node(at_, make_node({value_, with}, output, node_name, op), output);
    value_ = output;
  }

  // A column with `op` of every row of the value, never 0.
  std::string of_rows(const std::string& op, const std::string& name, std::int64_t axis) {
    const std::int64_t since = op == "ReduceSum" ? kSumAxesAreAnInput : kMaxAxesAreAnInput;
    std::vector<std::string> inputs{value_};
    std::string axes;
    if (change_.model.opset >= since) {
      const std::string constant = change_.unused_name("prior2posterior/" + name + "_axes");
      change_.add_constant_node(at_, constant, make_integers(constant, {axis}));
      inputs.push_back(constant);
    } else {
      axes = integers_attribute("axes", {axis});
    }
    const std::string column = change_.unused_name("prior2posterior/" + name);
    change_.add_node(at_, make_node(inputs, column, column, op, axes), column);
    std::string sum = change_.unused_name("prior2posterior/" + name + "_not_0");
    const std::string least = constant(name + "_least", {least_positive(dtype_)});
    const std::string guard = change_.model.opset >= kMaxBroadcasts ? "Max" : "Add";
    change_.add_node(at_, make_node({column, least}, sum, sum, guard), sum);
    return sum;
  }

 private:
  Change& change_;
  std::string value_;
  std::string last_;
  DType dtype_;
  std::int64_t at_;
};

// exp(delta - max delta). Float16 has few numbers below 1, so there they are larger by a power of 2
// that leaves room for their sum over rows whose largest sums are `most`.
std::vector<double> weights(const std::vector<double>& delta, DType dtype, double most) {
  const double largest = *std::ranges::max_element(delta);
  const double scale =
      dtype == DType::kF16 ? std::exp2(std::floor(std::log2(kLargestFloat16Sum / most))) : 1;
  std::vector<double> found;
  for (const double d : delta) found.push_back(std::exp(d - largest) * scale);
  return found;
}

// The same numbers with their largest relative error, which moves the logarithm of a ratio, in
// place of the absolute one.
Rounded stored_factors(const std::vector<double>& factors, DType dtype) {
  Rounded rounded = stored(factors, dtype);
  rounded.rounding = 0;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    if (factors[i] == 0) continue;
    const double held = load_element(rounded.bytes.data(), dtype, static_cast<std::int64_t>(i));
    rounded.rounding = std::max(rounded.rounding, std::abs(held / factors[i] - 1));
  }
  return rounded;
}

// 1/T, or one of each class.
std::vector<double> exponents(const LogOffset& offset) {
  std::vector<double> found;
  const std::size_t count = has_one_factor(offset) ? 1 : offset.delta.size();
  for (std::size_t c = 0; c < count; ++c) {
    found.push_back(factor(offset, static_cast<std::int64_t>(c)));
  }
  return found;
}

using Renames = std::map<std::size_t, std::vector<std::pair<std::string, std::string>>>;

// Gives outputs of nodes other names.
void rename(Change& change, const Renames& renames) {
  const OnnxModel& model = change.model;
  for (const auto& entry : renames) {
    const OnnxNode& node = model.nodes[entry.first];
    const auto& names = entry.second;
    std::string first = node.outputs.front();
    for (const auto& [from, to] : names) {
      if (first == from) first = to;
    }
    const std::string message =
        changed_node(model, node, [&](const Field& field, std::string& bytes) {
          if (field.number != 2) return;
          for (const auto& [from, to] : names) {
            if (model.wire->read_name(field) == from) bytes = bytes_field(2, to);
          }
        });
    change.set_node(node, message, first);
  }
}

}  // namespace

void reweight(Change& change, const std::string& probabilities, DType dtype,
              const LogOffset& offset) {
  const OnnxModel& model = change.model;
  const bool shifts =
      std::ranges::any_of(offset.delta, [&](double d) { return d != offset.delta.front(); });
  if (!shifts && only_shifts(offset)) return;
  const std::size_t maker = model.producer.at(probabilities);
  const std::string before = change.unused_name(probabilities + "_uncorrected");
  Renames renames{{maker, {{probabilities, before}}}};
  const std::vector<LabelOutput> labels = labels_beside(model, probabilities);
  for (const LabelOutput& label : labels) {
    renames[label.maker()].emplace_back(label.name,
                                        change.unused_name(label.name + "_uncorrected"));
  }
  rename(change, renames);

  const std::int64_t axis = last_axis(model, probabilities);
  Chain chain(change, before, dtype, model.nodes[maker].field.end, probabilities);
  if (!only_shifts(offset)) {
    if (has_one_factor(offset)) {  // relative to the largest, so that no power of a row vanishes
      chain.apply("Div", chain.of_rows("ReduceMax", "largest", axis), "relative");
    }
    chain.apply("Pow", chain.constant("exponent", exponents(offset)), "power");
  }
  const double most = only_shifts(offset) ? 1 : static_cast<double>(offset.delta.size());
  const Rounded factors = stored_factors(weights(offset.delta, dtype, most), dtype);
  chain.apply("Mul", chain.constant("weights", factors), "weighted");
  chain.apply("Div", chain.of_rows("ReduceSum", "sum", axis), "reweighted", true);
  for (const LabelOutput& label : labels) decide_by(change, label, probabilities);
}

}  // namespace p2p::model
