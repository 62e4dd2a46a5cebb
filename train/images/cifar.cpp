#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "images/class_numbers.hpp"
#include "images/openers.hpp"
#include "images/pixel_set.hpp"
#include "io/file.hpp"
#include "io/line_reader.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::images {
namespace {

constexpr ImageShape kShape{3, 32, 32};
constexpr std::size_t kPlane = std::size_t{32} * 32;

/// A binary version of CIFAR (Krizhevsky 2009). A record: the label, the last of `label_bytes`,
/// and the red, green and blue plane.
struct Version {
  const char* name;
  std::int64_t label_bytes;
  std::size_t classes;
  [[nodiscard]] std::int64_t record_bytes() const {
    return label_bytes + static_cast<std::int64_t>(3 * kPlane);
  }
};

struct Rows {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;
};

void interleave(const std::uint8_t* planes, std::uint8_t* pixels) {
  for (std::size_t i = 0; i < kPlane; ++i) {
    for (std::size_t c = 0; c < 3; ++c) pixels[3 * i + c] = planes[c * kPlane + i];
  }
}

void append(const Version& version, const std::string& path, std::int64_t records, Rows& rows) {
  const auto file = io::File::open(path);
  const std::int64_t size = version.record_bytes();
  if (file->size() != records * size) {
    throw_bad_data(fmt::format(
        "{} has {} bytes; expected {}, {} records of {} bytes: it is not the binary version of {}, "
        "or not complete: download it again",
        io::quote(path), file->size(), records * size, records, size, version.name));
  }
  std::vector<std::uint8_t> record(static_cast<std::size_t>(size));
  std::size_t at = rows.pixels.size();
  rows.pixels.resize(at + static_cast<std::size_t>(records) * kShape.bytes());
  for (std::int64_t i = 0; i < records; ++i, at += kShape.bytes()) {
    file->read(i * size, record.data(), size);
    const auto label = record[static_cast<std::size_t>(version.label_bytes - 1)];
    if (label >= version.classes) {
      throw_bad_data(
          fmt::format("{} has the label {} in record {}; expected one below {}: it is "
                      "damaged, download it again",
                      io::quote(path), label, i, version.classes));
    }
    rows.labels.push_back(label);
    interleave(record.data() + version.label_bytes, rows.pixels.data() + at);
  }
}

std::shared_ptr<const ImageSet> read_part(const Version& version, const std::string& folder,
                                          std::span<const std::string> files,
                                          std::int64_t records) {
  Rows rows;
  const std::filesystem::path place(folder);
  for (const std::string& file : files) append(version, (place / file).string(), records, rows);
  return keep_pixels(kShape, std::move(rows.pixels), std::move(rows.labels));
}

std::vector<std::string> read_names(const std::string& path, std::size_t classes) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) {
    std::vector<std::string> names;
    io::LineReader lines(io::File::open(path));
    for (std::string_view line; lines.next(line) && names.size() <= classes;) {
      names.emplace_back(io::trim(line));
    }
    if (names.size() != classes) {
      throw_bad_data(fmt::format("{} has {} class names{}; expected {}, one a line",
                                 io::quote(path), names.size(),
                                 names.size() > classes ? " or more" : "", classes));
    }
    return names;
  }
  return numbers(classes);
}

}  // namespace

Images open_cifar10(const std::string& folder) {
  static const std::array<std::string, 5> kTrain = {"data_batch_1.bin", "data_batch_2.bin",
                                                    "data_batch_3.bin", "data_batch_4.bin",
                                                    "data_batch_5.bin"};
  static const std::array<std::string, 1> kTest = {"test_batch.bin"};
  constexpr Version kVersion{"CIFAR-10", 1, 10};
  Images images;
  images.kind = "cifar10";
  images.classes = read_names(folder + "/batches.meta.txt", kVersion.classes);
  images.train = read_part(kVersion, folder, kTrain, 10'000);
  images.test = read_part(kVersion, folder, kTest, 10'000);
  return images;
}

Images open_cifar100(const std::string& folder) {
  static const std::array<std::string, 1> kTrain = {"train.bin"};
  static const std::array<std::string, 1> kTest = {"test.bin"};
  constexpr Version kVersion{"CIFAR-100", 2, 100};
  Images images;
  images.kind = "cifar100";
  images.classes = read_names(folder + "/fine_label_names.txt", kVersion.classes);
  images.train = read_part(kVersion, folder, kTrain, 50'000);
  images.test = read_part(kVersion, folder, kTest, 10'000);
  return images;
}

}  // namespace p2p::images
