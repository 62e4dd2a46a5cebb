#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "p2p/label_source.hpp"
#include "p2p/row_sink.hpp"
#include "p2p/row_source.hpp"
#include "p2p/types.hpp"

/// Files in and out. A "spec" is a path or FILE:NAME: a path that exists wins; else it is split
/// after the last
/// ".npz:" or ".safetensors:". NAME may be left out when exactly one member fits (rank 2 to 4 of
/// floats for scores, integers for labels and counts, ...); else the error lists the names.
namespace p2p {

/// Hears a sentence about something that was read as asked but may not be what was meant.
using Warn = std::function<void(const std::string& sentence)>;

struct OpenOptions {
  /// Axis that holds the classes; negative counts from the end. Required for rank 3 and 4; rank 2
  /// uses the last.
  std::optional<int> class_axis = {};
  /// One score a row, for read_scores to make two of: rank 1, or a class axis (a column) of size 1.
  bool one_column = false;
  Warn warn = {};
  /// Columns of .csv and .tsv files that are no classes: an integer is a position from 1, anything
  /// else a name in the header. "none" alone: every column is a class, whatever it looks like.
  std::vector<std::string> skip_columns = {};
  /// Columns are features, not classes: a first or last one may hold integers.
  bool features = false;
};

/// Whether a path ends in `ending` (".npy"), in capitals or not. Every ending is looked at so.
[[nodiscard]] bool has_ending(std::string_view path, std::string_view ending);

/// Score files as one data set, in the order given: .npy (f2 f4 f8, versions 1-3, C and Fortran
/// order, both byte orders), .npz (stored, deflated, zip64), .safetensors (F16 BF16 F32 F64),
/// .csv/.tsv (with or without header; a column that holds no scores is an Error unless skipped),
/// "-" (.npy on standard input), a directory or @list.txt of such files (directory: in the order of
/// the numbers in their names; list: one spec a line, relative to the list's folder). Warns of what
/// a directory passed over, and of files that are not in the order of their numbers. Memory O(C),
/// not O(rows). Error: see the README, "What can go wrong".
ScoreSet open_scores(const std::vector<std::string>& specs, const OpenOptions& options = {});

/// What is known of the rows whose labels are read.
struct LabelOptions {
  std::vector<std::string> classes = {};          ///< names, by which labels of text may be given
  const ScoreSet* scores = nullptr;               ///< of the same rows: shapes must fit
  std::optional<std::int64_t> ignore_index = {};  ///< says nothing of where labels begin
};

/// Labels of one data set, in the order given: .npy/.npz of any integer type (any rank, C order),
/// .safetensors integers, .txt/.csv/.tsv: one value a line (quoted or not, with or without a
/// header), "path label", or the column FILE:COLUMN of several (by name or position from 1; without
/// it the one that is called label, y, ...). A value is a number or one of the class names; where a
/// path's folder is a class name too, it must be the same class. Memory O(1): what cannot be read
/// in any order is unpacked once into an unnamed temporary file. Warns as open_scores does, and of
/// labels that seem to begin at 1. Error: one-hot rows, a shape other than the scores' positions.
std::unique_ptr<LabelSource> open_labels(const std::vector<std::string>& specs,
                                         const Warn& warn = {}, const LabelOptions& options = {});

/// A small vector of numbers, one for each class (counts, class weights, offsets, target priors):
/// .npy/.npz/.safetensors of integers or floats with one axis, .txt/.csv one value a line or all in
/// one line, also as [ 1 2 3 ], or two columns "name,value"; .json an array or an object
/// {"name": value}. Names are brought into the order of `classes`; without it they must be 0, 1, 2,
/// ... in any order, else Error. At most 2^24 values. "-inf" is allowed, NaN and +inf are errors.
std::vector<double> read_vector(const std::string& spec,
                                const std::vector<std::string>& classes = {});

/// Class names, one a line (UTF-8, no duplicates, no empty lines but a last one).
std::vector<std::string> read_class_names(const std::string& path);

/// Whole small text file, at most `max_bytes`; "-" is standard input.
std::string read_text(const std::string& path, std::int64_t max_bytes);

/// SHA-256 of a whole file, 64 lower-case hexadecimal digits.
std::string file_sha256(const std::string& path);

/// Writes beside `path`, then renames; "-" is standard output. On any failure nothing is left.
void write_text(const std::string& path, const std::string& text);

struct SinkSpec {
  DType dtype = DType::kF32;
  /// Full logical shape of the output in C order and the axis that holds the classes; -1: one value
  /// per row (labels).
  std::vector<std::int64_t> shape;
  int class_axis = 1;
  std::vector<std::string> class_names;  ///< header of a .csv, when known
};

/// .npy, .npz (array "scores", stored), .safetensors (tensor "scores"), .csv (shortest round trip)
/// or "-" (.npy on standard output), by the ending of `path`. bf16 is not a NumPy type: the caller
/// asks kF32 for .npy, .npz and "-" (sink_dtype says which). Errors: unknown ending, folder that
/// does not exist, full disk.
std::unique_ptr<RowSink> create_sink(const std::string& path, const SinkSpec& spec);

/// The element type that a file of this ending can hold: `dtype` itself, but kF32 for bf16 outside
/// .safetensors.
DType sink_dtype(const std::string& path, DType dtype);

/// Error{kBadData} when `output` is the same file (device and inode) as one behind the input specs,
/// lists and folders included.
void refuse_overwriting(const std::string& output, const std::vector<std::string>& input_specs);

}  // namespace p2p
