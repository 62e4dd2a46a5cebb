#include "engine/session.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <memory>
#include <string_view>
#include <utility>

#include "engine/input_arrays.hpp"
#include "engine/row_inputs.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"

namespace p2p::engine {
namespace {

constexpr std::int64_t kBatchRows = 64;

std::string port_text(const Port& port) {
  std::string text = io::printable(port.name) + " " + port.type;
  if (port.shape.empty()) return text;
  std::vector<std::string> sizes;
  for (const std::int64_t size : port.shape) {
    sizes.push_back(size < 0 ? "any" : fmt::to_string(size));
  }
  if (port.shape.front() < 0) sizes.front() = "N";
  return fmt::format("{} [{}]", text, fmt::join(sizes, ", "));
}

std::string list_ports(const std::vector<Port>& ports) {
  std::vector<std::string> texts;
  for (const Port& port : ports) texts.push_back(port_text(port));
  return io::list_text(texts);
}

std::string list_names(const std::vector<std::string>& names) {
  std::vector<std::string> texts;
  for (const std::string& name : names) texts.push_back(io::quote(name));
  return io::list_text(texts);
}

/// Whether all axes but the first agree.
bool fits_shape(const std::vector<std::int64_t>& shape, const Port& port) {
  if (port.shape.empty()) return true;
  if (shape.size() != port.shape.size()) return false;
  for (std::size_t axis = 1; axis < shape.size(); ++axis) {
    if (port.shape[axis] >= 0 && port.shape[axis] != shape[axis]) return false;
  }
  return true;
}

/// The inputs of a model, in its order, and the rows of one batch.
class Feed {
 public:
  Feed(const Session& session, const std::string& model, const std::string& path)
      : model_(model), path_(path), ports_(session.inputs()) {
    if (ports_.empty()) {
      throw_bad_data(io::quote(model) + " has no inputs, so it cannot be run over rows");
    }
    match_names(open_inputs(path));
    for (std::size_t i = 0; i < ports_.size(); ++i) check_type(arrays_[i], ports_[i]);
    inputs_ = find_row_inputs(arrays_, ports_, path_);
    choose_batch();
    for (std::size_t i = 0; i < ports_.size(); ++i) {
      whole_.push_back(inputs_.cut[i] ? Tensor{} : arrays_[i].all(*ports_[i].scalar));
    }
  }

  [[nodiscard]] std::int64_t rows() const { return inputs_.rows; }
  /// Rows of the batch that begins at row `first`.
  [[nodiscard]] std::int64_t count(std::int64_t first) const {
    return std::min(batch_, rows() - first);
  }

  /// The next `count` rows of each input, or all that it takes.
  std::vector<Tensor> batch(std::int64_t count) {
    std::vector<Tensor> tensors;
    for (std::size_t i = 0; i < ports_.size(); ++i) {
      tensors.push_back(inputs_.cut[i] ? arrays_[i].next_rows(count, *ports_[i].scalar)
                                       : whole_[i]);
    }
    return tensors;
  }

 private:
  void match_names(std::vector<InputArray> arrays) {
    const bool nameless = arrays.size() == 1 && arrays.front().member().empty();
    if (nameless && ports_.size() > 1) {
      throw_bad_data(fmt::format(
          "{} has {} inputs ({}), but {} is one array; give an .npz archive with one array for "
          "each: numpy.savez(path, NAME=array, ...)",
          io::quote(model_), ports_.size(), list_ports(ports_), io::quote(path_)));
    }
    if (nameless) {
      arrays_ = std::move(arrays);
      return;
    }
    std::vector<std::string> missing;
    for (const Port& port : ports_) {
      const auto found = std::ranges::find(arrays, port.name, &InputArray::member);
      if (found == arrays.end()) {
        missing.push_back(port.name);
      } else {
        arrays_.push_back(std::move(*found));
        arrays.erase(found);
      }
    }
    if (missing.empty() && arrays.empty()) return;
    std::string what;
    if (!missing.empty()) what += " lacks " + list_names(missing);
    if (!arrays.empty()) {
      std::vector<std::string> unknown;
      for (const InputArray& array : arrays) unknown.push_back(array.member());
      what += (what.empty() ? " holds " : " and holds ") + list_names(unknown) +
              ", which the model does not know";
    }
    throw_bad_data(fmt::format("{}{}; the inputs of {} are: {}", io::quote(path_), what,
                               io::quote(model_), list_ports(ports_)));
  }

  void check_type(const InputArray& array, const Port& port) const {
    if (!port.scalar || *port.scalar == Scalar::kBF16) {
      throw_bad_data(fmt::format(
          "input {} of {} takes {}, which NumPy files cannot hold; the proof needs a model that "
          "takes numbers of 8 to 64 bits or bool",
          io::quote(port.name), io::quote(model_), port.type));
    }
    if (!fits_shape(array.shape(), port)) {
      throw_bad_data(fmt::format("{} has shape {}, but {} takes {}, where N is the number of rows",
                                 io::quote(array.name()), io::shape_text(array.shape()),
                                 io::quote(model_), port_text(port)));
    }
    if (scalar_kind(array.scalar()) > scalar_kind(*port.scalar)) {
      throw_bad_data(fmt::format("{} holds {}, but {} takes {}; save it with .astype('{}')",
                                 io::quote(array.name()), scalar_name(array.scalar()),
                                 io::quote(model_), port_text(port), scalar_name(*port.scalar)));
    }
  }

  void choose_batch() {
    std::int64_t fixed = -1;
    for (std::size_t i = 0; i < ports_.size(); ++i) {
      const Port& port = ports_[i];
      if (!inputs_.cut[i] || port.shape.empty() || port.shape.front() < 0) continue;
      if (fixed >= 0 && fixed != port.shape.front()) {
        throw_bad_data(fmt::format(
            "the inputs of {} have first axes of {} and {}, so they hold no common batch of rows; "
            "the proof needs rows on the first axis of every input",
            io::quote(model_), fixed, port.shape.front()));
      }
      fixed = port.shape.front();
    }
    batch_ = fixed < 0 ? kBatchRows : fixed;
    if (fixed < 0 || rows() % fixed == 0) return;
    throw_bad_data(fmt::format(
        "{} has {} rows, but {} takes batches of {} and no other number; give a multiple of it",
        io::quote(path_), rows(), io::quote(model_), fixed));
  }

  const std::string& model_;
  const std::string& path_;
  const std::vector<Port>& ports_;
  std::vector<InputArray> arrays_;
  RowInputs inputs_;
  std::vector<Tensor> whole_;  ///< of the inputs that are not cut
  std::int64_t batch_ = 0;
};

DType stored_dtype(Scalar scalar) {
  switch (scalar) {
    case Scalar::kF16:
      return DType::kF16;
    case Scalar::kBF16:
    case Scalar::kF32:
      return DType::kF32;
    case Scalar::kF64:
      return DType::kF64;
    default:
      return DType::kI64;
  }
}

Scalar stored_scalar(Scalar scalar) {
  if (scalar_kind(scalar) != ScalarKind::kFloat) return Scalar::kI64;
  return scalar == Scalar::kBF16 ? Scalar::kF32 : scalar;
}

/// One output of the model on its way to a .npy file.
class Result {
 public:
  Result(const Port& port, const std::string& model, std::string path, std::int64_t rows)
      : port_(port), model_(model), path_(std::move(path)), rows_(rows) {}

  void append(const Tensor& tensor, std::int64_t batch) {
    const bool whole = batch == rows_;  // rows may then lie on any axis
    const auto end = whole ? tensor.shape.end() : tensor.shape.begin() + !tensor.shape.empty();
    if (std::find(tensor.shape.begin(), end, batch) == end) {
      throw_bad_data(fmt::format(
          "output {} of {} has shape {} for {} rows; expected one entry of its first axis for each "
          "row, or of any axis where all rows are one batch",
          io::quote(port_.name), io::quote(model_), io::shape_text(tensor.shape), batch));
    }
    std::vector<std::int64_t> shape = tensor.shape;
    if (!whole) shape.front() = rows_;
    if (!sink_) {
      shape_ = shape;
      sink_ = create_sink(path_, {.dtype = stored_dtype(tensor.scalar),
                                  .shape = shape_,
                                  .class_axis = -1,
                                  .class_names = {}});
    }
    if (shape != shape_) {
      throw_bad_data(fmt::format(
          "output {} of {} has shape {} for one batch of rows and {} for another, so they make no "
          "array; the proof needs outputs of one shape",
          io::quote(port_.name), io::quote(model_), io::shape_text(shape_), io::shape_text(shape)));
    }
    const std::int64_t count = element_count(tensor.shape);
    const Scalar stored = stored_scalar(tensor.scalar);
    std::vector<std::byte> data(static_cast<std::size_t>(count) * scalar_size(stored));
    const std::int64_t misfit =
        convert_scalars(tensor.data.data(), tensor.scalar, count, data.data(), stored);
    if (misfit >= 0) {
      throw_bad_data(fmt::format("output {} of {} holds an integer above 2^63 - 1; expected labels",
                                 io::quote(port_.name), io::quote(model_)));
    }
    sink_->write(written_, count, data.data());
    written_ += count;
  }

  void commit() { sink_->commit(); }

 private:
  const Port& port_;
  const std::string& model_;
  std::string path_;
  std::int64_t rows_;
  std::vector<std::int64_t> shape_;  ///< of all rows
  std::unique_ptr<RowSink> sink_;    ///< made when the first batch says the shape
  std::int64_t written_ = 0;         ///< elements
};

const Port& find_output(const Session& session, const std::string& model, const std::string& name) {
  const auto found = std::ranges::find(session.outputs(), name, &Port::name);
  if (found == session.outputs().end()) {
    throw_bad_data(fmt::format("{} has no output {}; it has: {}", io::quote(model), io::quote(name),
                               list_ports(session.outputs())));
  }
  if (!found->scalar) {
    throw_bad_data(fmt::format("output {} of {} is {}; expected a tensor of numbers",
                               io::quote(name), io::quote(model), found->type));
  }
  return *found;
}

std::string_view first_line(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  return text.substr(0, text.find_first_of("\r\n"));
}

/// At most 300 bytes, without the middle: engines put places in their own source there.
std::string shortened(std::string_view line) {
  constexpr std::size_t kBegin = 100;
  constexpr std::size_t kEnd = 195;
  constexpr std::string_view kBetween = " ... ";
  if (line.size() <= kBegin + kBetween.size() + kEnd) return std::string(line);
  return fmt::format("{}{}{}", line.substr(0, kBegin), kBetween, line.substr(line.size() - kEnd));
}

}  // namespace

void run_batches(Session& session, const std::string& model, const std::string& inputs,
                 const std::vector<std::string>& outputs, const std::vector<std::string>& results) {
  assert(outputs.size() == results.size());
  Feed feed(session, model, inputs);
  std::vector<Result> sinks;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    sinks.emplace_back(find_output(session, model, outputs[i]), model, results[i], feed.rows());
  }
  std::int64_t first = 0;
  while (first < feed.rows()) {
    const std::int64_t count = feed.count(first);
    const std::vector<Tensor> tensors = session.run(feed.batch(count), outputs);
    for (std::size_t i = 0; i < sinks.size(); ++i) sinks[i].append(tensors[i], count);
    first += count;
  }
  for (Result& sink : sinks) sink.commit();
}

void throw_engine_error(const std::string& model, const std::string& engine,
                        const std::string& words) {
  constexpr std::string_view kModel = "the model";
  std::string line(first_line(words));
  for (std::size_t at = line.find(model); at != std::string::npos;
       at = line.find(model, at + kModel.size())) {
    line.replace(at, model.size(), kModel);
  }
  throw_bad_data(fmt::format("{} cannot be run by {}: {}", io::quote(model), engine,
                             io::quote(shortened(line))));
}

}  // namespace p2p::engine
