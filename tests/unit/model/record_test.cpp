#include "model/record.hpp"

#include <gmock/gmock.h>

#include "p2p/error.hpp"
#include "support/written_file.hpp"

namespace p2p::model {
namespace {

using test::error_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

StoredRecord sample(const std::string& method = "p2p") {
  BakeRecord record;
  record.method = method;
  record.target = "uniform";
  record.strength = 0.1;
  record.prior_sha256 = "ab12";
  record.version = "1.2.3";
  record.mode = BakeMode::kFold;
  record.where = "fc.bias";
  return {record, Json{{"anything", {1, 2}}}};
}

std::string damage(const std::string& text) {
  return error_of(ErrorCode::kBadData, [&] { parse_records(text, "m.onnx"); });
}

/// The text of a sound record with `from` replaced by `to`.
std::string altered(const std::string& from, const std::string& to) {
  std::string text = write_records({sample()});
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(BakeRecords, ReadBackWhatWasWritten) {
  const auto read = parse_records(write_records({sample(), sample("match")}), "m.onnx");
  ASSERT_THAT(read, SizeIs(2));
  const BakeRecord& record = read[0].record;
  EXPECT_EQ(record.method, "p2p");
  EXPECT_EQ(record.target, "uniform");
  EXPECT_EQ(record.strength, 0.1);
  EXPECT_EQ(record.prior_sha256, "ab12");
  EXPECT_EQ(record.version, "1.2.3");
  EXPECT_EQ(record.mode, BakeMode::kFold);
  EXPECT_EQ(record.where, "fc.bias");
  EXPECT_EQ(read[0].undo, sample().undo);
  EXPECT_EQ(read[1].record.method, "match");
}

TEST(BakeRecords, KeepTheModesAddAndReweight) {
  for (const BakeMode mode : {BakeMode::kAdd, BakeMode::kReweight}) {
    StoredRecord added = sample();
    added.record.mode = mode;
    EXPECT_EQ(parse_records(write_records({added}), "m").front().record.mode, mode);
  }
}

TEST(BakeRecords, AreOneLineOfAscii) {
  StoredRecord stored = sample();
  stored.record.where = "t\u00eate\n.bias";
  const std::string text = write_records({stored});
  EXPECT_THAT(text, AllOf(Not(HasSubstr("\n")), HasSubstr("t\\u00eate\\n.bias")));
  EXPECT_EQ(parse_records(text, "m").front().record.where, stored.record.where);
}

TEST(BakeRecords, KeepNamesThatAreNotUtf8WithReplacementCharacters) {
  StoredRecord stored = sample();
  stored.record.target = "caf\xE9.json";
  EXPECT_EQ(parse_records(write_records({stored}), "m").front().record.target, "caf\uFFFD.json");
}

TEST(BakeRecords, OfANewerFormatNameTheWayOut) {
  EXPECT_THAT(damage(altered("\"version\":1", "\"version\":2")),
              HasSubstr("'m.onnx' was baked by a newer p2p (record version 2, this one reads 1)"));
}

TEST(BakeRecords, ThatAreNoJsonAreDamaged) {
  EXPECT_THAT(damage("{"), HasSubstr("the record of what was baked into 'm.onnx' is damaged"));
}

TEST(BakeRecords, OfAnotherShapeAreDamaged) {
  for (const std::string& text :
       {std::string("[]"), std::string("{}"), std::string("{\"version\":1}"),
        std::string("{\"version\":1,\"baked\":[]}"), std::string("{\"version\":1,\"baked\":[7]}"),
        altered("\"method\"", "\"m\""), altered("\"uniform\"", "7"), altered("0.1", "\"x\""),
        altered("\"undo\"", "\"u\"")}) {
    EXPECT_THAT(damage(text), HasSubstr("is damaged")) << text;
  }
}

TEST(BakeRecords, DeeplyNestedAreDamagedAndNoCrash) {
  EXPECT_THAT(damage(std::string(1'000'000, '[')), HasSubstr("is damaged"));
}

TEST(BakeRecords, RefuseASecondBakingAndNameTheFirst) {
  EXPECT_THAT(
      error_of(ErrorCode::kBadData, [] { refuse_baking_twice({sample()}, false, "m.onnx"); }),
      AllOf(HasSubstr("'m.onnx'"), HasSubstr("p2p, target uniform, strength 0.1"),
            HasSubstr("unbake"), HasSubstr("--again")));
}

TEST(BakeRecords, AllowTheFirstBakingAndASecondOneThatWasAskedFor) {
  refuse_baking_twice({}, false, "m.onnx");
  refuse_baking_twice({sample()}, true, "m.onnx");
}

}  // namespace
}  // namespace p2p::model
