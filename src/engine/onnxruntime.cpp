#include "engine/onnxruntime.hpp"

#ifdef P2P_HAVE_ONNXRUNTIME

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>
#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>

#include <array>
#include <cstring>
#include <utility>

namespace p2p::engine {
namespace {

constexpr std::array<std::pair<ONNXTensorElementDataType, Scalar>, 13> kScalars = {{
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, Scalar::kBool},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, Scalar::kI8},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16, Scalar::kI16},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, Scalar::kI32},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, Scalar::kI64},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, Scalar::kU8},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16, Scalar::kU16},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32, Scalar::kU32},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64, Scalar::kU64},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, Scalar::kF16},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16, Scalar::kBF16},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, Scalar::kF32},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, Scalar::kF64},
}};

std::optional<Scalar> scalar_of(ONNXTensorElementDataType type) {
  for (const auto& [theirs, ours] : kScalars) {
    if (theirs == type) return ours;
  }
  return std::nullopt;
}

ONNXTensorElementDataType type_of(Scalar scalar) {
  for (const auto& [theirs, ours] : kScalars) {
    if (ours == scalar) return theirs;
  }
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
}

/// The library, or null. It stays loaded.
const OrtApiBase* load_library() {
  static const OrtApiBase* const base = []() -> const OrtApiBase* {
    void* library = ::dlopen(P2P_ONNXRUNTIME_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return nullptr;
    using GetBase = const OrtApiBase* (*)();
    const auto get_base = reinterpret_cast<GetBase>(::dlsym(library, "OrtGetApiBase"));
    if (get_base == nullptr) return nullptr;
    const OrtApiBase* found = get_base();
    const OrtApi* api = found->GetApi(ORT_API_VERSION);
    if (api == nullptr) return nullptr;
    Ort::InitApi(api);
    return found;
  }();
  return base;
}

/// Standard error leads nowhere while this lives: Debian's library complains there, when it loads
/// its first model, of each operator that it registers twice.
class Silence {
 public:
  Silence() : saved_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) {
    const int nowhere = saved_ < 0 ? -1 : ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere < 0) return;
    ::dup2(nowhere, STDERR_FILENO);
    ::close(nowhere);
  }
  ~Silence() {
    if (saved_ < 0) return;
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  int saved_;
};

Ort::SessionOptions session_options(int threads) {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(threads);
  options.SetLogSeverityLevel(ORT_LOGGING_LEVEL_FATAL);  // errors are thrown as well
  return options;
}

Port make_port(std::string name, const Ort::TypeInfo& info) {
  Port port;
  port.name = std::move(name);
  if (info.GetONNXType() != ONNX_TYPE_TENSOR) {
    port.type = info.GetONNXType() == ONNX_TYPE_SEQUENCE ? "a sequence" : "no tensor";
    return port;
  }
  const auto tensor = info.GetTensorTypeAndShapeInfo();
  port.scalar = scalar_of(tensor.GetElementType());
  port.type = port.scalar ? scalar_name(*port.scalar) : "a tensor without numbers";
  for (const std::int64_t size : tensor.GetShape()) port.shape.push_back(size > 0 ? size : -1);
  return port;
}

class LibrarySession final : public Session {
 public:
  LibrarySession(const OrtApiBase& base, const std::string& model, int threads)
      : model_(model), environment_(nullptr), session_(nullptr) {
    engine_ = std::string("ONNX Runtime ") + base.GetVersionString() + " (C++)";
    try {
      environment_ = Ort::Env(ORT_LOGGING_LEVEL_FATAL, "p2p");
      {
        const Silence silence;
        session_ = Ort::Session(environment_, model.c_str(), session_options(threads));
      }
      const Ort::AllocatorWithDefaultOptions allocator;
      for (std::size_t i = 0; i < session_.GetInputCount(); ++i) {
        inputs_.push_back(make_port(session_.GetInputNameAllocated(i, allocator).get(),
                                    session_.GetInputTypeInfo(i)));
      }
      for (std::size_t i = 0; i < session_.GetOutputCount(); ++i) {
        outputs_.push_back(make_port(session_.GetOutputNameAllocated(i, allocator).get(),
                                     session_.GetOutputTypeInfo(i)));
      }
    } catch (const Ort::Exception& error) {
      throw_engine_error(model_, engine_, error.what());
    }
  }

  std::vector<Tensor> run(const std::vector<Tensor>& batch,
                          const std::vector<std::string>& outputs) override {
    try {
      return run_session(batch, outputs);
    } catch (const Ort::Exception& error) {
      throw_engine_error(model_, engine_, error.what());
    }
  }

 private:
  std::vector<Tensor> run_session(const std::vector<Tensor>& batch,
                                  const std::vector<std::string>& outputs) {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    std::vector<Ort::Value> values;
    for (const Tensor& tensor : batch) {
      // The library takes any pointer for tensors that it reads and for those that it writes.
      auto* data = const_cast<std::byte*>(tensor.data.data());
      values.push_back(Ort::Value::CreateTensor(memory, data, tensor.data.size(),
                                                tensor.shape.data(), tensor.shape.size(),
                                                type_of(tensor.scalar)));
    }
    std::vector<const char*> input_names;
    for (const Port& port : inputs_) input_names.push_back(port.name.c_str());
    std::vector<const char*> output_names;
    for (const std::string& name : outputs) output_names.push_back(name.c_str());
    const auto results = session_.Run(Ort::RunOptions{nullptr}, input_names.data(), values.data(),
                                      values.size(), output_names.data(), output_names.size());
    std::vector<Tensor> tensors;
    for (const Ort::Value& value : results) tensors.push_back(copy(value));
    return tensors;
  }

  static Tensor copy(const Ort::Value& value) {
    const auto info = value.GetTensorTypeAndShapeInfo();
    Tensor tensor{
        .scalar = scalar_of(info.GetElementType()).value(), .shape = info.GetShape(), .data = {}};
    tensor.data.resize(info.GetElementCount() * scalar_size(tensor.scalar));
    std::memcpy(tensor.data.data(), value.GetTensorRawData(), tensor.data.size());
    return tensor;
  }

  std::string model_;
  Ort::Env environment_;
  Ort::Session session_;
};

}  // namespace

std::unique_ptr<Session> open_onnxruntime(const std::string& model, int threads) {
  const OrtApiBase* base = load_library();
  if (base == nullptr) return nullptr;
  return std::make_unique<LibrarySession>(*base, model, threads);
}

}  // namespace p2p::engine

#else

namespace p2p::engine {

std::unique_ptr<Session> open_onnxruntime(const std::string& /*model*/, int /*threads*/) {
  return nullptr;
}

}  // namespace p2p::engine

#endif
