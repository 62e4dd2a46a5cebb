#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "generators.hpp"

namespace p2p {
namespace {

using test::DataSet;
using test::draw_data;

// A data set in one to three files.
struct Files {
  DataSet data;
  std::vector<std::size_t> ends;  // in rows
  std::vector<DType> dtypes;
  EstimateOptions options;
  bool labelled = false;

  [[nodiscard]] ClassPrior part(std::int64_t k, std::int64_t n) const {
    std::vector<std::unique_ptr<RowSource>> sources;
    std::size_t begin = 0;
    for (std::size_t f = 0; f < ends.size(); ++f) {
      const auto at = [&](std::size_t row) {
        return data.scores.begin() + static_cast<std::ptrdiff_t>(row * data.classes);
      };
      sources.push_back(test::source({at(begin), at(ends[f])},
                                     static_cast<std::int64_t>(data.classes), dtypes[f],
                                     "file" + std::to_string(f)));
      begin = ends[f];
    }
    ScoreSet set(std::move(sources));
    VectorLabelSource labels(data.labels);
    EstimateOptions part_options = options;
    part_options.part = k;
    part_options.parts = n;
    return estimate_prior(set, labelled ? &labels : nullptr, part_options).prior;
  }
};

Files draw_files(int least_rows = 1) {
  Files files;
  files.data = draw_data(25'000, 4, least_rows);
  const int count = *rc::gen::inRange(1, 4);
  for (int f = 1; f < count; ++f) {
    files.ends.push_back(
        static_cast<std::size_t>(*rc::gen::inRange(0, static_cast<int>(files.data.rows) + 1)));
  }
  files.ends.push_back(files.data.rows);
  std::ranges::sort(files.ends);
  for (int f = 0; f < count; ++f) files.dtypes.push_back(test::draw_dtype());
  files.options.kind = ScoreKind::kLogits;
  files.options.counts = files.data.counts;
  files.labelled = *rc::gen::arbitrary<bool>();
  return files;
}

std::int64_t blocks_of(const Files& files) {
  std::int64_t blocks = 0;
  std::size_t begin = 0;
  for (const std::size_t end : files.ends) {
    blocks += (static_cast<std::int64_t>(end - begin) + kBlockRows - 1) / kBlockRows;
    begin = end;
  }
  return blocks;
}

RC_GTEST_PROP(Merge, OfAllPartsIsOnePassInAnyOrder, ()) {
  const Files files = draw_files();
  const std::int64_t parts =
      *rc::gen::inRange<std::int64_t>(1, std::min<std::int64_t>(blocks_of(files), 6) + 1);
  std::vector<ClassPrior> pieces;
  for (std::int64_t k = 1; k <= parts; ++k) pieces.push_back(files.part(k, parts));
  // Any two neighbours of a shuffled row become one, until one is left: any tree of merges.
  while (pieces.size() > 1) {
    const auto i =
        static_cast<std::size_t>(*rc::gen::inRange<int>(0, static_cast<int>(pieces.size())));
    std::swap(pieces[i], pieces.back());
    ClassPrior last = std::move(pieces.back());
    pieces.pop_back();
    const auto j =
        static_cast<std::size_t>(*rc::gen::inRange<int>(0, static_cast<int>(pieces.size())));
    pieces[j] = parse_prior(write_prior(merge(last, pieces[j])), "merged");
  }
  RC_ASSERT(write_prior(pieces.front()) == write_prior(files.part(1, 1)));
  RC_ASSERT(missing_parts(pieces.front()).empty());
}

RC_GTEST_PROP(Merge, IsCommutativeAndAssociative, ()) {
  const Files files = draw_files(2 * kBlockRows + 1);
  const ClassPrior a = files.part(1, 3);
  const ClassPrior b = files.part(2, 3);
  const ClassPrior c = files.part(3, 3);
  const std::string left = write_prior(merge(merge(a, b), c));
  RC_ASSERT(write_prior(merge(a, merge(b, c))) == left);
  RC_ASSERT(write_prior(merge(merge(c, a), b)) == left);
  RC_ASSERT(write_prior(merge(a, b)) == write_prior(merge(b, a)));
}

RC_GTEST_PROP(PosteriorSum, HasTheSameBitsForAnyBatching, ()) {
  const DataSet data = draw_data(9000, 20);
  const DType dtype = test::draw_dtype();
  const auto bytes = test::encoded(data.scores, dtype);
  const auto classes = static_cast<std::int64_t>(data.classes);
  const auto row_bytes = classes * static_cast<std::int64_t>(item_size(dtype));
  std::mt19937 random(static_cast<unsigned>(*rc::gen::inRange(0, 1000)));
  const int largest = *rc::gen::element(3, 20, 500, 6000);
  const auto feed = [&](auto&& batch) {
    PosteriorSum sums(classes, {});
    for (std::int64_t first = 0; first < static_cast<std::int64_t>(data.rows);) {
      const std::int64_t count =
          std::min<std::int64_t>(batch(), static_cast<std::int64_t>(data.rows) - first);
      sums.update({.data = static_cast<const char*>(bytes.get()) + first * row_bytes,
                   .dtype = dtype,
                   .count = count,
                   .first_row = first});
      first += count;
    }
    sums.end_block();
    return sums.save();
  };
  const PosteriorSum::State whole = feed([&] { return static_cast<std::int64_t>(data.rows); });
  const PosteriorSum::State batched =
      feed([&] { return std::uniform_int_distribution<std::int64_t>(1, largest)(random); });
  RC_ASSERT(whole.posterior == batched.posterior);
  RC_ASSERT(whole.posterior_squared == batched.posterior_squared);
  RC_ASSERT(whole.rows == batched.rows);
}

}  // namespace
}  // namespace p2p
