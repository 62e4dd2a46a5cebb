#include "engine/input_arrays.hpp"

#include <fmt/format.h>

#include <cassert>
#include <string_view>
#include <utility>

#include "io/file.hpp"
#include "io/inflate_stream.hpp"
#include "io/npy_header.hpp"
#include "io/spec.hpp"
#include "io/text.hpp"
#include "io/zip_directory.hpp"
#include "p2p/error.hpp"

namespace p2p::engine {
namespace {

constexpr std::string_view kNpyEnding = ".npy";

Scalar scalar_of(const io::ArrayInfo& info, const std::string& name) {
  switch (info.element) {
    case io::Element::kF16:
      return Scalar::kF16;
    case io::Element::kF32:
      return Scalar::kF32;
    case io::Element::kF64:
      return Scalar::kF64;
    case io::Element::kI8:
      return Scalar::kI8;
    case io::Element::kI16:
      return Scalar::kI16;
    case io::Element::kI32:
      return Scalar::kI32;
    case io::Element::kI64:
      return Scalar::kI64;
    case io::Element::kU8:
      return Scalar::kU8;
    case io::Element::kU16:
      return Scalar::kU16;
    case io::Element::kU32:
      return Scalar::kU32;
    case io::Element::kU64:
      return Scalar::kU64;
    case io::Element::kBF16:
    case io::Element::kOther:
      break;
  }
  if (info.stored_type == "|b1") return Scalar::kBool;
  throw_bad_data(fmt::format(
      "{} holds dtype '{}', which no model takes from a .npy file; expected numbers of 8 to 64 "
      "bits or bool: save it with .astype('float32')",
      io::quote(name), info.stored_type));
}

InputArray make_array(std::string member, const std::string& name, const io::NpyHeader& header,
                      std::int64_t data_bytes, std::unique_ptr<io::ByteStream> elements) {
  const io::ArrayInfo& info = header.info;
  const Scalar scalar = scalar_of(info, name);
  if (*io::element_count(info) == 0) {
    throw_bad_data(fmt::format("{} has shape {}: it holds no numbers; expected at least one row",
                               io::quote(name), io::shape_text(info.shape)));
  }
  if (info.fortran_order && info.shape.size() > 1) {
    throw_bad_data(
        fmt::format("{} has shape {} in Fortran order, so its rows do not lie together; save "
                    "numpy.ascontiguousarray(array)",
                    io::quote(name), io::shape_text(info.shape)));
  }
  const auto needed = io::checked_multiply(*io::element_count(info),
                                           static_cast<std::int64_t>(scalar_size(scalar)));
  if (!needed || *needed != data_bytes) {
    throw_bad_data(fmt::format(
        "{} holds {} bytes of data, which is not what {} of shape {} needs; copy or save it again",
        io::quote(name), data_bytes, info.stored_type, io::shape_text(info.shape)));
  }
  return {std::move(member),  name, scalar, info.shape, io::is_foreign_order(info),
          std::move(elements)};
}

InputArray open_npy(const std::string& path) {
  const auto file = io::File::open(path);
  auto stream = std::make_unique<io::FileStream>(file, 0, file->size());
  const io::NpyHeader header = io::read_npy_header(*stream, path);
  if (header.info.shape.empty()) {
    throw_bad_data(
        fmt::format("{} is a single number; expected an array with the rows on its first axis",
                    io::quote(path)));
  }
  return make_array("", path, header, file->size() - header.data_offset, std::move(stream));
}

InputArray open_member(const std::shared_ptr<const io::File>& file, const io::ZipMember& member) {
  std::unique_ptr<io::ByteStream> stream;
  if (member.method == io::kDeflated) {
    stream = std::make_unique<io::InflateStream>(file, member);
  } else {
    const std::int64_t begin = io::member_data_offset(*file, member);
    stream = std::make_unique<io::FileStream>(file, begin, begin + member.size);
  }
  const std::string array = member.name.substr(0, member.name.size() - kNpyEnding.size());
  const std::string name = file->name() + ":" + array;
  const io::NpyHeader header = io::read_npy_header(*stream, name);
  return make_array(array, name, header, member.size - header.data_offset, std::move(stream));
}

std::vector<InputArray> open_npz(const std::string& path) {
  const auto file = io::File::open(path);
  std::vector<InputArray> arrays;
  for (const io::ZipMember& member : io::read_zip_directory(*file)) {
    if (member.name.ends_with(kNpyEnding)) arrays.push_back(open_member(file, member));
  }
  if (arrays.empty()) {
    throw_bad_data(io::quote(path) +
                   " holds no arrays; save one for each input of the model: numpy.savez(path, "
                   "NAME=array)");
  }
  return arrays;
}

}  // namespace

InputArray::InputArray(std::string member, std::string name, Scalar scalar,
                       std::vector<std::int64_t> shape, bool foreign_order,
                       std::unique_ptr<io::ByteStream> elements)
    : member_(std::move(member)),
      name_(std::move(name)),
      scalar_(scalar),
      shape_(std::move(shape)),
      foreign_order_(foreign_order),
      elements_(std::move(elements)) {}

Tensor InputArray::next_rows(std::int64_t count, Scalar wanted) {
  assert(count <= rows() - next_row_);
  std::vector<std::int64_t> shape = shape_;
  shape.front() = count;
  Tensor tensor = read(std::move(shape), wanted);
  next_row_ += count;
  return tensor;
}

Tensor InputArray::all(Scalar wanted) { return read(shape_, wanted); }

Tensor InputArray::read(std::vector<std::int64_t> shape, Scalar wanted) {
  Tensor tensor{.scalar = wanted, .shape = std::move(shape), .data = {}};
  const std::int64_t elements = element_count(tensor.shape);
  const auto bytes = [&](Scalar scalar) {
    return static_cast<std::size_t>(elements) * scalar_size(scalar);
  };
  std::vector<std::byte> stored(bytes(scalar_));
  elements_->read(stored.data(), stored.size());
  if (foreign_order_) io::swap_bytes(stored.data(), elements, scalar_size(scalar_));
  tensor.data.resize(bytes(wanted));
  const std::int64_t misfit =
      convert_scalars(stored.data(), scalar_, elements, tensor.data.data(), wanted);
  if (misfit >= 0) {
    const std::int64_t rows = tensor.shape.empty() ? 1 : tensor.shape.front();
    throw_bad_data(fmt::format(
        "{}, row {} (counted from 0) holds an integer that the model's {} cannot hold; expected "
        "values within its range",
        io::quote(name_), next_row_ + misfit / (elements / rows), scalar_name(wanted)));
  }
  return tensor;
}

std::vector<InputArray> open_inputs(const std::string& path) {
  switch (io::file_kind(path)) {
    case io::FileKind::kNpy: {
      std::vector<InputArray> arrays;
      arrays.push_back(open_npy(path));
      return arrays;
    }
    case io::FileKind::kNpz:
      return open_npz(path);
    default:
      throw_usage(
          io::quote(path) +
          " is neither .npy nor .npz; give --verify the inputs of the model as NumPy arrays");
  }
}

}  // namespace p2p::engine
