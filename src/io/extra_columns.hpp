#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace p2p::io {

/// Whether a column of this name usually holds something else than scores: "id", "object_id",
/// "Unnamed: 0", "label", "fold", ...
[[nodiscard]] bool is_typical_extra(std::string_view name);

/// Sees the rows of a table of scores and tells which columns cannot be classes: a first or last
/// column of integers beside others that are not, and any column of integers that has a typical
/// name. A first or last column of zeros is a class that is never seen, and so is one of zeros and
/// ones that fills up the others' sum to 1.
class ExtraColumns {
 public:
  /// `names`: of the columns, or none. `edges`: look at the first and last column whatever their
  /// name.
  ExtraColumns(std::span<const std::string> names, std::size_t columns, bool edges);
  /// False once no column is suspected any more: no further row is needed.
  [[nodiscard]] bool undecided() const { return !suspects_.empty(); }
  void take(std::span<const double> row);
  /// Positions of the columns that are no classes, from 0. O(columns).
  [[nodiscard]] std::vector<std::size_t> found() const;

 private:
  struct Suspect {
    std::size_t column = 0;
    bool named = false;
    bool beyond_one = false;    ///< a value other than 0 and 1 was seen
    bool any = false;           ///< a value other than 0 was seen
    bool others_whole = true;   ///< the other columns held integers alone
    bool others_shares = true;  ///< the other columns lay in [0, 1]
    bool others_full = true;    ///< and added up to 1 in each row
  };
  [[nodiscard]] bool is_extra(const Suspect& suspect) const;

  std::vector<Suspect> suspects_;
  std::int64_t rows_ = 0;
};

}  // namespace p2p::io
