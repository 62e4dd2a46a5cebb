#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/array_file.hpp"
#include "io/integer_spool.hpp"
#include "io/integers.hpp"
#include "io/label_text.hpp"
#include "io/line_reader.hpp"
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

/// Labels of one file and the shape they are stored in.
struct LabelFile {
  std::unique_ptr<LabelSource> source;
  std::vector<std::int64_t> shape;
};

LabelFile open_array_labels(const io::Spec& spec) {
  StoredArray array = io::open_array(spec, io::ArrayUse::kLabels);
  if (array.info.fortran_order && array.info.shape.size() > 1) {
    throw_bad_data(
        fmt::format("{} has shape {} in Fortran order; expected labels in C order: save "
                    "numpy.ascontiguousarray(labels)",
                    io::quote(array.name), io::shape_text(array.info.shape)));
  }
  std::vector<std::int64_t> shape = array.info.shape;
  if (!array.deflated) return {std::make_unique<PlacedLabels>(std::move(array)), std::move(shape)};

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
  return {std::make_unique<SpooledLabels>(array.name, std::move(spool)), std::move(shape)};
}

LabelFile open_text_labels(const io::Spec& spec, const LabelOptions& options) {
  io::IntegerSpool spool(spec.text);
  io::LabelText text(spec, options.classes, options.ignore_index);
  io::LineReader reader(io::File::open(spec.path));
  for (std::string_view line; reader.next(line);) {
    if (const auto label = text.read(line, reader.line())) spool.append(&*label, 1);
  }
  const std::int64_t rows = spool.size();
  return {std::make_unique<SpooledLabels>(spec.text, std::move(spool)), {rows}};
}

LabelFile open_one(const io::Spec& spec, const LabelOptions& options) {
  switch (io::file_kind(spec.path)) {
    case io::FileKind::kNpy:
    case io::FileKind::kNpz:
    case io::FileKind::kSafetensors:
      return open_array_labels(spec);
    case io::FileKind::kCsv:
    case io::FileKind::kTsv:
    case io::FileKind::kText:
      return open_text_labels(spec, options);
    default:
      throw_bad_data(io::quote(spec.text) +
                     " has an ending that labels are not read from; expected .npy, .npz, "
                     ".safetensors, .txt or .csv");
  }
}

/// Without axes of length 1.
std::vector<std::int64_t> squeezed(std::vector<std::int64_t> shape) {
  std::erase(shape, 1);
  return shape;
}

/// The stored shape of scores without the axis of the classes.
std::vector<std::int64_t> positions(const RowSource& source) {
  std::vector<std::int64_t> shape = source.shape();
  shape.erase(shape.begin() + source.class_axis());
  return shape;
}

void refuse_one_hot(const LabelFile& file, const ScoreSet& scores) {
  const bool fits = std::ranges::find(file.shape, scores.classes()) != file.shape.end();
  if (file.shape.size() < 2 || !fits) return;
  throw_bad_data(
      fmt::format("{} has shape {}, which is one-hot rows of {} classes; expected one class number "
                  "a row: save numpy.argmax(labels, axis={})",
                  io::quote(file.source->name()), io::shape_text(file.shape), scores.classes(),
                  std::ranges::find(file.shape, scores.classes()) - file.shape.begin()));
}

/// Labels of several axes belong to positions of the same shape; flat ones, and those of flat
/// scores, to any.
void require_same_shape(const LabelFile& file, const RowSource& source, bool same_rows) {
  std::vector<std::int64_t> own = file.shape;
  std::vector<std::int64_t> wanted = positions(source);
  if (squeezed(own).size() < 2 || squeezed(wanted).size() < 2) return;
  if (!same_rows) {
    own.erase(own.begin());
    wanted.erase(wanted.begin());
  }
  if (squeezed(own) == squeezed(wanted)) return;
  throw_bad_data(
      fmt::format("{} has shape {}, but the positions of {} have shape {}; bring the axes into the "
                  "same order (numpy.transpose), or save the labels flat in the order of the rows",
                  io::quote(file.source->name()), io::shape_text(file.shape),
                  io::quote(source.name()), io::shape_text(positions(source))));
}

void require_shapes(const std::vector<LabelFile>& files, const ScoreSet& scores) {
  std::int64_t rows = 0;
  for (const LabelFile& file : files) rows += file.source->rows();
  if (files.size() == 1 && rows == scores.rows() * scores.classes()) {
    refuse_one_hot(files.front(), scores);
  }
  if (rows != scores.rows()) return;
  auto source = scores.sources().begin();
  std::int64_t first = 0;
  std::int64_t first_of_source = 0;
  for (const LabelFile& file : files) {
    const std::int64_t end = first + file.source->rows();
    for (;;) {
      const std::int64_t end_of_source = first_of_source + (*source)->rows();
      require_same_shape(file, **source, first == first_of_source && end == end_of_source);
      if (end_of_source > end) break;
      first_of_source = end_of_source;
      ++source;
      if (end_of_source == end) break;
    }
    first = end;
  }
}

/// No label is 0 and all are classes. O(1) where a 0 is near the start.
bool begin_at_one(LabelSource& labels, std::int64_t classes,
                  std::optional<std::int64_t> ignore_index) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(std::min(kStep, labels.rows())));
  bool any = false;
  for (std::int64_t first = 0; first < labels.rows(); first += kStep) {
    const std::int64_t count = std::min(kStep, labels.rows() - first);
    labels.read(first, count, values.data());
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t label = values[static_cast<std::size_t>(i)];
      if (label == ignore_index) continue;
      if (label <= 0 || label >= classes) return false;
      any = true;
    }
  }
  return any;
}

std::unique_ptr<LabelSource> joined(std::vector<LabelFile> files) {
  if (files.size() == 1) return std::move(files.front().source);
  std::vector<std::unique_ptr<LabelSource>> parts;
  for (LabelFile& file : files) parts.push_back(std::move(file.source));
  return std::make_unique<ConcatenatedLabels>(std::move(parts));
}

}  // namespace

std::unique_ptr<LabelSource> open_labels(const std::vector<std::string>& specs, const Warn& warn,
                                         const LabelOptions& options) {
  if (specs.empty()) throw_usage("no label file was given");
  std::vector<LabelFile> files;
  for (const io::Spec& spec : io::expand_specs(specs, io::FolderContent::kLabels, warn)) {
    files.push_back(open_one(spec, options));
    const LabelSource& source = *files.back().source;
    if (source.rows() == 0) {
      throw_bad_data(io::quote(source.name()) + " holds no labels; expected one per row");
    }
  }
  if (options.scores != nullptr) require_shapes(files, *options.scores);
  std::unique_ptr<LabelSource> labels = joined(std::move(files));
  const std::int64_t classes = options.scores != nullptr ? options.scores->classes() : 0;
  if (warn && begin_at_one(*labels, classes, options.ignore_index)) {
    warn(
        fmt::format("{}: no row has label 0, the first of the {} classes; classes are numbered "
                    "from 0: subtract 1 if these labels begin at 1",
                    io::quote(labels->name()), classes));
  }
  return labels;
}

}  // namespace p2p
