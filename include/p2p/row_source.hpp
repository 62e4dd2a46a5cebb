#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "p2p/types.hpp"

namespace p2p {

/// What a prior file remembers of an input, so that it can be recognised later.
struct InputRecord {
  std::string name;  ///< base name, with ":member" for archives; "-" for standard input
  std::vector<std::int64_t> shape;  ///< as stored, class axis included
  std::string sha256;               ///< lower-case hex
  bool sha256_sampled =
      false;  ///< false: of the whole file; true: of a sample (docs/formats/prior.md)
};

/// A matrix of scores, [rows, classes], wherever it lives. Rows of rank 3 and 4 arrays are all
/// positions but the class axis, in C order.
class RowSource {
 public:
  virtual ~RowSource() = default;
  [[nodiscard]] virtual std::int64_t rows() const = 0;
  [[nodiscard]] virtual std::int64_t classes() const = 0;
  [[nodiscard]] virtual DType dtype() const = 0;
  /// The stored shape and which of its axes holds the classes.
  [[nodiscard]] virtual std::vector<std::int64_t> shape() const { return {rows(), classes()}; }
  [[nodiscard]] virtual int class_axis() const { return 1; }
  /// For messages: the path as the user wrote it.
  [[nodiscard]] virtual const std::string& name() const = 0;
  /// Names from the file itself (CSV header), or empty.
  [[nodiscard]] virtual std::vector<std::string> class_names() const { return {}; }
  /// True: read() may be called from several threads at once and in any order.
  /// False: calls come from one thread, in increasing order; gaps are skipped over, and reading row
  /// 0 again starts a new pass if rewindable().
  [[nodiscard]] virtual bool random_access() const = 0;
  [[nodiscard]] virtual bool rewindable() const { return true; }
  /// Writes rows [first, first + count) row-major, native byte order, in dtype() to `out`. Error
  /// when the file is shorter than it was, unreadable or damaged.
  virtual void read(std::int64_t first, std::int64_t count, void* out) = 0;
  /// The same rows without a copy, or null when the source cannot (then use read()). Same threading
  /// as read(). Give every view back with end_view() before trusting what was seen in it.
  [[nodiscard]] virtual const void* view(std::int64_t /*first*/, std::int64_t /*count*/) {
    return nullptr;
  }
  /// Gives back what view() returned for `count` rows. Error when they were not there any more.
  virtual void end_view(const void* /*rows*/, std::int64_t /*count*/) {}
  /// Identity of the input. Sources that are not rewindable answer after their last row was read.
  [[nodiscard]] virtual InputRecord record() = 0;
};

/// Several sources read as one data set, in this order. All have the same number of classes.
class ScoreSet {
 public:
  explicit ScoreSet(std::vector<std::unique_ptr<RowSource>> sources);
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] std::int64_t classes() const { return sources_.front()->classes(); }
  [[nodiscard]] const std::vector<std::unique_ptr<RowSource>>& sources() const { return sources_; }
  [[nodiscard]] bool random_access() const;
  [[nodiscard]] bool rewindable() const;
  /// The sources themselves; the set is empty afterwards.
  [[nodiscard]] std::vector<std::unique_ptr<RowSource>> take_sources() && {
    return std::move(sources_);
  }
  /// Replaces the first source by one that reads the same rows.
  void replace_front(
      const std::function<std::unique_ptr<RowSource>(std::unique_ptr<RowSource>)>& wrap) {
    sources_.front() = wrap(std::move(sources_.front()));
  }
  /// The widest element type among the sources.
  [[nodiscard]] DType dtype() const;

 private:
  std::vector<std::unique_ptr<RowSource>> sources_;
  std::int64_t rows_ = 0;
};

/// At most kBlockRows rows of one source.
struct Block {
  RowSource* source = nullptr;
  std::int64_t first = 0;       ///< first row within the source
  std::int64_t count = 0;       ///< number of rows
  std::int64_t global_row = 0;  ///< first row within the whole set
};

/// The blocks of part `part` of `parts` (counted from 1) in order; all blocks for 1 of 1. Cost
/// O(blocks). Part k of n holds blocks [(k-1)B/n, kB/n) of the B blocks.
std::vector<Block> plan_blocks(const ScoreSet& set, std::int64_t part = 1, std::int64_t parts = 1);

}  // namespace p2p
