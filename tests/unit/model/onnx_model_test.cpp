#include "model/onnx_model.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "unit/model/onnx_testing.hpp"

namespace p2p::model {
namespace {

using test::gemm_parts;
using test::ModelFile;
using test::Parts;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refusal(const std::string& bytes) {
  const ModelFile file(bytes);
  return p2p::test::error_of(ErrorCode::kBadData, [&] { load_onnx(file.path()); });
}
std::string refusal(const Parts& parts) { return refusal(parts.serialize()); }

TEST(LoadOnnx, ReadsTheStructure) {
  Parts parts = gemm_parts();
  parts.model_fields = bytes_field(14, bytes_field(1, "author") + bytes_field(2, "me"));
  const ModelFile file(parts);
  const OnnxModel model = load_onnx(file.path());
  EXPECT_EQ(model.opset, 13);
  EXPECT_EQ(model.ir_version, 8);
  ASSERT_EQ(model.nodes.size(), 1U);
  EXPECT_EQ(model.nodes[0].words(), "Gemm 'fc'");
  EXPECT_THAT(model.nodes[0].inputs, ElementsAre("x", "W", "b"));
  EXPECT_EQ(model.maker("scores"), &model.nodes[0]);
  ASSERT_NE(model.find_initializer("W"), nullptr);
  EXPECT_THAT(model.find_initializer("W")->dims, ElementsAre(2, 3));
  EXPECT_EQ(model.times_used("b"), 1);
  EXPECT_THAT(*model.find_output("scores")->shape, ElementsAre(-1, 3));
  EXPECT_EQ(model.metadata_text("author", 10), "me");
  EXPECT_FALSE(model.metadata_text("author", 1));
}

TEST(LoadOnnx, CountsUsesInGraphsInsideNodes) {
  Parts parts = gemm_parts();
  const std::string inner = bytes_field(1, make_node({"b"}, "inner", "n", "Identity")) +
                            bytes_field(12, test::value_info("inner", {3}));
  parts.nodes.push_back(make_node({"flag"}, "other", "choice", "If") +
                        bytes_field(5, bytes_field(1, "then_branch") + bytes_field(6, inner)));
  const ModelFile file(parts);
  EXPECT_EQ(load_onnx(file.path()).times_used("b"), 2);
}

TEST(LoadOnnx, RefusesWhatIsCutShortAtEveryByte) {
  const std::string bytes = gemm_parts().serialize();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const ModelFile file(bytes.substr(0, size));
    try {
      static_cast<void>(load_onnx(file.path()));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadData);
      continue;
    }
    // Only the fields behind the graph may be missing unnoticed.
    EXPECT_GE(size, bytes.size() - 5) << size;
  }
}

TEST(LoadOnnx, RefusesACycle) {
  Parts parts;
  parts.nodes = {make_node({"b"}, "a", "one", "Identity"),
                 make_node({"a"}, "b", "two", "Identity")};
  EXPECT_THAT(refusal(parts), AllOf(HasSubstr("has a cycle"), HasSubstr("Identity 'one'")));
}

TEST(LoadOnnx, AcceptsNodesThatAreNotSorted) {
  Parts parts = gemm_parts();
  parts.nodes.insert(parts.nodes.begin(), make_node({"scores"}, "copy", "early", "Identity"));
  const ModelFile file(parts);
  EXPECT_NO_THROW(load_onnx(file.path()));
}

TEST(LoadOnnx, RefusesAValueMadeTwiceAndAnInitializerGivenTwice) {
  Parts twice = gemm_parts();
  twice.nodes.push_back(make_node({"x", "b", "W"}, "scores", "fc", "Gemm"));
  EXPECT_THAT(refusal(twice), HasSubstr("two nodes"));
  Parts tensors = gemm_parts();
  tensors.initializers.push_back(tensors.initializers.front());
  EXPECT_THAT(refusal(tensors), HasSubstr("two initializers named 'W'"));
}

TEST(LoadOnnx, AcceptsANodeThatComesTwiceByteByByte) {
  Parts twice = gemm_parts();
  twice.nodes.push_back(twice.nodes.front());
  const ModelFile file(twice);
  EXPECT_THAT(load_onnx(file.path()).written_twice, testing::ElementsAre("scores"));
}

TEST(LoadOnnx, RefusesNoGraphAndTwoGraphs) {
  EXPECT_THAT(refusal(varint_field(1, 8)), HasSubstr("without a graph"));
  EXPECT_THAT(refusal(gemm_parts().serialize() + bytes_field(7, "")), HasSubstr("a second graph"));
}

TEST(LoadOnnx, RefusesTextAndAnEmptyFile) {
  EXPECT_THAT(refusal("<html>not found</html>"), HasSubstr("is no whole ONNX model"));
  EXPECT_THAT(refusal(""), HasSubstr("is no whole ONNX model"));
}

TEST(LoadOnnx, RefusesGraphsNestedTooDeep) {
  std::string graph;
  for (int i = 0; i < 40; ++i) {
    const std::string node =
        make_node({}, "", "", "If") + bytes_field(5, bytes_field(1, "g") + bytes_field(6, graph));
    graph = bytes_field(1, node);
  }
  EXPECT_THAT(refusal(bytes_field(7, graph)), HasSubstr("graphs nested more than 32 deep"));
}

class ExternalData : public ::testing::Test {
 protected:
  static Parts parts(const std::string& location, const std::string& length = "12") {
    Parts model = gemm_parts();
    model.initializers[1] = test::external_tensor("b", {3}, location, length);
    return model;
  }
};

TEST_F(ExternalData, IsReadWhereItLies) {
  const ModelFile file(parts("data.bin"));
  p2p::test::write_file(file.path("data.bin"), test::floats(test::kBias));
  const OnnxModel model = load_onnx(file.path());
  EXPECT_EQ(tensor_bytes(model, *model.find_initializer("b")), test::floats(test::kBias));
}

TEST_F(ExternalData, OutsideTheFolderIsRefused) {
  EXPECT_THAT(refusal(parts("../data.bin")), HasSubstr("leads out of the model's folder"));
  EXPECT_THAT(refusal(parts("a/../../data.bin")), HasSubstr("leads out of the model's folder"));
  EXPECT_THAT(refusal(parts("/etc/passwd")), HasSubstr("no name relative to the model's folder"));
}

TEST_F(ExternalData, BehindALinkOutOfTheFolderIsRefused) {
  const ModelFile file(parts("data.bin"));
  const p2p::test::OutputFolder elsewhere;
  p2p::test::write_file(elsewhere.path("data.bin"), test::floats(test::kBias));
  std::filesystem::create_symlink(elsewhere.path("data.bin"), file.path("data.bin"));
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { load_onnx(file.path()); }),
              HasSubstr("a link that leads out"));
}

TEST_F(ExternalData, WithASecondNameIsRefused) {
  const ModelFile file(parts("data.bin"));
  const p2p::test::OutputFolder elsewhere;
  p2p::test::write_file(elsewhere.path("secret"), test::floats(test::kBias));
  std::filesystem::create_hard_link(elsewhere.path("secret"), file.path("data.bin"));
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { load_onnx(file.path()); }),
              HasSubstr("several names (hard links)"));
}

TEST_F(ExternalData, InAPipeOrAFolderIsRefusedWithoutWaiting) {
  const ModelFile pipe(parts("data.bin"));
  ASSERT_EQ(mkfifo(pipe.path("data.bin").c_str(), 0600), 0);
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { load_onnx(pipe.path()); }),
              HasSubstr("no regular file"));
  const ModelFile folder(parts("data.bin"));
  std::filesystem::create_directory(folder.path("data.bin"));
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { load_onnx(folder.path()); }),
              HasSubstr("no regular file"));
}

TEST_F(ExternalData, InAFolderOfTheModelIsRead) {
  const ModelFile file(parts("weights/data.bin"));
  std::filesystem::create_directory(file.path("weights"));
  p2p::test::write_file(file.path("weights/data.bin"), test::floats(test::kBias));
  const OnnxModel model = load_onnx(file.path());
  EXPECT_EQ(tensor_bytes(model, *model.find_initializer("b")), test::floats(test::kBias));
}

TEST_F(ExternalData, MayBeALinkBesideALinkToTheModelAsInDownloadCaches) {
  const ModelFile blobs(parts("data.bin"));
  p2p::test::write_file(blobs.path("0123"), test::floats(test::kBias));
  const p2p::test::OutputFolder snapshot;
  std::filesystem::create_symlink(blobs.path(), snapshot.path("model.onnx"));
  std::filesystem::create_symlink(blobs.path("0123"), snapshot.path("data.bin"));
  EXPECT_NO_THROW(load_onnx(snapshot.path("model.onnx")));
}

TEST_F(ExternalData, ThatIsMissingOrTooShortIsNamed) {
  EXPECT_THAT(refusal(parts("data.bin")), HasSubstr("'data.bin', which does not exist there"));
  const ModelFile file(parts("data.bin", "1000"));
  p2p::test::write_file(file.path("data.bin"), test::floats(test::kBias));
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData, [&] { load_onnx(file.path()); }),
              HasSubstr("up to byte 1000 of 'data.bin', which has only 12 bytes"));
}

TEST(TensorBytes, ReadsEveryWayInWhichFloatsAreStored) {
  Parts parts = gemm_parts();
  const std::string dims = varint_field(1, 3);
  const std::string raw = test::floats(test::kBias);
  const auto named = [&](const std::string& name, std::uint64_t type, const std::string& data) {
    return dims + varint_field(2, type) + bytes_field(8, name) + data;
  };
  parts.initializers.push_back(named("packed", kOnnxFloat, bytes_field(4, raw)));
  parts.initializers.push_back(
      named("unpacked", kOnnxFloat, float_field(4, 0.5F) + float_field(4, -1) + float_field(4, 2)));
  parts.initializers.push_back(
      named("halves", kOnnxFloat16,
            bytes_field(5, varint_bytes(0x3800) + varint_bytes(0xbc00) + varint_bytes(0x4000))));
  const ModelFile file(parts);
  const OnnxModel model = load_onnx(file.path());
  EXPECT_EQ(tensor_bytes(model, *model.find_initializer("packed")), raw);
  EXPECT_EQ(tensor_bytes(model, *model.find_initializer("unpacked")), raw);
  EXPECT_EQ(tensor_bytes(model, *model.find_initializer("halves")),
            std::string("\x00\x38\x00\xbc\x00\x40", 6));
}

TEST(LoadOnnx, RefusesBytesThatDoNotFitTheShape) {
  Parts parts = gemm_parts();
  parts.initializers[1] = make_tensor("b", DType::kF32, {4}, test::floats(test::kBias));
  EXPECT_THAT(refusal(parts), HasSubstr("'b' of"));
  EXPECT_THAT(refusal(parts),
              HasSubstr("holds 12 bytes, which do not fit 4 bytes an element and shape [4]"));
}

TEST(TensorBytes, RefusesNumbersThatDoNotFitTheShape) {
  Parts parts = gemm_parts();
  parts.initializers[1] = varint_field(1, 4) + varint_field(2, kOnnxFloat) + bytes_field(8, "b") +
                          bytes_field(4, test::floats(test::kBias));
  const ModelFile file(parts);
  const OnnxModel model = load_onnx(file.path());
  EXPECT_THAT(p2p::test::error_of(ErrorCode::kBadData,
                                  [&] { tensor_bytes(model, *model.find_initializer("b")); }),
              HasSubstr("holds 12 bytes, which do not fit float32 of shape [4]"));
}

TEST(WithRawData, ReplacesTypedDataAndKeepsWhatItDoesNotKnow) {
  Parts parts = gemm_parts();
  parts.initializers[1] = varint_field(1, 3) + varint_field(2, kOnnxFloat) +
                          bytes_field(4, test::floats(test::kBias)) + bytes_field(8, "b") +
                          bytes_field(1000, "unknown");
  const ModelFile file(parts);
  const OnnxModel model = load_onnx(file.path());
  EXPECT_EQ(with_raw_data(model, *model.find_initializer("b"), "abcdefghijkl"),
            varint_field(1, 3) + varint_field(2, kOnnxFloat) + bytes_field(9, "abcdefghijkl") +
                bytes_field(8, "b") + bytes_field(1000, "unknown"));
}

}  // namespace
}  // namespace p2p::model
