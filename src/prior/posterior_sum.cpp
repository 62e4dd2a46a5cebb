#include "p2p/posterior_sum.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <new>
#include <numeric>

#include "core/exact_sum.hpp"
#include "kernels/kernels.hpp"
#include "p2p/error.hpp"
#include "scan/kind_check.hpp"
#include "scan/row_error.hpp"

namespace p2p {
namespace {

// Rows per kernel call, so that per-row facts stay in the first-level cache.
constexpr std::int64_t kStep = 256;

struct AlignedBytes {
  explicit AlignedBytes(std::int64_t bytes)
      : data(::operator new (static_cast<std::size_t>(bytes), std::align_val_t{64})) {}
  ~AlignedBytes() { ::operator delete (data, std::align_val_t{64}); }
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;
  void* data;
};

}  // namespace

struct PosteriorSum::Impl {
  Impl(std::int64_t n_classes, const PosteriorModel& posterior_model)
      : classes(n_classes),
        model(posterior_model),
        offset_f32(model.offset.begin(), model.offset.end()),
        check(model.kind, n_classes, model.kind_stated),
        posterior(size()),
        squared(size()),
        own(size()),
        label_rows(size(), 0) {
    assert(model.offset.empty() || model.offset.size() == size());
  }
  // All but the kernel's scratch memory, which keeps nothing from one call to the next.
  Impl(const Impl& other)
      : classes(other.classes),
        model(other.model),
        offset_f32(other.offset_f32),
        check(other.check),
        posterior(size()),
        squared(size()),
        own(size()) {
    assign(other);
  }
  Impl& operator=(const Impl&) = delete;
  // The same state in the memory at hand; classes and model are the same already.
  void assign(const Impl& other);
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(classes); }

  // At most kStep rows of the open block.
  void add(const RowBlock& rows, std::int64_t first, std::int64_t count);
  void close();
  void allocate();

  std::int64_t classes;
  PosteriorModel model;
  std::vector<float> offset_f32;
  KindCheck check;

  std::int64_t rows = 0;
  ExactSums posterior, squared, own;
  std::vector<std::int64_t> label_rows;

  // The open block, allocated at the first row.
  std::unique_ptr<AlignedBytes> scratch;
  std::vector<double> block_posterior, block_squared, block_own;
  std::int64_t block_rows = 0;
  std::vector<double> row_own;
  std::vector<float> row_max, row_sum, row_exp_sum;
};

void PosteriorSum::Impl::assign(const Impl& other) {
  assert(classes == other.classes);
  if (other.scratch) allocate();
  check = other.check;
  rows = other.rows;
  posterior = other.posterior;
  squared = other.squared;
  own = other.own;
  label_rows = other.label_rows;
  block_posterior = other.block_posterior;
  block_squared = other.block_squared;
  block_own = other.block_own;
  block_rows = other.block_rows;
}

void PosteriorSum::Impl::allocate() {
  if (scratch) return;
  scratch = std::make_unique<AlignedBytes>(kernels::softmax_sum_scratch(classes));
  block_posterior.assign(size(), 0.0);
  block_squared.assign(size(), 0.0);
  block_own.assign(size(), 0.0);
  row_own.resize(kStep);
  row_max.resize(kStep);
  row_sum.resize(kStep);
  row_exp_sum.resize(kStep);
}

void PosteriorSum::Impl::add(const RowBlock& block, std::int64_t first, std::int64_t count) {
  static const std::string kUnnamed = "scores";
  const std::string& name = block.name == nullptr ? kUnnamed : *block.name;
  kernels::SoftmaxParams params;
  params.inv_temperature = 1.0 / model.temperature;
  params.probabilities = model.kind == ScoreKind::kProbs;
  if (!model.offset.empty()) {
    params.offset = model.offset.data();
    params.offset_f32 = offset_f32.data();
  }
  const auto row_bytes = classes * static_cast<std::int64_t>(item_size(block.dtype));
  const char* data = static_cast<const char*>(block.data) + first * row_bytes;
  const double* weights = block.weights == nullptr ? nullptr : block.weights + first;
  const std::int32_t* labels = block.labels == nullptr ? nullptr : block.labels + first;
  const bool as_stored =
      params.inv_temperature == 1 && params.offset == nullptr && !params.probabilities;
  float* exp_sum = as_stored ? row_exp_sum.data() : nullptr;
  const std::int64_t bad =
      kernels::softmax_sum(data, block.dtype, count, classes, params, weights, labels,
                           block_posterior.data(), block_squared.data(), row_own.data(),
                           {row_max.data(), row_sum.data(), exp_sum}, scratch->data);
  const std::int64_t first_row = block.first_row + first;
  if (bad >= 0) {
    throw_bad_row(name, first_row + bad, data + bad * row_bytes, block.dtype, classes, model.kind);
  }
  check.rows(data, block.dtype, count, row_max.data(), row_sum.data(), name, first_row, exp_sum);
  for (std::int64_t i = 0; i < count; ++i) {
    if (weights != nullptr && weights[i] == 0) continue;
    ++rows;
    if (labels == nullptr || labels[i] < 0) continue;
    const auto label = static_cast<std::size_t>(labels[i]);
    ++label_rows[label];
    block_own[label] += row_own[static_cast<std::size_t>(i)];
  }
  block_rows += count;
}

void PosteriorSum::Impl::close() {
  if (block_rows == 0) return;
  check.end_block();
  posterior.add(block_posterior);
  squared.add(block_squared);
  own.add(block_own);
  std::ranges::fill(block_posterior, 0.0);
  std::ranges::fill(block_squared, 0.0);
  std::ranges::fill(block_own, 0.0);
  block_rows = 0;
}

PosteriorSum::PosteriorSum(std::int64_t classes, const PosteriorModel& model)
    : impl_(std::make_unique<Impl>(classes, model)) {}
PosteriorSum::~PosteriorSum() = default;
PosteriorSum::PosteriorSum(const PosteriorSum& other)
    : impl_(std::make_unique<Impl>(*other.impl_)) {}
PosteriorSum& PosteriorSum::operator=(const PosteriorSum& other) {
  if (this == &other) return *this;
  if (impl_ != nullptr && classes() == other.classes() && impl_->model == other.impl_->model) {
    impl_->assign(*other.impl_);
  } else {
    impl_ = std::make_unique<Impl>(*other.impl_);
  }
  return *this;
}
PosteriorSum::PosteriorSum(PosteriorSum&&) noexcept = default;
PosteriorSum& PosteriorSum::operator=(PosteriorSum&&) noexcept = default;

void PosteriorSum::update(const RowBlock& rows) {
  Impl& impl = *impl_;
  impl.allocate();
  for (std::int64_t done = 0; done < rows.count;) {
    const std::int64_t count = std::min({rows.count - done, kBlockRows - impl.block_rows, kStep});
    impl.add(rows, done, count);
    done += count;
    if (impl.block_rows == kBlockRows) impl.close();
  }
}

void PosteriorSum::end_block() { impl_->close(); }

std::int64_t PosteriorSum::open_rows() const { return impl_->block_rows; }

void PosteriorSum::demand_no_open_block() const {
  if (open_rows() == 0) return;
  throw_usage(
      "sums whose last block is still open can neither be merged nor saved, because the rows that "
      "complete it may follow; call end_block() first");
}

void PosteriorSum::merge(const PosteriorSum& other) {
  demand_no_open_block();
  other.demand_no_open_block();
  if (classes() != other.classes())
    throw_usage("sums over different numbers of classes cannot be merged");
  impl_->rows += other.impl_->rows;
  impl_->posterior.merge(other.impl_->posterior);
  impl_->squared.merge(other.impl_->squared);
  impl_->own.merge(other.impl_->own);
  for (std::size_t c = 0; c < impl_->label_rows.size(); ++c) {
    impl_->label_rows[c] += other.impl_->label_rows[c];
  }
}

std::int64_t PosteriorSum::classes() const { return impl_->classes; }
std::int64_t PosteriorSum::rows() const { return impl_->rows; }
std::vector<std::int64_t> PosteriorSum::label_rows() const { return impl_->label_rows; }
std::vector<double> PosteriorSum::posterior() const { return impl_->posterior.values(); }
std::vector<double> PosteriorSum::posterior_squared() const { return impl_->squared.values(); }
std::vector<double> PosteriorSum::own_class() const { return impl_->own.values(); }

PosteriorSum::State PosteriorSum::save() const {
  demand_no_open_block();
  const auto all = [](const ExactSums& sums) {
    std::vector<ExactSum> result(sums.size());
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = sums.get(i);
    return result;
  };
  return {impl_->rows, impl_->label_rows, all(impl_->posterior), all(impl_->squared),
          all(impl_->own)};
}

PosteriorSum PosteriorSum::load(const State& state) {
  const std::size_t size = state.label_rows.size();
  PosteriorSum result(static_cast<std::int64_t>(size), {});
  const auto set = [size](const std::vector<ExactSum>& saved, ExactSums& sums) {
    if (saved.size() != size) throw_bad_data("the saved sums differ in length");
    for (std::size_t i = 0; i < size; ++i) sums.set(i, saved[i]);
  };
  set(state.posterior, result.impl_->posterior);
  set(state.posterior_squared, result.impl_->squared);
  set(state.own_class, result.impl_->own);
  result.impl_->rows = state.rows;
  result.impl_->label_rows = state.label_rows;
  return result;
}

PosteriorSum PosteriorSum::of_totals(std::int64_t rows, const std::vector<std::int64_t>& label_rows,
                                     const std::vector<double>& posterior,
                                     const std::vector<double>& posterior_squared,
                                     const std::vector<double>& own_class) {
  const std::size_t size = posterior.size();
  PosteriorSum result(static_cast<std::int64_t>(size), {});
  const auto set = [size](const std::vector<double>& totals, ExactSums& sums) {
    const auto good = [](double total) { return total >= 0 && std::isfinite(total); };
    if (totals.size() != size || !std::ranges::all_of(totals, good)) {
      throw_bad_data("the sums of posteriors are not one finite number of at least 0 per class");
    }
    sums.add(totals);
  };
  set(posterior, result.impl_->posterior);
  set(posterior_squared, result.impl_->squared);
  set(own_class, result.impl_->own);
  if (label_rows.size() != size) throw_bad_data("the rows per class differ in length");
  result.impl_->rows = rows;
  result.impl_->label_rows = label_rows;
  return result;
}

}  // namespace p2p
