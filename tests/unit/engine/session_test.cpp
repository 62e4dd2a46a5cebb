#include "engine/session.hpp"

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>
#include <functional>

#include "support/expect_error.hpp"
#include "support/input_file.hpp"

namespace p2p::engine {
namespace {

using test::bytes_of;
using test::expect_bad_data;
using test::InputFolder;
using test::npy_of;
using testing::ElementsAre;
using testing::HasSubstr;

/// A model whose output is what a function makes of each batch.
class FakeSession final : public Session {
 public:
  using Model = std::function<Tensor(const std::vector<Tensor>&)>;
  FakeSession(std::vector<Port> inputs, Model model) : model_(std::move(model)) {
    engine_ = "a fake";
    inputs_ = std::move(inputs);
    outputs_ = {{.name = "y", .type = "float32", .scalar = Scalar::kF32, .shape = {-1, 2}},
                {.name = "words", .type = "tensor(string)", .scalar = {}, .shape = {}}};
  }
  std::vector<Tensor> run(const std::vector<Tensor>& batch,
                          const std::vector<std::string>& outputs) override {
    if (!batch.front().shape.empty()) batches.push_back(batch.front().shape.front());
    return std::vector<Tensor>(outputs.size(), model_(batch));
  }

  std::vector<std::int64_t> batches;

 private:
  Model model_;
};

Port floats(const std::string& name, std::vector<std::int64_t> shape) {
  return {.name = name, .type = "float32", .scalar = Scalar::kF32, .shape = std::move(shape)};
}

FakeSession identity(std::vector<Port> inputs) {
  return {std::move(inputs), [](const std::vector<Tensor>& batch) { return batch.front(); }};
}

Tensor tensor(Scalar scalar, std::vector<std::int64_t> shape, const std::string& bytes) {
  Tensor made{.scalar = scalar, .shape = std::move(shape), .data = {}};
  made.data.resize(bytes.size());
  std::memcpy(made.data.data(), bytes.data(), bytes.size());
  return made;
}

/// `rows` rows of two floats: 0, 1, 2, ...
std::string rows_of_two(const InputFolder& folder, std::int64_t rows) {
  return folder.add("x.npy", npy_of<float>("<f4", "(" + std::to_string(rows) + ", 2)",
                                           test::counting<float>(rows * 2)));
}

void run(FakeSession& session, const std::string& inputs, const std::string& result,
         const std::string& output = "y") {
  run_batches(session, "model.onnx", inputs, {output}, {result});
}

TEST(RunBatches, ResultsOfAllBatchesMakeOneArray) {
  const InputFolder folder;
  FakeSession session = identity({floats("x", {-1, 2})});
  run(session, rows_of_two(folder, 130), folder.path("y.npy"));
  EXPECT_THAT(session.batches, ElementsAre(64, 64, 2));
  EXPECT_EQ(test::read_file(folder.path("y.npy")).substr(128),
            bytes_of(test::counting<float>(260)));
  EXPECT_THAT(test::read_file(folder.path("y.npy")), HasSubstr("'<f4', 'fortran_order': False, "
                                                               "'shape': (130, 2)"));
}

TEST(RunBatches, AModelOfAFixedBatchGetsBatchesOfIt) {
  const InputFolder folder;
  FakeSession session = identity({floats("x", {4, 2})});
  run(session, rows_of_two(folder, 8), folder.path("y.npy"));
  EXPECT_THAT(session.batches, ElementsAre(4, 4));
  expect_bad_data({"10 rows", "batches of 4"},
                  [&] { run(session, rows_of_two(folder, 10), folder.path("y.npy")); });
}

TEST(RunBatches, InputsThatShareNoBatchAreRefused) {
  const InputFolder folder;
  FakeSession session = identity({floats("a", {4, 2}), floats("b", {3, 2})});
  const std::string path = folder.add(
      "x.npz", test::zip({{.name = "a.npy", .data = npy_of<float>("<f4", "(1, 2)", {1, 2})},
                          {.name = "b.npy", .data = npy_of<float>("<f4", "(1, 2)", {1, 2})}}));
  expect_bad_data({"first axes of 4 and 3"}, [&] { run(session, path, folder.path("y.npy")); });
}

TEST(RunBatches, ArraysOfAnArchiveGoToTheInputsOfTheirNames) {
  const InputFolder folder;
  FakeSession session({floats("a", {-1, 1}), floats("b", {-1, 1})},
                      [](const std::vector<Tensor>& batch) { return batch[1]; });
  const std::string path = folder.add(
      "x.npz", test::zip({{.name = "b.npy", .data = npy_of<float>("<f4", "(2, 1)", {3, 4})},
                          {.name = "a.npy", .data = npy_of<float>("<f4", "(2, 1)", {1, 2})}}));
  run(session, path, folder.path("y.npy"));
  EXPECT_EQ(test::read_file(folder.path("y.npy")).substr(128), bytes_of<float>({3, 4}));
}

TEST(RunBatches, MissingAndUnknownInputsAreListed) {
  const InputFolder folder;
  FakeSession session = identity({floats("a", {-1, 2}), floats("b", {-1, 3, -1})});
  const std::string path = folder.add(
      "x.npz", test::zip({{.name = "a.npy", .data = npy_of<float>("<f4", "(1, 2)", {1, 2})},
                          {.name = "c.npy", .data = npy_of<float>("<f4", "(1, 2)", {1, 2})}}));
  expect_bad_data({"x.npz' lacks 'b' and holds 'c'", "a float32 [N, 2], b float32 [N, 3, any]"},
                  [&] { run(session, path, folder.path("y.npy")); });
}

TEST(RunBatches, OneArrayIsNotEnoughForTwoInputs) {
  const InputFolder folder;
  FakeSession session = identity({floats("a", {-1, 2}), floats("b", {-1, 2})});
  expect_bad_data({"2 inputs", "one array", ".npz"},
                  [&] { run(session, rows_of_two(folder, 1), folder.path("y.npy")); });
}

TEST(RunBatches, AnotherShapeThanTheModelTakesIsNamed) {
  const InputFolder folder;
  FakeSession session = identity({floats("x", {-1, 3})});
  expect_bad_data({"x.npy' has shape [1, 2]", "x float32 [N, 3]"},
                  [&] { run(session, rows_of_two(folder, 1), folder.path("y.npy")); });
}

TEST(RunBatches, TypesAreConvertedTowardsFloatsOnly) {
  const InputFolder folder;
  FakeSession wants_floats = identity({floats("x", {-1, 2})});
  const std::string integers = folder.add("i.npy", npy_of<std::int64_t>("<i8", "(1, 2)", {-1, 2}));
  run(wants_floats, integers, folder.path("y.npy"));
  EXPECT_EQ(test::read_file(folder.path("y.npy")).substr(128), bytes_of<float>({-1, 2}));

  FakeSession wants_integers =
      identity({{.name = "x", .type = "int64", .scalar = Scalar::kI64, .shape = {-1, 2}}});
  expect_bad_data({"holds float32", "int64", "astype('int64')"},
                  [&] { run(wants_integers, rows_of_two(folder, 1), folder.path("y.npy")); });
}

TEST(RunBatches, InputsThatNumpyCannotHoldAreRefused) {
  const InputFolder folder;
  FakeSession bfloats =
      identity({{.name = "x", .type = "bfloat16", .scalar = Scalar::kBF16, .shape = {-1, 2}}});
  expect_bad_data({"input 'x'", "bfloat16"},
                  [&] { run(bfloats, rows_of_two(folder, 1), folder.path("y.npy")); });
  FakeSession strings =
      identity({{.name = "x", .type = "tensor(string)", .scalar = {}, .shape = {-1, 2}}});
  expect_bad_data({"input 'x'", "tensor(string)"},
                  [&] { run(strings, rows_of_two(folder, 1), folder.path("y.npy")); });
}

TEST(RunBatches, IntegersAndBoolsAreWrittenAsInt64AndBfloat16AsFloat32) {
  const InputFolder folder;
  FakeSession labels({floats("x", {-1, 2})}, [](const std::vector<Tensor>&) {
    return tensor(Scalar::kBool, {2}, std::string("\1\0", 2));
  });
  run(labels, rows_of_two(folder, 2), folder.path("y.npy"));
  EXPECT_EQ(test::labels_in({folder.path("y.npy")}), (std::vector<std::int64_t>{1, 0}));

  FakeSession bfloats({floats("x", {-1, 2})}, [](const std::vector<Tensor>&) {
    return tensor(Scalar::kBF16, {1, 2}, bytes_of<std::uint16_t>({0x3f80, 0xc000}));
  });
  run(bfloats, rows_of_two(folder, 1), folder.path("y.npy"));
  EXPECT_EQ(test::read_file(folder.path("y.npy")).substr(128), bytes_of<float>({1, -2}));
}

TEST(RunBatches, AnOutputWithoutAnEntryForEachRowIsRefusedAndNothingIsWritten) {
  const InputFolder folder;
  FakeSession session({floats("x", {-1, 2})}, [](const std::vector<Tensor>&) {
    return tensor(Scalar::kF32, {1, 2}, std::string(8, '\0'));
  });
  expect_bad_data({"output 'y'", "[1, 2] for 3 rows"},
                  [&] { run(session, rows_of_two(folder, 3), folder.path("y.npy")); });
  EXPECT_FALSE(std::filesystem::exists(folder.path("y.npy")));
}

TEST(RunBatches, AnOutputMayHaveTheRowsOfOneBatchOnAnyAxis) {
  const InputFolder folder;
  FakeSession session({floats("x", {-1, 2})}, [](const std::vector<Tensor>&) {
    return tensor(Scalar::kF32, {2, 3, 2}, std::string(48, '\0'));
  });
  run(session, rows_of_two(folder, 3), folder.path("y.npy"));
  EXPECT_EQ(open_scores({folder.path("y.npy")}, {.class_axis = -1}).sources().front()->shape(),
            (std::vector<std::int64_t>{2, 3, 2}));
}

TEST(RunBatches, OutputsOfDifferentShapesMakeNoArray) {
  const InputFolder folder;
  FakeSession session({floats("x", {1, 2})}, [n = std::int64_t{0}](const auto&) mutable {
    ++n;
    return tensor(Scalar::kF32, {1, n}, std::string(static_cast<std::size_t>(4 * n), '\0'));
  });
  expect_bad_data({"output 'y'", "[2, 1]", "[2, 2]"},
                  [&] { run(session, rows_of_two(folder, 2), folder.path("y.npy")); });
}

TEST(RunBatches, OutputsMustBeThereAndHoldNumbers) {
  const InputFolder folder;
  FakeSession session = identity({floats("x", {-1, 2})});
  const std::string rows = rows_of_two(folder, 1);
  expect_bad_data({"no output 'z'", "y float32 [N, 2]"},
                  [&] { run(session, rows, folder.path("y.npy"), "z"); });
  expect_bad_data({"output 'words'", "tensor(string)"},
                  [&] { run(session, rows, folder.path("y.npy"), "words"); });
}

TEST(RunBatches, ANumberWithoutRowsGoesIntoEveryBatch) {
  const InputFolder folder;
  std::vector<std::vector<std::int64_t>> shapes;
  FakeSession session({floats("scale", {}), floats("x", {-1, 2})},
                      [&](const std::vector<Tensor>& batch) {
                        shapes.push_back(batch[0].shape);
                        return batch[1];
                      });
  const std::string path = folder.add(
      "x.npz", test::zip({{.name = "scale.npy", .data = npy_of<float>("<f4", "()", {3})},
                          {.name = "x.npy",
                           .data = npy_of<float>("<f4", "(70, 2)", test::counting<float>(140))}}));
  run(session, path, folder.path("y.npy"));
  EXPECT_THAT(shapes, ElementsAre(testing::IsEmpty(), testing::IsEmpty()));
  EXPECT_EQ(test::read_file(folder.path("y.npy")).substr(128),
            bytes_of(test::counting<float>(140)));
}

TEST(EngineErrors, SayTheModelInPlaceOfItsPath) {
  expect_bad_data({"'/a/m.onnx' cannot be run by it: 'Load model from the model failed'"}, [] {
    throw_engine_error("/a/m.onnx", "it", "Load model from /a/m.onnx failed");
  });
}

TEST(EngineErrors, KeepTheFirstLine) {
  expect_bad_data({"'m.onnx' cannot be run by it: 'first'"},
                  [] { throw_engine_error("m.onnx", "it", "\n  first\nsecond"); });
}

TEST(EngineErrors, KeepBeginningAndEndOfALongLine) {
  const std::string line = "Load failed: " + std::string(1000, 'x') + " why it failed";
  const std::string sentence = test::error_of(
      ErrorCode::kBadData, [&] { throw_engine_error("m.onnx", "it", line + "\nmore"); });
  EXPECT_THAT(sentence, HasSubstr("'Load failed: xxx"));
  EXPECT_THAT(sentence, HasSubstr("xxx ... xxx"));
  EXPECT_THAT(sentence, testing::EndsWith("xxx why it failed'"));
  EXPECT_LT(sentence.size(), 350U);
}

}  // namespace
}  // namespace p2p::engine
