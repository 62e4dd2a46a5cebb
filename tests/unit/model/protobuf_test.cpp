#include "model/protobuf.hpp"

#include <gmock/gmock.h>

#include "support/written_file.hpp"

namespace p2p::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Wire {
 public:
  explicit Wire(const std::string& bytes) : size_(static_cast<std::int64_t>(bytes.size())) {
    test::write_file(folder_.path("wire"), bytes);
    file_ = std::make_unique<WireFile>(io::File::open(folder_.path("wire")));
  }
  WireFile& operator*() { return *file_; }
  WireFile* operator->() { return file_.get(); }
  [[nodiscard]] FieldReader fields() { return {*file_, {0, size_}}; }
  std::string error() {
    return test::error_of(ErrorCode::kBadData, [&] {
      FieldReader reader = fields();
      for (Field field; reader.next(field);) {
      }
    });
  }

 private:
  test::OutputFolder folder_;
  std::int64_t size_;
  std::unique_ptr<WireFile> file_;
};

TEST(FieldReader, GivesFieldsInOrderWithTheirPlaces) {
  Wire wire(varint_field(1, 300) + bytes_field(2, "abc") + float_field(3, 1.5F));
  FieldReader reader = wire.fields();
  Field field;
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.number, 1U);
  EXPECT_EQ(field.varint, 300U);
  EXPECT_EQ(field.whole.size(), 3);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.number, 2U);
  EXPECT_EQ(wire->read(field.value, 10, "text"), "abc");
  EXPECT_EQ(field.whole.size(), 5);
  ASSERT_TRUE(reader.next(field));
  EXPECT_EQ(field.type, WireType::kFixed32);
  EXPECT_EQ(wire->fixed32(field.value.begin), 0x3fc00000U);
  EXPECT_FALSE(reader.next(field));
}

TEST(FieldReader, RefusesALengthBeyondTheEnd) {
  Wire wire(bytes_field(1, "abc").substr(0, 3));
  EXPECT_THAT(wire.error(), HasSubstr("a field of 3 bytes where only 1 are left at byte 0"));
}

TEST(FieldReader, RefusesALengthOfMoreThanTheAddressSpace) {
  Wire wire(std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10));
  EXPECT_THAT(wire.error(), HasSubstr("a field of 9223372036854775807 bytes"));
}

TEST(FieldReader, RefusesANumberOfMoreThan64Bits) {
  Wire wire(std::string("\x08") + std::string(9, '\xff') + "\x02");
  EXPECT_THAT(wire.error(), HasSubstr("a number of more than 64 bits"));
}

TEST(FieldReader, RefusesGroupsAndFieldZero) {
  EXPECT_THAT(Wire("\x0b").error(), HasSubstr("a field of unknown type"));
  EXPECT_THAT(Wire(std::string("\x00\x01", 2)).error(), HasSubstr("an impossible tag"));
}

TEST(AppendVarints, ReadsPackedAndUnpackedLists) {
  Wire wire(varint_field(1, 7) + bytes_field(1, varint_bytes(300) + varint_bytes(1)));
  std::vector<std::int64_t> numbers;
  FieldReader reader = wire.fields();
  for (Field field; reader.next(field);) append_varints(*wire, field, 3, numbers);
  EXPECT_THAT(numbers, ElementsAre(7, 300, 1));
}

TEST(AppendVarints, StopsAtTheLimit) {
  Wire wire(bytes_field(1, varint_bytes(1) + varint_bytes(2)));
  FieldReader reader = wire.fields();
  Field field;
  reader.next(field);
  std::vector<std::int64_t> numbers;
  EXPECT_THAT(
      test::error_of(ErrorCode::kBadData, [&] { append_varints(*wire, field, 1, numbers); }),
      HasSubstr("a list of more than 1 numbers"));
}

TEST(VarintBytes, KeepsAWiderSpelling) {
  EXPECT_EQ(varint_bytes(5), "\x05");
  EXPECT_EQ(varint_bytes(5, 3), std::string("\x85\x80\x00", 3));
  EXPECT_EQ(varint_bytes(300, 1).size(), 2U);
}

TEST(WireFile, ReadsNamesThatAreUtf8Only) {
  Wire wire(bytes_field(1, "\xff"));
  FieldReader reader = wire.fields();
  Field field;
  reader.next(field);
  EXPECT_THAT(test::error_of(ErrorCode::kBadData, [&] { wire->read_name(field); }),
              HasSubstr("not UTF-8"));
}

}  // namespace
}  // namespace p2p::model
