#include "engine/python_onnxruntime.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "engine/run_onnx_script.hpp"
#include "engine/subprocess.hpp"
#include "io/array_info.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::engine {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "lengths and arrays go as they lie");

constexpr std::uint64_t kLongestMessage = std::uint64_t{1} << 26;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string find_python() {
  if (is_python_chosen()) return variable("P2P_PYTHON");
  const std::string environment = variable("VIRTUAL_ENV");
  return environment.empty() ? "python3" : environment + "/bin/python";
}

[[noreturn]] void throw_no_engine(const std::string& python, const std::string& why) {
  throw_usage(fmt::format(
      "ONNX models are run by ONNX Runtime, which is not installed: {} says {}; install it "
      "with 'pip install onnxruntime' and name that python in P2P_PYTHON, or build p2p where its "
      "library is (Debian 13: libonnxruntime-dev)",
      python, io::quote(why)));
}

/// "tensor(float)" and the like.
std::optional<Scalar> scalar_of(std::string_view type) {
  constexpr std::string_view kPrefix = "tensor(";
  if (!type.starts_with(kPrefix) || !type.ends_with(')')) return std::nullopt;
  type.remove_prefix(kPrefix.size());
  type.remove_suffix(1);
  if (type == "float") return Scalar::kF32;
  if (type == "double") return Scalar::kF64;
  return find_scalar(type);
}

std::vector<Port> parse_ports(const Json& json) {
  std::vector<Port> ports;
  for (const Json& described : json) {
    Port& port = ports.emplace_back();
    port.name = described.at("name").get<std::string>();
    port.type = described.at("type").get<std::string>();
    port.scalar = scalar_of(port.type);
    if (port.scalar) port.type = scalar_name(*port.scalar);
    port.shape = described.at("shape").get<std::vector<std::int64_t>>();
  }
  return ports;
}

class PythonSession final : public Session {
 public:
  PythonSession(const std::string& python, const std::string& model, int threads)
      : python_(python),
        model_(model),
        process_({python, "-c", kRunOnnxScript, model, std::to_string(threads)}) {
    engine_ = "ONNX Runtime (Python)";
    const Json greeting = hear();
    try {
      if (greeting.contains("missing")) {
        throw_no_engine(python_, greeting.at("missing").get<std::string>());
      }
      engine_ = fmt::format("ONNX Runtime {} (Python)", greeting.at("version").get<std::string>());
      refuse_error(greeting);
      inputs_ = parse_ports(greeting.at("inputs"));
      outputs_ = parse_ports(greeting.at("outputs"));
    } catch (const Json::exception& error) {
      throw_garbled(error.what());
    }
    greeted_ = true;
  }

  std::vector<Tensor> run(const std::vector<Tensor>& batch,
                          const std::vector<std::string>& outputs) override {
    Json request;
    request["outputs"] = outputs;
    request["batch"] = Json::array();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      request["batch"].push_back({{"name", inputs_[i].name},
                                  {"type", scalar_name(batch[i].scalar)},
                                  {"shape", batch[i].shape}});
    }
    say(request, batch);
    const Json answer = hear();
    try {
      refuse_error(answer);
      return hear_tensors(answer.at("tensors"));
    } catch (const Json::exception& error) {
      throw_garbled(error.what());
    }
  }

 private:
  void refuse_error(const Json& message) const {
    if (message.contains("error")) {
      throw_engine_error(model_, engine_, message.at("error").get<std::string>());
    }
  }

  void say(const Json& message, const std::vector<Tensor>& tensors) {
    const std::string text = message.dump();
    const std::uint64_t length = text.size();
    bool heard = process_.write(&length, sizeof length) && process_.write(text.data(), length);
    for (const Tensor& tensor : tensors) {
      heard = heard && process_.write(tensor.data.data(), tensor.data.size());
    }
    if (!heard) throw_ended();
  }

  void read(void* bytes, std::size_t count) {
    if (process_.read(bytes, count) < count) throw_ended();
  }

  Json hear() {
    std::uint64_t length = 0;
    read(&length, sizeof length);
    if (length > kLongestMessage) throw_garbled("its message is too long");
    std::string text(length, '\0');
    read(text.data(), text.size());
    try {
      return Json::parse(text);
    } catch (const Json::exception& error) {
      throw_garbled(error.what());
    }
  }

  std::vector<Tensor> hear_tensors(const Json& described) {
    std::vector<Tensor> tensors;
    for (const Json& about : described) {
      Tensor& tensor = tensors.emplace_back();
      const auto scalar = scalar_of(about.at("type").get<std::string>());
      if (!scalar) throw_garbled("its answer is no tensor of numbers");
      tensor.scalar = *scalar;
      tensor.shape = about.at("shape").get<std::vector<std::int64_t>>();
      std::int64_t count = 1;
      for (const std::int64_t size : tensor.shape) {
        const auto product = size < 0 ? std::nullopt : io::checked_multiply(count, size);
        if (!product) throw_garbled("its answer has an impossible shape");
        count = *product;
      }
      tensor.data.resize(static_cast<std::size_t>(count) * scalar_size(*scalar));
      read(tensor.data.data(), tensor.data.size());
    }
    return tensors;
  }

  [[noreturn]] void throw_garbled(const std::string& what) const {
    throw_bad_data(fmt::format("{}, which runs {}, answers by something else than results: {}",
                               python_, io::quote(model_), io::quote(what)));
  }

  /// The program ended where it should have answered.
  [[noreturn]] void throw_ended() {
    const Finished end = process_.finish();
    const std::string status = fmt::format("ended with status {}", end.status);
    // A Python error ends with what it is about.
    std::string_view words = end.err;
    while (words.ends_with('\n')) words.remove_suffix(1);
    words.remove_prefix(words.rfind('\n') + 1);
    if (!greeted_) throw_no_engine(python_, words.empty() ? status : std::string(words));
    throw_engine_error(model_, engine_,
                       words.empty() ? status : status + ": " + std::string(words));
  }

  std::string python_;
  std::string model_;
  Process process_;
  bool greeted_ = false;
};

}  // namespace

bool is_python_chosen() { return !variable("P2P_PYTHON").empty(); }

std::unique_ptr<Session> open_python_onnxruntime(const std::string& model, int threads) {
  return std::make_unique<PythonSession>(find_python(), model, threads);
}

}  // namespace p2p::engine
