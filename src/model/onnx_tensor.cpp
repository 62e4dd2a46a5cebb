#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "io/array_info.hpp"
#include "io/text.hpp"
#include "model/external_data.hpp"
#include "model/onnx_model.hpp"
#include "p2p/error.hpp"

namespace p2p::model {
namespace {

// Fields of TensorProto that hold or place elements.
constexpr std::uint32_t kFloatData = 4;
constexpr std::uint32_t kInt32Data = 5;
constexpr std::uint32_t kStringData = 6;
constexpr std::uint32_t kInt64Data = 7;
constexpr std::uint32_t kRawData = 9;
constexpr std::uint32_t kDoubleData = 10;
constexpr bool holds_elements(std::uint32_t number) {
  return (number >= 4 && number <= 7) || (number >= 9 && number <= 11) || number == 13 ||
         number == 14;
}

constexpr std::size_t kMostIntegers = 64;
constexpr std::int64_t kLargestBias = std::int64_t{1} << 30;

std::string bytes_in_model(WireFile& wire, const OnnxTensor& tensor, DType dtype) {
  std::string bytes;
  std::vector<std::int64_t> halves;
  FieldReader fields(wire, tensor.message);
  for (Field field; fields.next(field);) {
    if (field.number == kRawData && field.type == WireType::kBytes) {
      bytes = wire.read(field.value, kLargestBias, "a bias");
    } else if ((field.number == kFloatData && dtype == DType::kF32) ||
               (field.number == kDoubleData && dtype == DType::kF64)) {
      bytes += wire.read(field.value, kLargestBias, "a bias");
    } else if (field.number == kInt32Data && item_size(dtype) == 2) {
      append_varints(wire, field, static_cast<std::size_t>(kLargestBias / 2), halves);
    }
  }
  for (const std::int64_t half : halves) {
    bytes += static_cast<char>(half & 255);
    bytes += static_cast<char>(half >> 8 & 255);
  }
  return bytes;
}

}  // namespace

std::int64_t OnnxTensor::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t size : dims) {
    const auto product = io::checked_multiply(count, size);
    if (!product) return -1;
    count = *product;
  }
  return count;
}

std::string tensor_bytes(const OnnxModel& model, const OnnxTensor& tensor) {
  const std::optional<DType> dtype = score_type(tensor.type);
  if (!dtype) model.wire->fail(tensor.message.begin, "a bias that holds no floats");
  std::string bytes = tensor.external ? external_bytes(model, tensor, kLargestBias)
                                      : bytes_in_model(*model.wire, tensor, *dtype);
  const auto expected =
      io::checked_multiply(tensor.elements(), static_cast<std::int64_t>(item_size(*dtype)));
  if (tensor.elements() < 0 || !expected || *expected != static_cast<std::int64_t>(bytes.size())) {
    throw_bad_data(
        fmt::format("the tensor {} of {} holds {} bytes, which do not fit {} of shape {}; export "
                    "the model again",
                    io::quote(tensor.name), io::quote(model.path), bytes.size(), dtype_name(*dtype),
                    io::shape_text(tensor.dims)));
  }
  return bytes;
}

std::vector<std::int64_t> tensor_integers(const OnnxModel& model, const OnnxTensor& tensor) {
  std::vector<std::int64_t> numbers;
  if (tensor.type != kOnnxInt64 || tensor.external) return numbers;
  FieldReader fields(*model.wire, tensor.message);
  for (Field field; fields.next(field);) {
    if (field.number == kInt64Data) append_varints(*model.wire, field, kMostIntegers, numbers);
    if (field.number != kRawData) continue;
    const std::string bytes = model.wire->read(field.value, kMostIntegers * 8, "integers");
    numbers.resize(bytes.size() / 8);
    std::memcpy(numbers.data(), bytes.data(), numbers.size() * 8);
  }
  return numbers;
}

std::vector<std::string> tensor_strings(const OnnxModel& model, const OnnxTensor& tensor) {
  std::vector<std::string> strings;
  FieldReader fields(*model.wire, tensor.message);
  for (Field field; fields.next(field);) {
    if (field.number == kStringData) strings.push_back(model.wire->read_name(field));
  }
  return strings;
}

std::string with_raw_data(const OnnxModel& model, const OnnxTensor& tensor,
                          std::string_view bytes) {
  std::string message;
  bool placed = false;
  FieldReader fields(*model.wire, tensor.message);
  for (Field field; fields.next(field);) {
    if (!holds_elements(field.number)) {
      message += model.wire->read(field.whole, kLargestBias, "a field of a bias");
    } else if (!placed) {
      message += bytes_field(kRawData, bytes);
      placed = true;
    }
  }
  if (!placed) message += bytes_field(kRawData, bytes);
  return message;
}

std::string make_tensor(const std::string& name, DType dtype, const std::vector<std::int64_t>& dims,
                        std::string_view bytes) {
  std::string message;
  for (const std::int64_t size : dims) message += varint_field(1, static_cast<std::uint64_t>(size));
  message += varint_field(2, static_cast<std::uint64_t>(onnx_type(dtype)));
  message += bytes_field(8, name);
  message += bytes_field(kRawData, bytes);
  return message;
}

std::string make_integers(const std::string& name, const std::vector<std::int64_t>& values) {
  std::string message = varint_field(1, values.size()) + varint_field(2, kOnnxInt64);
  for (const std::int64_t value : values) {
    message += varint_field(kInt64Data, static_cast<std::uint64_t>(value));
  }
  return message + bytes_field(8, name);
}

std::string make_strings(const std::string& name, const std::vector<std::string>& values) {
  std::string message = varint_field(1, values.size()) + varint_field(2, kOnnxString);
  for (const std::string& value : values) message += bytes_field(kStringData, value);
  return message + bytes_field(8, name);
}

}  // namespace p2p::model
