#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/element.hpp"
#include "io/array_file.hpp"
#include "io/column_text.hpp"
#include "io/integers.hpp"
#include "io/number_text.hpp"
#include "io/spec.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"

namespace p2p {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMostValues = 1 << 24;
constexpr std::int64_t kLongestJson = 512 << 20;

void require_length(std::int64_t length, const std::string& name) {
  if (length >= 1 && length <= kMostValues) return;
  throw_bad_data(
      fmt::format("{} holds {} values; expected 1 to {}", io::quote(name), length, kMostValues));
}

void require_value(double value, const std::string& name, const std::string& place) {
  if (std::isnan(value) || value == INFINITY) {
    throw_bad_data(fmt::format("{} holds {} at {}; expected finite numbers or -inf",
                               io::quote(name), std::isnan(value) ? "NaN" : "+inf", place));
  }
}

std::vector<double> read_array_vector(const io::Spec& spec) {
  const io::StoredArray array = io::open_array(spec, io::ArrayUse::kVector);
  const std::int64_t length = array.info.shape.front();
  require_length(length, array.name);
  const std::size_t item = io::element_size(array.info.element);
  std::vector<char> stored(static_cast<std::size_t>(array.bytes()));
  array.stream()->read(stored.data(), stored.size());
  std::vector<double> values(static_cast<std::size_t>(length));
  if (io::is_integer(array.info.element)) {
    std::vector<std::int64_t> integers(values.size());
    io::convert_integers(stored.data(), array.info, length, 0, array.name, integers.data());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(integers[i]);
    return values;
  }
  if (io::is_foreign_order(array.info)) io::swap_bytes(stored.data(), length, item);
  const DType dtype = io::score_dtype(array.info.element);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = load_element(stored.data(), dtype, static_cast<std::int64_t>(i));
    require_value(values[i], array.name, fmt::format("position {}", i));
  }
  return values;
}

std::vector<double> read_text_vector(const io::Spec& spec) {
  std::vector<double> values;
  io::read_column(spec, [&](std::string_view text, std::int64_t line) {
    const auto value = io::parse_number(text);
    if (!value) {
      throw_bad_data(fmt::format("{}, line {}: {} is not a number; expected one value a line",
                                 io::quote(spec.text), line, io::quote(text)));
    }
    require_value(*value, spec.text, fmt::format("line {}", line));
    values.push_back(*value);
    require_length(static_cast<std::int64_t>(values.size()), spec.text);
  });
  require_length(static_cast<std::int64_t>(values.size()), spec.text);
  return values;
}

/// Accepts one flat array of numbers and nothing else.
class NumberArrayReader final : public nlohmann::json_sax<Json> {
 public:
  std::vector<double> values;
  std::string failure;

  bool start_array(std::size_t) override {
    return inside_ ? fail("a list inside the list") : (inside_ = true);
  }
  bool end_array() override { return true; }
  bool number_integer(std::int64_t value) override { return add(static_cast<double>(value)); }
  bool number_unsigned(std::uint64_t value) override { return add(static_cast<double>(value)); }
  bool number_float(double value, const std::string&) override { return add(value); }
  bool null() override { return fail("null"); }
  bool boolean(bool) override { return fail("true or false"); }
  bool string(std::string&) override { return fail("a string"); }
  bool binary(Json::binary_t&) override { return fail("binary data"); }
  bool start_object(std::size_t) override { return fail("an object"); }
  bool key(std::string&) override { return fail("an object"); }
  bool end_object() override { return fail("an object"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return fail(fmt::format("damaged JSON at byte {}", position));
  }

 private:
  bool add(double value) {
    if (!inside_) return fail("a single number");
    if (std::cmp_equal(values.size(), kMostValues)) return fail("more than 2^24 values");
    values.push_back(value);
    return true;
  }
  bool fail(const std::string& what) {
    if (failure.empty()) failure = what;
    return false;
  }

  bool inside_ = false;
};

std::vector<double> read_json_vector(const io::Spec& spec) {
  const std::string text = read_text(spec.path, kLongestJson);
  NumberArrayReader reader;
  if (!Json::sax_parse(io::without_bom(text), &reader)) {
    throw_bad_data(fmt::format("{} holds {}; expected a JSON array of numbers such as [5, 2, 1]",
                               io::quote(spec.text), reader.failure));
  }
  require_length(static_cast<std::int64_t>(reader.values.size()), spec.text);
  return std::move(reader.values);
}

}  // namespace

std::vector<double> read_vector(const std::string& text) {
  const io::Spec spec = io::parse_spec(text);
  switch (io::file_kind(spec.path)) {
    case io::FileKind::kNpy:
    case io::FileKind::kNpz:
    case io::FileKind::kSafetensors:
      return read_array_vector(spec);
    case io::FileKind::kCsv:
    case io::FileKind::kTsv:
    case io::FileKind::kText:
      return read_text_vector(spec);
    case io::FileKind::kJson:
      return read_json_vector(spec);
    case io::FileKind::kUnknown:
      break;
  }
  throw_bad_data(io::quote(text) +
                 " has an ending that numbers are not read from; expected .npy, .npz, "
                 ".safetensors, .txt, .csv or .json");
}

}  // namespace p2p
