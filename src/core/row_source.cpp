#include "p2p/row_source.hpp"

#include <algorithm>
#include <cassert>

#include "p2p/error.hpp"

namespace p2p {

namespace {
__extension__ typedef __int128 Int128;
}  // namespace

ScoreSet::ScoreSet(std::vector<std::unique_ptr<RowSource>> sources) : sources_(std::move(sources)) {
  assert(!sources_.empty());
  const RowSource& head = *sources_.front();
  for (const auto& source : sources_) {
    if (source->classes() != head.classes()) {
      throw_bad_data("'" + source->name() + "' has " + std::to_string(source->classes()) +
                     " classes, but '" + head.name() + "' has " + std::to_string(head.classes()) +
                     "; files of one data set must have the same columns");
    }
    rows_ += source->rows();
  }
}

bool ScoreSet::random_access() const {
  return std::ranges::all_of(sources_, [](const auto& s) { return s->random_access(); });
}

bool ScoreSet::rewindable() const {
  return std::ranges::all_of(sources_, [](const auto& s) { return s->rewindable(); });
}

DType ScoreSet::dtype() const {
  DType widest = sources_.front()->dtype();
  for (const auto& source : sources_) {
    const DType dtype = source->dtype();
    if (dtype == widest) continue;
    widest = widest == DType::kF64 || dtype == DType::kF64 ? DType::kF64 : DType::kF32;
  }
  return widest;
}

std::vector<Block> plan_blocks(const ScoreSet& set, std::int64_t part, std::int64_t parts) {
  assert(parts >= 1 && part >= 1 && part <= parts);
  std::vector<Block> blocks;
  std::int64_t global_row = 0;
  for (const auto& source : set.sources()) {
    for (std::int64_t first = 0; first < source->rows(); first += kBlockRows) {
      const std::int64_t count = std::min(kBlockRows, source->rows() - first);
      blocks.push_back({source.get(), first, count, global_row});
      global_row += count;
    }
  }
  const auto cut = [&](std::int64_t k) {
    const auto at = static_cast<Int128>(k) * static_cast<Int128>(blocks.size()) / parts;
    return blocks.begin() + static_cast<std::ptrdiff_t>(at);
  };
  return {cut(part - 1), cut(part)};
}

}  // namespace p2p
