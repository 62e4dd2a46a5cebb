#include "metrics/equal_mass.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <memory>
#include <vector>

#include "p2p/parallel.hpp"

namespace p2p::metrics {
namespace {

using kernels::RowOutcome;

constexpr std::size_t kPiece = std::size_t{1} << 16;
constexpr double kUnit = 0x1p-31;  // 2^31 rows at most fit into 63 bits

// confidence - correct, in units.
std::int64_t gap(const RowOutcome& row) {
  const double value = (row.label == row.predicted ? 0.0 : 1.0) - static_cast<double>(row.doubt);
  return static_cast<std::int64_t>(value / kUnit);
}

struct Bucket {
  std::int64_t rows = 0;
  std::int64_t gap = 0;
};

// The rows of a bucket that a cut goes through.
struct Divided {
  explicit Divided(std::size_t count) : rows(count) {}
  std::vector<std::uint32_t> rows;
  std::atomic<std::size_t> next{0};
};

// Calls use(worker, row) for all rows.
template <class Use>
void each_row(std::span<const RowOutcome> rows, int threads, const Use& use) {
  const auto pieces = static_cast<std::int64_t>((rows.size() + kPiece - 1) / kPiece);
  parallel_for(pieces, threads, [&](int worker, std::int64_t piece) {
    const std::size_t first = static_cast<std::size_t>(piece) * kPiece;
    for (const RowOutcome& row : rows.subspan(first, std::min(kPiece, rows.size() - first))) {
      use(static_cast<std::size_t>(worker), row);
    }
  });
}

}  // namespace

std::size_t bucket(const RowOutcome& row) {
  // Sign, exponent and seven digits of the doubt.
  return kBuckets - 1 - (std::bit_cast<std::uint32_t>(row.doubt) >> 16);
}

bool less_confident(const RowOutcome& a, const RowOutcome& b) {
  return a.doubt != b.doubt ? a.doubt > b.doubt : a.row < b.row;
}

std::array<double, kBins> equal_mass_ends(std::int64_t rows) {
  std::array<double, kBins> ends{};
  std::int64_t end = 0;
  for (std::int64_t b = 0; b < kBins; ++b) {
    end += rows / kBins + (b < rows % kBins ? 1 : 0);
    ends[static_cast<std::size_t>(b)] = static_cast<double>(end);
  }
  return ends;
}

double ece_equal_mass(std::span<const RowOutcome> rows, int threads) {
  std::vector<std::vector<Bucket>> found(static_cast<std::size_t>(threads));
  for (auto& buckets : found) buckets.resize(kBuckets);
  each_row(rows, threads, [&](std::size_t worker, const RowOutcome& row) {
    Bucket& to = found[worker][bucket(row)];
    ++to.rows;
    to.gap += gap(row);
  });
  std::vector<Bucket>& buckets = found.front();
  for (std::size_t w = 1; w < found.size(); ++w) {
    for (std::size_t b = 0; b < kBuckets; ++b) {
      buckets[b].rows += found[w][b].rows;
      buckets[b].gap += found[w][b].gap;
    }
  }

  const auto ends = equal_mass_ends(static_cast<std::int64_t>(rows.size()));
  std::vector<std::unique_ptr<Divided>> divided(kBuckets);
  std::int64_t before = 0;
  for (std::size_t b = 0; b < kBuckets; before += buckets[b++].rows) {
    const std::int64_t after = before + buckets[b].rows;
    const auto inside = [&](double end) {
      return end > static_cast<double>(before) && end < static_cast<double>(after);
    };
    if (std::ranges::any_of(ends, inside)) {
      divided[b] = std::make_unique<Divided>(static_cast<std::size_t>(buckets[b].rows));
    }
  }
  each_row(rows, threads, [&](std::size_t /*worker*/, const RowOutcome& row) {
    Divided* const to = divided[bucket(row)].get();
    if (to != nullptr) to->rows[to->next++] = static_cast<std::uint32_t>(&row - rows.data());
  });

  double error = 0;
  std::int64_t sum = 0, count = 0;
  std::size_t bin = 0;
  const auto close = [&] {
    while (bin < kBins && static_cast<double>(count) >= ends[bin]) {
      error += std::abs(static_cast<double>(sum) * kUnit);
      sum = 0;
      ++bin;
    }
  };
  for (std::size_t b = 0; b < kBuckets; ++b) {
    if (!divided[b]) {
      count += buckets[b].rows;
      sum += buckets[b].gap;
      close();
      continue;
    }
    std::ranges::sort(divided[b]->rows, [&](std::uint32_t i, std::uint32_t k) {
      return less_confident(rows[i], rows[k]);
    });
    for (const std::uint32_t i : divided[b]->rows) {
      ++count;
      sum += gap(rows[i]);
      close();
    }
  }
  return error / static_cast<double>(rows.size());
}

}  // namespace p2p::metrics
