#pragma once

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/element.hpp"
#include "p2p/open.hpp"
#include "support/written_file.hpp"

/// Builders of the files that the library reads, byte by byte and without its help.
namespace p2p::test {

/// The low `width` bytes of `value`, smallest first.
inline std::string little(std::uint64_t value, std::size_t width) {
  std::string bytes;
  for (std::size_t i = 0; i < width; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  return bytes;
}

/// A .npy file with this header text, whatever it says.
inline std::string npy_with_header(const std::string& header, const std::string& data,
                                   int major = 1) {
  return "\x93NUMPY" + std::string{static_cast<char>(major), '\0'} +
         little(header.size(), major == 1 ? 2 : 4) + header + data;
}

/// shape as in Python: "(2, 3)", "(4,)".
inline std::string npy(const std::string& descr, const std::string& shape, const std::string& data,
                       bool fortran = false, int major = 1) {
  std::string header = "{'descr': '" + descr +
                       "', 'fortran_order': " + (fortran ? "True" : "False") +
                       ", 'shape': " + shape + ", }";
  while ((10 + header.size() + 1) % 64 != 0) header.push_back(' ');
  return npy_with_header(header + "\n", data, major);
}

template <class T>
std::string npy_of(const std::string& descr, const std::string& shape, std::vector<T> values,
                   bool fortran = false) {
  return npy(descr, shape, bytes_of(values), fortran);
}

/// One member of a zip archive; what is set here overrides the truth.
struct ZipEntry {
  std::string name;
  std::string data;
  bool deflate = false;
  bool zip64 = false;       ///< sizes in the extra field, in both headers
  bool descriptor = false;  ///< sizes after the data only, and zeros in the local header
  std::optional<std::uint64_t> size = {};
  std::optional<std::uint32_t> crc = {};
  std::optional<std::uint16_t> method = {};
  std::uint16_t flags = 0;
  std::string local_name = {};
};

inline std::string deflated(const std::string& data) {
  z_stream zlib{};
  deflateInit2(&zlib, Z_BEST_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&zlib, static_cast<uLong>(data.size())), '\0');
  std::string in = data;
  zlib.next_in = reinterpret_cast<Bytef*>(in.data());
  zlib.avail_in = static_cast<uInt>(in.size());
  zlib.next_out = reinterpret_cast<Bytef*>(out.data());
  zlib.avail_out = static_cast<uInt>(out.size());
  deflate(&zlib, Z_FINISH);
  out.resize(zlib.total_out);
  deflateEnd(&zlib);
  return out;
}

inline std::uint32_t crc_of(const std::string& bytes) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

/// `zip64_end`: the closing records say "see zip64", as for more than 65,535 members.
inline std::string zip(const std::vector<ZipEntry>& entries, bool zip64_end = false,
                       const std::string& comment = "") {
  std::string archive;
  std::string directory;
  for (const ZipEntry& entry : entries) {
    const std::string packed = entry.deflate ? deflated(entry.data) : entry.data;
    const std::uint64_t size = entry.size.value_or(entry.data.size());
    const std::uint32_t crc = entry.crc.value_or(crc_of(entry.data));
    const auto method = entry.method.value_or(entry.deflate ? std::uint16_t{8} : std::uint16_t{0});
    const std::uint16_t flags =
        static_cast<std::uint16_t>(entry.flags | (entry.descriptor ? 8 : 0));
    const auto sizes = [&](bool hidden) {
      if (hidden) return little(0, 12);
      if (entry.zip64) return little(crc, 4) + little(~0ULL, 8);
      return little(crc, 4) + little(packed.size(), 4) + little(size, 4);
    };
    const std::string extra =
        entry.zip64 ? little(1, 2) + little(16, 2) + little(size, 8) + little(packed.size(), 8)
                    : "";
    const std::string& local_name = entry.local_name.empty() ? entry.name : entry.local_name;
    const std::uint64_t offset = archive.size();
    archive += "PK\x03\x04" + little(20, 2) + little(flags, 2) + little(method, 2) + little(0, 4) +
               sizes(entry.descriptor) + little(local_name.size(), 2) + little(extra.size(), 2) +
               local_name + extra + packed;
    if (entry.descriptor) archive += "PK\x07\x08" + sizes(false);
    directory += "PK\x01\x02" + little(20, 2) + little(20, 2) + little(flags, 2) +
                 little(method, 2) + little(0, 4) + sizes(false) + little(entry.name.size(), 2) +
                 little(extra.size(), 2) + little(0, 2) + little(0, 2) + little(0, 2) +
                 little(0, 4) + little(offset, 4) + entry.name + extra;
  }
  const std::uint64_t offset = archive.size();
  archive += directory;
  if (zip64_end) {
    const std::uint64_t end64 = archive.size();
    archive += "PK\x06\x06" + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 8) +
               little(entries.size(), 8) + little(entries.size(), 8) + little(directory.size(), 8) +
               little(offset, 8);
    archive += "PK\x06\x07" + little(0, 4) + little(end64, 8) + little(1, 4);
    return archive + "PK\x05\x06" + little(0, 4) + little(~0ULL, 8) + little(~0ULL, 4) +
           little(comment.size(), 2) + comment;
  }
  return archive + "PK\x05\x06" + little(0, 4) + little(entries.size(), 2) +
         little(entries.size(), 2) + little(directory.size(), 4) + little(offset, 4) +
         little(comment.size(), 2) + comment;
}

inline std::string safetensors(const std::string& header, const std::string& data) {
  return little(header.size(), 8) + header + data;
}

/// A folder of input files.
class InputFolder : public OutputFolder {
 public:
  /// Writes the file and returns its path.
  std::string add(const std::string& name, const std::string& bytes) const {
    const std::string file = path(name);
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    write_file(file, bytes);
    return file;
  }
};

/// All scores of one source, read `step` rows at a time, as doubles.
inline std::vector<double> all_scores(RowSource& source, std::int64_t step = 4096) {
  std::vector<double> values;
  std::vector<double> rows(
      static_cast<std::size_t>(std::min(step, source.rows()) * source.classes()));
  for (std::int64_t first = 0; first < source.rows(); first += step) {
    const std::int64_t count = std::min(step, source.rows() - first);
    source.read(first, count, rows.data());
    for (std::int64_t i = 0; i < count * source.classes(); ++i) {
      values.push_back(load_element(rows.data(), source.dtype(), i));
    }
  }
  return values;
}

inline std::vector<double> scores_in(const std::string& spec, std::optional<int> class_axis = {},
                                     std::int64_t step = 4096) {
  const ScoreSet set = open_scores({spec}, {class_axis});
  return all_scores(*set.sources().front(), step);
}

inline std::vector<std::int64_t> labels_in(const std::vector<std::string>& specs) {
  const auto labels = open_labels(specs);
  std::vector<std::int64_t> values(static_cast<std::size_t>(labels->rows()));
  labels->read(0, labels->rows(), values.data());
  return values;
}

/// The sentence with which a score file is refused, at opening or at reading.
inline std::string scores_error(const std::string& spec, std::optional<int> class_axis = {}) {
  return error_of(ErrorCode::kBadData, [&] { scores_in(spec, class_axis); });
}

}  // namespace p2p::test
