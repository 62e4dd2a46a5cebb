#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/array_file.hpp"
#include "io/column_text.hpp"
#include "io/integer_spool.hpp"
#include "io/integers.hpp"
#include "io/number_text.hpp"
#include "io/spec.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"

namespace p2p {
namespace {

using io::StoredArray;

constexpr std::int64_t kStep = 16 << 10;  // labels converted at a time

/// Labels of an uncompressed array, read in place.
class PlacedLabels final : public LabelSource {
 public:
  explicit PlacedLabels(StoredArray array)
      : array_(std::move(array)), rows_(*io::element_count(array_.info)) {}
  [[nodiscard]] std::int64_t rows() const override { return rows_; }
  [[nodiscard]] const std::string& name() const override { return array_.name; }
  void read(std::int64_t first, std::int64_t count, std::int64_t* out) override {
    assert(first >= 0 && count >= 0 && first + count <= rows_);
    const auto item = static_cast<std::int64_t>(io::element_size(array_.info.element));
    std::vector<char> stored(static_cast<std::size_t>(std::min(count, kStep) * item));
    for (std::int64_t done = 0; done < count;) {
      const std::int64_t step = std::min(kStep, count - done);
      array_.file->read(array_.offset + (first + done) * item, stored.data(), step * item);
      io::convert_integers(stored.data(), array_.info, step, first + done, array_.name, out + done);
      done += step;
    }
  }

 private:
  const StoredArray array_;
  const std::int64_t rows_;
};

/// Labels that had to be unpacked or parsed.
class SpooledLabels final : public LabelSource {
 public:
  SpooledLabels(std::string name, io::IntegerSpool spool)
      : name_(std::move(name)), spool_(std::move(spool)) {
    spool_.finish();
  }
  [[nodiscard]] std::int64_t rows() const override { return spool_.size(); }
  [[nodiscard]] const std::string& name() const override { return name_; }
  void read(std::int64_t first, std::int64_t count, std::int64_t* out) override {
    spool_.read(first, count, out);
  }

 private:
  std::string name_;
  io::IntegerSpool spool_;
};

/// Several label files one after the other.
class ConcatenatedLabels final : public LabelSource {
 public:
  explicit ConcatenatedLabels(std::vector<std::unique_ptr<LabelSource>> parts)
      : parts_(std::move(parts)), name_(parts_.front()->name()) {
    for (const auto& part : parts_) rows_ += part->rows();
    name_ += fmt::format(" and {} more", parts_.size() - 1);
  }
  [[nodiscard]] std::int64_t rows() const override { return rows_; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::string locate(std::int64_t row) const override {
    assert(row >= 0 && row < rows_);
    auto part = parts_.begin();
    for (; row >= (*part)->rows(); ++part) row -= (*part)->rows();
    return (*part)->locate(row);
  }
  void read(std::int64_t first, std::int64_t count, std::int64_t* out) override {
    assert(first >= 0 && count >= 0 && first + count <= rows_);
    for (const auto& part : parts_) {
      if (first < part->rows()) {
        const std::int64_t taken = std::min(count, part->rows() - first);
        part->read(first, taken, out);
        out += taken;
        count -= taken;
        first = 0;
      } else {
        first -= part->rows();
      }
      if (count == 0) return;
    }
  }

 private:
  std::vector<std::unique_ptr<LabelSource>> parts_;
  std::string name_;
  std::int64_t rows_ = 0;
};

std::unique_ptr<LabelSource> open_array_labels(const io::Spec& spec) {
  StoredArray array = io::open_array(spec, io::ArrayUse::kLabels);
  if (array.info.fortran_order && array.info.shape.size() > 1) {
    throw_bad_data(
        fmt::format("{} has shape {} in Fortran order; expected labels in C order: save "
                    "numpy.ascontiguousarray(labels)",
                    io::quote(array.name), io::shape_text(array.info.shape)));
  }
  if (!array.deflated) return std::make_unique<PlacedLabels>(std::move(array));

  io::IntegerSpool spool(array.name);
  const auto stream = array.stream();
  const std::size_t item = io::element_size(array.info.element);
  std::vector<char> stored(static_cast<std::size_t>(kStep) * item);
  std::vector<std::int64_t> labels(static_cast<std::size_t>(kStep));
  while (const std::size_t got = stream->read(stored.data(), stored.size())) {
    const auto count = static_cast<std::int64_t>(got / item);
    io::convert_integers(stored.data(), array.info, count, spool.size(), array.name, labels.data());
    spool.append(labels.data(), count);
  }
  return std::make_unique<SpooledLabels>(array.name, std::move(spool));
}

std::unique_ptr<LabelSource> open_text_labels(const io::Spec& spec) {
  io::IntegerSpool spool(spec.text);
  io::read_column(spec, [&](std::string_view value, std::int64_t line) {
    const auto label = io::parse_integer(value);
    if (!label) {
      const bool decimal = io::parse_number(value).has_value();
      throw_bad_data(fmt::format("{}, line {}: {} is not an integer; expected one label a line{}",
                                 io::quote(spec.text), line, io::quote(value),
                                 decimal ? " without decimals (numpy.savetxt: fmt='%d')" : ""));
    }
    spool.append(&*label, 1);
  });
  return std::make_unique<SpooledLabels>(spec.text, std::move(spool));
}

std::unique_ptr<LabelSource> open_one(const io::Spec& spec) {
  switch (io::file_kind(spec.path)) {
    case io::FileKind::kNpy:
    case io::FileKind::kNpz:
    case io::FileKind::kSafetensors:
      return open_array_labels(spec);
    case io::FileKind::kCsv:
    case io::FileKind::kTsv:
    case io::FileKind::kText:
      return open_text_labels(spec);
    default:
      throw_bad_data(io::quote(spec.text) +
                     " has an ending that labels are not read from; expected .npy, .npz, "
                     ".safetensors, .txt or .csv");
  }
}

}  // namespace

std::unique_ptr<LabelSource> open_labels(const std::vector<std::string>& specs, const Warn& warn) {
  if (specs.empty()) throw_usage("no label file was given");
  std::vector<std::unique_ptr<LabelSource>> parts;
  for (const io::Spec& spec : io::expand_specs(specs, io::FolderContent::kLabels, warn)) {
    parts.push_back(open_one(spec));
    if (parts.back()->rows() == 0) {
      throw_bad_data(io::quote(parts.back()->name()) + " holds no labels; expected one per row");
    }
  }
  if (parts.size() == 1) return std::move(parts.front());
  return std::make_unique<ConcatenatedLabels>(std::move(parts));
}

}  // namespace p2p
