#include "engine/run_model.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <memory>

#include "engine/onnxruntime.hpp"
#include "engine/python_onnxruntime.hpp"
#include "engine/torch_program.hpp"
#include "support/expect_error.hpp"
#include "support/input_file.hpp"
#include "support/variable.hpp"

namespace p2p::engine {
namespace {

using test::bytes_of;
using test::expect_bad_data;
using test::expect_usage;
using test::InputFolder;
using test::npy_of;
using test::Variable;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

/// Protobuf, as little of it as an ONNX model needs.
namespace onnx {

constexpr int kFloat = 1, kUint8 = 2, kInt64 = 7, kString = 8, kBool = 9, kFloat16 = 10,
              kDouble = 11, kBfloat16 = 16;

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += static_cast<char>(value % 128 + 128);
  return bytes + static_cast<char>(value);
}
std::string number(int field, std::int64_t value) {
  return varint(static_cast<std::uint64_t>(field) << 3) + varint(static_cast<std::uint64_t>(value));
}
std::string text(int field, const std::string& bytes) {
  return varint(static_cast<std::uint64_t>(field) << 3 | 2) + varint(bytes.size()) + bytes;
}

/// -1: a size with a name instead of a number.
std::string tensor_type(int type, const std::vector<std::int64_t>& shape) {
  std::string dims;
  for (const std::int64_t size : shape) {
    dims += text(1, size < 0 ? text(2, "N") : number(1, size));
  }
  return text(1, number(1, type) + text(2, dims));
}
std::string value(const std::string& name, const std::string& type) {
  return text(1, name) + text(2, type);
}
std::string node(const std::string& op, const std::vector<std::string>& inputs,
                 const std::vector<std::string>& outputs, const std::string& attributes = "") {
  std::string bytes;
  for (const std::string& name : inputs) bytes += text(1, name);
  for (const std::string& name : outputs) bytes += text(2, name);
  return bytes + text(4, op) + attributes;
}
std::string attribute(const std::string& name, std::int64_t i) {
  constexpr int kIntAttribute = 2;
  return text(5, text(1, name) + number(3, i) + number(20, kIntAttribute));
}
std::string floats(const std::string& name, const std::vector<std::int64_t>& shape,
                   const std::string& data) {
  std::string dims;
  for (const std::int64_t size : shape) dims += number(1, size);
  return dims + number(2, kFloat) + text(8, name) + data;
}

struct Graph {
  std::vector<std::string> nodes;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::vector<std::string> initializers = {};
};

std::string model(const Graph& graph) {
  std::string bytes;
  for (const std::string& node : graph.nodes) bytes += text(1, node);
  bytes += text(2, "g");
  for (const std::string& tensor : graph.initializers) bytes += text(5, tensor);
  for (const std::string& input : graph.inputs) bytes += text(11, input);
  for (const std::string& output : graph.outputs) bytes += text(12, output);
  return number(1, 8) + text(7, bytes) + text(8, text(1, "") + number(2, 13));
}

/// y = x + b with three columns.
std::string adder(std::int64_t batch, const std::string& bias_data) {
  return model({.nodes = {node("Add", {"x", "b"}, {"y"})},
                .inputs = {value("x", tensor_type(kFloat, {batch, 3}))},
                .outputs = {value("y", tensor_type(kFloat, {batch, 3}))},
                .initializers = {floats("b", {3}, bias_data)}});
}
std::string raw(const std::vector<float>& values) { return text(9, bytes_of(values)); }

/// y is x.
std::string identity(int type, const std::vector<std::int64_t>& shape) {
  return model({.nodes = {node("Identity", {"x"}, {"y"})},
                .inputs = {value("x", tensor_type(type, shape))},
                .outputs = {value("y", tensor_type(type, shape))}});
}

/// y is x made to another type.
std::string cast(int from, int to) {
  return model({.nodes = {node("Cast", {"x"}, {"y"}, attribute("to", to))},
                .inputs = {value("x", tensor_type(from, {-1}))},
                .outputs = {value("y", tensor_type(to, {-1}))}});
}

}  // namespace onnx

/// The same tests through ONNX Runtime's C++ library and through its Python package.
class OnnxRuntime : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (GetParam() == std::string("Python")) {
      if (is_python_chosen()) return;
      const std::string environment = P2P_SOURCE_DIR "/.venv/bake";
      if (!std::filesystem::exists(environment + "/requirements.txt")) {
        GTEST_SKIP() << "P2P_PYTHON names no Python with onnxruntime, and scripts/python-env bake "
                        "was not run";
      }
      python_ = std::make_unique<Variable>("P2P_PYTHON", environment + "/bin/python");
      return;
    }
    python_ = std::make_unique<Variable>("P2P_PYTHON", std::nullopt);
    const std::string model = folder.add("probe.onnx", onnx::identity(onnx::kFloat, {-1, 3}));
    if (open_onnxruntime(model, 1) == nullptr) {
      GTEST_SKIP() << "built without ONNX Runtime's C++ library";
    }
  }

  /// The engine; the output named y goes to y.npy.
  std::string run(const std::string& model_bytes, const std::string& inputs,
                  const std::string& output = "y", int threads = 1) {
    const std::string model = folder.add("model.onnx", model_bytes);
    return run_model(model_format(model), model, inputs, {output}, {folder.path("y.npy")}, threads);
  }
  [[nodiscard]] std::string result() const { return test::read_file(folder.path("y.npy")); }
  [[nodiscard]] std::string elements() const { return result().substr(128); }
  std::string one_row() { return folder.add("x.npy", npy_of<float>("<f4", "(1, 3)", {1, 2, 3})); }

  InputFolder folder;

 private:
  std::unique_ptr<Variable> python_;
};

INSTANTIATE_TEST_SUITE_P(Engine, OnnxRuntime, testing::Values("Cpp", "Python"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(OnnxRuntime, RunsAllRowsAndTellsItsVersion) {
  const std::string inputs =
      folder.add("x.npy", npy_of<float>("<f4", "(130, 3)", test::counting<float>(390)));
  const std::string engine = run(onnx::adder(-1, onnx::raw({0.5F, 100, -1})), inputs, "y", 2);
  EXPECT_THAT(engine, MatchesRegex("ONNX Runtime [0-9.]+ \\((C\\+\\+|Python)\\)"));
  EXPECT_THAT(engine, HasSubstr(GetParam() == std::string("Python") ? "(Python)" : "(C++)"));
  auto expected = test::counting<float>(390);
  for (std::size_t i = 0; i < expected.size(); i += 3) {
    expected[i] += 0.5F;
    expected[i + 1] += 100;
    expected[i + 2] -= 1;
  }
  EXPECT_EQ(elements(), bytes_of(expected));
}

TEST_P(OnnxRuntime, SaysNothingItself) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // from the start of a process
  const auto runs = [&] {
    run(onnx::adder(-1, onnx::raw({0, 0, 0})), one_row());
    std::exit(0);
  };
  EXPECT_EXIT(runs(), testing::ExitedWithCode(0), "^$");
}

TEST_P(OnnxRuntime, RunsABatchOfFixedSize) {
  const std::string inputs =
      folder.add("x.npy", npy_of<float>("<f4", "(4, 3)", test::counting<float>(12)));
  run(onnx::adder(2, onnx::raw({0, 0, 0})), inputs);
  EXPECT_EQ(elements(), bytes_of(test::counting<float>(12)));
  expect_bad_data({"4 rows", "batches of 3"}, [&] {
    run(onnx::adder(3, onnx::raw({0, 0, 0})), inputs);
  });
}

TEST_P(OnnxRuntime, FindsWeightsBesideTheModel) {
  const auto entry = [](const std::string& key, const std::string& value) {
    return onnx::text(13, onnx::text(1, key) + onnx::text(2, value));
  };
  folder.add("bias.bin", bytes_of<float>({1, 2, 3}));
  const std::string bias =
      entry("location", "bias.bin") + entry("length", "12") + onnx::number(14, /*external=*/1);
  run(onnx::adder(-1, bias), one_row());
  EXPECT_EQ(elements(), bytes_of<float>({2, 4, 6}));
}

TEST_P(OnnxRuntime, TakesSeveralInputsByName) {
  const std::string sum =
      onnx::model({.nodes = {onnx::node("Sub", {"a", "b"}, {"y"})},
                   .inputs = {onnx::value("a", onnx::tensor_type(onnx::kFloat, {-1, 1})),
                              onnx::value("b", onnx::tensor_type(onnx::kFloat, {-1, 1}))},
                   .outputs = {onnx::value("y", onnx::tensor_type(onnx::kFloat, {-1, 1}))}});
  const std::string inputs = folder.add(
      "x.npz", test::zip({{.name = "b.npy", .data = npy_of<float>("<f4", "(2, 1)", {1, 2})},
                          {.name = "a.npy", .data = npy_of<float>("<f4", "(2, 1)", {10, 20})}}));
  run(sum, inputs);
  EXPECT_EQ(elements(), bytes_of<float>({9, 18}));
}

TEST_P(OnnxRuntime, KeepsFloatsAndWritesIntegersAndBoolsAsInt64) {
  const std::string numbers = folder.add("n.npy", npy_of<double>("<f8", "(2,)", {1.5, 0}));
  run(onnx::cast(onnx::kDouble, onnx::kDouble), numbers);
  EXPECT_THAT(result(), HasSubstr("'<f8'"));
  EXPECT_EQ(elements(), bytes_of<double>({1.5, 0}));
  run(onnx::cast(onnx::kFloat, onnx::kFloat16), numbers);
  EXPECT_THAT(result(), HasSubstr("'<f2'"));
  EXPECT_EQ(elements(), bytes_of<std::uint16_t>({0x3e00, 0}));
  run(onnx::cast(onnx::kFloat, onnx::kBfloat16), numbers);
  EXPECT_THAT(result(), HasSubstr("'<f4'"));
  EXPECT_EQ(elements(), bytes_of<float>({1.5, 0}));
  for (const int type : {onnx::kBool, onnx::kUint8, onnx::kInt64}) {
    run(onnx::cast(onnx::kFloat, type), numbers);
    EXPECT_EQ(test::labels_in({folder.path("y.npy")}), (std::vector<std::int64_t>{1, 0}));
  }
}

TEST_P(OnnxRuntime, TakesInputsOfEveryType) {
  const auto same = [&](int type, const std::string& array, const std::string& expected) {
    run(onnx::identity(type, {-1, 2}), folder.add("x.npy", array));
    EXPECT_EQ(elements(), expected) << "type " << type;
  };
  const auto labels = bytes_of<std::int64_t>({1, 0});
  same(onnx::kFloat16, npy_of<std::uint16_t>("<f2", "(1, 2)", {0x3c00, 0x4000}),
       bytes_of<std::uint16_t>({0x3c00, 0x4000}));
  same(onnx::kBool, test::npy("|b1", "(1, 2)", std::string("\1\0", 2)), labels);
  same(onnx::kUint8, test::npy("|u1", "(1, 2)", std::string("\1\0", 2)), labels);
  same(onnx::kInt64, npy_of<std::int32_t>("<i4", "(1, 2)", {1, 0}), labels);
}

TEST_P(OnnxRuntime, OutputsOfManyAxesKeepTheirShape) {
  run(onnx::identity(onnx::kFloat, {-1, 2, 3}),
      folder.add("x.npy", npy_of<float>("<f4", "(65, 2, 3)", test::counting<float>(390))));
  EXPECT_THAT(result(), HasSubstr("'shape': (65, 2, 3)"));
  EXPECT_EQ(elements(), bytes_of(test::counting<float>(390)));
}

TEST_P(OnnxRuntime, ItsOwnWordsSayWhyItRejectsAModel) {
  expect_bad_data({"model.onnx' cannot be run by ONNX Runtime", "rotobuf"},
                  [&] { run("no model", one_row()); });
  const std::string unknown =
      onnx::model({.nodes = {onnx::node("NoSuchOperator", {"x"}, {"y"})},
                   .inputs = {onnx::value("x", onnx::tensor_type(onnx::kFloat, {-1, 3}))},
                   .outputs = {onnx::value("y", onnx::tensor_type(onnx::kFloat, {-1, 3}))}});
  expect_bad_data({"cannot be run by ONNX Runtime", "NoSuchOperator"},
                  [&] { run(unknown, one_row()); });
}

TEST_P(OnnxRuntime, ItsOwnWordsSayWhyItRejectsARow) {
  const std::string gather =
      onnx::model({.nodes = {onnx::node("Gather", {"b", "x"}, {"y"})},
                   .inputs = {onnx::value("x", onnx::tensor_type(onnx::kInt64, {-1}))},
                   .outputs = {onnx::value("y", onnx::tensor_type(onnx::kFloat, {-1}))},
                   .initializers = {onnx::floats("b", {3}, onnx::raw({0, 0, 0}))}});
  const std::string inputs = folder.add("x.npy", npy_of<std::int64_t>("<i8", "(1,)", {7}));
  expect_bad_data({"model.onnx' cannot be run by ONNX Runtime", "Gather"},
                  [&] { run(gather, inputs); });
  EXPECT_FALSE(std::filesystem::exists(folder.path("y.npy")));
}

TEST_P(OnnxRuntime, AnOutputOfStringsOrOfASequenceIsRefused) {
  const std::string strings = onnx::cast(onnx::kFloat, onnx::kString);
  const std::string row = folder.add("x.npy", npy_of<float>("<f4", "(1,)", {1}));
  expect_bad_data({"output 'y'", "expected a tensor of numbers"}, [&] { run(strings, row); });
  const std::string sequence_type =
      onnx::text(4, onnx::text(1, onnx::tensor_type(onnx::kFloat, {-1, 3})));
  const std::string sequence =
      onnx::model({.nodes = {onnx::node("SequenceConstruct", {"x"}, {"y"})},
                   .inputs = {onnx::value("x", onnx::tensor_type(onnx::kFloat, {-1, 3}))},
                   .outputs = {onnx::value("y", sequence_type)}});
  expect_bad_data({"output 'y'", "expected a tensor of numbers"},
                  [&] { run(sequence, one_row()); });
}

TEST_P(OnnxRuntime, AnOutputThatForgetsTheRowsIsRefused) {
  const std::string constant =
      onnx::model({.nodes = {onnx::node("Identity", {"b"}, {"y"})},
                   .inputs = {onnx::value("x", onnx::tensor_type(onnx::kFloat, {-1, 3}))},
                   .outputs = {onnx::value("y", onnx::tensor_type(onnx::kFloat, {1, 3}))},
                   .initializers = {onnx::floats("b", {1, 3}, onnx::raw({0, 0, 0}))}});
  const std::string inputs =
      folder.add("x.npy", npy_of<float>("<f4", "(2, 3)", test::counting<float>(6)));
  expect_bad_data({"output 'y'", "[1, 3] for 2 rows"}, [&] { run(constant, inputs); });
}

TEST_P(OnnxRuntime, IgnoresModulesInTheCurrentFolder) {
  const auto here = std::filesystem::current_path();
  folder.add("json.py", "raise SystemExit(9)");
  folder.add("numpy.py", "raise SystemExit(9)");
  const std::string row = one_row();
  std::filesystem::current_path(folder.path());
  run(onnx::identity(onnx::kFloat, {-1, 3}), row);
  std::filesystem::current_path(here);
  EXPECT_EQ(elements(), bytes_of<float>({1, 2, 3}));
}

/// An executable file.
std::string script(const InputFolder& folder, const std::string& name, const std::string& text) {
  const std::string path = folder.add(name, "#!/bin/sh\n" + text);
  chmod(path.c_str(), 0755);
  return path;
}

std::string run_on_one_row(const InputFolder& folder, const std::string& model) {
  const std::string path = folder.add(model, onnx::identity(onnx::kFloat, {-1, 3}));
  const std::string row = folder.add("x.npy", npy_of<float>("<f4", "(1, 3)", {1, 2, 3}));
  return run_model(model_format(path), path, row, {"y"}, {folder.path("y.npy")}, 3);
}

TEST(RunModel, APythonThatIsNotThereIsNamedWithWhatToInstall) {
  const InputFolder folder;
  const Variable python("P2P_PYTHON", folder.path("none"));
  expect_usage({folder.path("none").c_str(), "status 127", "pip install onnxruntime", "P2P_PYTHON",
                "libonnxruntime-dev"},
               [&] { run_on_one_row(folder, "model.onnx"); });
}

TEST(RunModel, APythonThatFailsIsNamedWithItsLastWords) {
  const InputFolder folder;
  const Variable python("P2P_PYTHON",
                        script(folder, "python", "printf 'Trace\\nError: why\\n' >&2; exit 1"));
  expect_usage({"'Error: why'", "pip install onnxruntime"},
               [&] { run_on_one_row(folder, "model.onnx"); });
}

TEST(RunModel, APythonThatSaysSomethingElseIsRefused) {
  const InputFolder folder;
  const Variable python("P2P_PYTHON", script(folder, "python", "echo 'Hello, world'; sleep 1000"));
  expect_bad_data({"model.onnx", "something else than results"},
                  [&] { run_on_one_row(folder, "model.onnx"); });
}

TEST(RunModel, WeightsAloneCannotBeRun) {
  const InputFolder folder;
  expect_usage({"w.safetensors", "weights", ".onnx"},
               [&] { run_on_one_row(folder, "w.safetensors"); });
}

TEST(RunModel, TorchScriptIsRunByItsOwnProgram) {
  const InputFolder folder;
  const Variable torch("P2P_TORCH", script(folder, "p2p-torch",
                                           "echo noise; echo \"LibTorch 1.13.1\"; echo \"$@\" > " +
                                               folder.path("arguments")));
  EXPECT_EQ(run_on_one_row(folder, "m.pt"), "LibTorch 1.13.1");
  EXPECT_EQ(test::read_file(folder.path("arguments")),
            "run " + folder.path("m.pt") + " " + folder.path("x.npy") + " " + folder.path("y.npy") +
                " --output=y --threads 3\n");
}

TEST(RunModel, ErrorsOfTheTorchProgramAreErrorsHere) {
  const InputFolder folder;
  const auto ends = [&](const std::string& status) {
    return Variable("P2P_TORCH",
                    script(folder, "torch", "echo noise >&2; echo 'a sentence' >&2; " + status));
  };
  {
    const Variable torch = ends("exit 3");
    const std::string sentence =
        test::error_of(ErrorCode::kBadData, [&] { run_on_one_row(folder, "m.pt"); });
    EXPECT_EQ(sentence, "a sentence");
  }
  {
    const Variable torch = ends("exit 2");
    expect_usage({"a sentence"}, [&] { run_on_one_row(folder, "m.pt"); });
  }
  {
    const Variable torch = ends("kill -9 $$");
    expect_bad_data({"m.pt' cannot be run by p2p-torch", "a sentence"},
                    [&] { run_on_one_row(folder, "m.pt"); });
  }
}

TEST(FindTorchProgram, LooksOnPathAndTellsHowToBuildIt) {
  const InputFolder folder;
  const Variable torch("P2P_TORCH", std::nullopt);
  const Variable path("PATH", "/p2p/none::" + folder.path());
  if (std::filesystem::exists(std::filesystem::read_symlink("/proc/self/exe").parent_path() /
                              "p2p-torch")) {
    GTEST_SKIP() << "p2p-torch lies beside this test";
  }
  expect_usage({"p2p-torch", "cmake -DP2P_BUILD_TORCH=ON"}, [] { find_torch_program(); });
  const std::string program = script(folder, "p2p-torch", "");
  EXPECT_EQ(find_torch_program(), program);
}

TEST(FindTorchProgram, AChosenProgramThatIsNoneIsNamed) {
  const InputFolder folder;
  const Variable torch("P2P_TORCH", folder.add("torch", "not executable"));
  expect_usage({"P2P_TORCH", folder.path("torch").c_str()}, [] { find_torch_program(); });
}

}  // namespace
}  // namespace p2p::engine
