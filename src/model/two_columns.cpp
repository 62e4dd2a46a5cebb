#include "model/two_columns.hpp"

#include <cmath>
#include <cstddef>
#include <memory>
#include <vector>

#include "core/element.hpp"
#include "p2p/open.hpp"
#include "p2p/score_reading.hpp"

namespace p2p::model {
namespace {

ScoreSet open_column(const std::string& path) {
  return open_scores({path}, {.class_axis = -1, .one_column = true});
}

std::vector<std::byte> all_rows(RowSource& source) {
  const std::int64_t elements = source.rows() * source.classes();
  std::vector<std::byte> values(static_cast<std::size_t>(elements) * item_size(source.dtype()));
  source.read(0, source.rows(), values.data());
  return values;
}

void write(const std::string& path, DType dtype, std::int64_t rows, const void* values) {
  const std::unique_ptr<RowSink> sink = create_sink(path, {dtype, {rows, 2}, 1, {}});
  sink->write(0, rows, values);
  sink->commit();
}

}  // namespace

void write_both_columns(const std::string& path) {
  ReadScores both = read_scores(open_column(path), ScoreKind::kProbs, {.binary = true});
  RowSource& source = *both.set.sources().front();
  write(path, source.dtype(), source.rows(), all_rows(source).data());
}

void write_probabilities(const std::string& path, OneLogit logit) {
  ScoreSet column = open_column(path);
  RowSource& source = *column.sources().front();
  const std::vector<std::byte> stored = all_rows(source);
  std::vector<double> both;
  for (std::int64_t i = 0; i < source.rows(); ++i) {
    const double z = load_element(stored.data(), source.dtype(), i);
    const double of_second = logit == OneLogit::kOfFirst ? -z : z;
    both.push_back(1 / (1 + std::exp(of_second)));
    both.push_back(1 / (1 + std::exp(-of_second)));
  }
  write(path, DType::kF64, source.rows(), both.data());
}

}  // namespace p2p::model
