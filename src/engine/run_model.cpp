#include "engine/run_model.hpp"

#include <fmt/format.h>

#include <cassert>
#include <memory>

#include "engine/onnxruntime.hpp"
#include "engine/python_onnxruntime.hpp"
#include "engine/session.hpp"
#include "engine/subprocess.hpp"
#include "engine/torch_program.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::engine {
namespace {

constexpr int kUsageStatus = 2;
constexpr int kBadDataStatus = 3;

/// LibTorch and the module itself may print before it.
std::string last_line(std::string_view text) {
  text = text.substr(0, text.find_last_not_of('\n') + 1);
  return std::string(text.substr(text.rfind('\n') + 1));
}

/// p2p-torch ends with the statuses and the sentences of p2p itself.
std::string run_torch(const std::string& model, const std::string& inputs,
                      const std::string& output, const std::string& result, int threads) {
  const Finished end = run_program({find_torch_program(), "run", model, inputs, result,
                                    "--output=" + output, "--threads", std::to_string(threads)});
  if (end.status == 0) return last_line(end.out);
  const std::string words = last_line(end.err);
  if (end.status == kUsageStatus) throw_usage(words);
  if (end.status == kBadDataStatus) throw_bad_data(words);
  throw_engine_error(model, "p2p-torch",
                     words.empty() ? fmt::format("it ended with status {}", end.status) : words);
}

}  // namespace

std::unique_ptr<Session> open_onnx(const std::string& model, int threads) {
  if (!is_python_chosen()) {
    if (auto session = open_onnxruntime(model, threads)) return session;
  }
  return open_python_onnxruntime(model, threads);
}

std::string run_model(ModelFormat format, const std::string& model, const std::string& inputs,
                      const std::vector<std::string>& outputs,
                      const std::vector<std::string>& results, int threads) {
  assert(outputs.size() == results.size());
  switch (format) {
    case ModelFormat::kOnnx: {
      const std::unique_ptr<Session> session = open_onnx(model, threads);
      run_batches(*session, model, inputs, outputs, results);
      return session->engine();
    }
    case ModelFormat::kTorchScript:
      assert(results.size() == 1);
      return run_torch(model, inputs, outputs.front(), results.front(), threads);
    case ModelFormat::kSafetensors:
      break;
  }
  throw_usage(io::quote(model) +
              " holds weights without the model around them, so nothing can run it; prove the "
              "correction on the .onnx or .pt file that is made with them");
}

}  // namespace p2p::engine
