#include "io/extra_columns.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace p2p::io {
namespace {

constexpr double kFullSum = 0.02;     // rounded probabilities add up to 1 within this
constexpr std::int64_t kFewRows = 3;  // integers in fewer rows may be chance
constexpr std::array<std::string_view, 25> kTypical = {
    "id",     "imageid", "rowid",  "sampleid",   "index",   "idx",       "level_0",
    "row",    "label",   "labels", "target",     "targets", "y",         "y_true",
    "y_pred", "pred",    "preds",  "prediction", "predict", "predicted", "class",
    "fold",   "split",   "epoch",  "true_label"};

bool is_whole(double value) { return std::isfinite(value) && value == std::floor(value); }

}  // namespace

bool is_typical_extra(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return std::ranges::find(kTypical, lower) != kTypical.end() || lower.ends_with("_id") ||
         lower.ends_with(" id") || lower.starts_with("unnamed:");
}

ExtraColumns::ExtraColumns(std::span<const std::string> names, std::size_t columns, bool edges) {
  for (std::size_t c = 0; c < columns; ++c) {
    const bool named = c < names.size() && is_typical_extra(names[c]);
    if (named || (edges && (c == 0 || c + 1 == columns))) {
      suspects_.emplace_back().column = c;
      suspects_.back().named = named;
    }
  }
}

void ExtraColumns::take(std::span<const double> row) {
  ++rows_;
  std::erase_if(suspects_, [&](const Suspect& s) { return !is_whole(row[s.column]); });
  for (Suspect& s : suspects_) {
    const double own = row[s.column];
    s.any |= own != 0;
    s.beyond_one |= own != 0 && own != 1;
    double sum = 0;
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (c == s.column) continue;
      s.others_whole &= is_whole(row[c]);
      s.others_shares &= row[c] >= 0 && row[c] <= 1;
      sum += row[c];
    }
    s.others_full &= std::abs(sum - 1) <= kFullSum;
  }
}

bool ExtraColumns::is_extra(const Suspect& s) const {
  if (s.named) return true;
  if (rows_ < kFewRows || s.others_whole) return false;
  return s.others_shares ? s.beyond_one || (s.any && s.others_full) : s.any;
}

std::vector<std::size_t> ExtraColumns::found() const {
  std::vector<std::size_t> columns;
  if (rows_ == 0) return columns;
  for (const Suspect& s : suspects_) {
    if (is_extra(s)) columns.push_back(s.column);
  }
  return columns;
}

}  // namespace p2p::io
