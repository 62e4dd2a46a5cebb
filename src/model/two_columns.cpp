#include "model/two_columns.hpp"

#include <cstddef>
#include <memory>
#include <vector>

#include "p2p/open.hpp"
#include "p2p/score_reading.hpp"

namespace p2p::model {

void write_both_columns(const std::string& column) {
  ReadScores both = read_scores(open_scores({column}, {.class_axis = -1, .one_column = true}),
                                ScoreKind::kProbs, {.binary = true});
  RowSource& source = *both.set.sources().front();
  const std::int64_t rows = source.rows();
  std::vector<std::byte> values(static_cast<std::size_t>(2 * rows) * item_size(source.dtype()));
  source.read(0, rows, values.data());
  const std::unique_ptr<RowSink> sink = create_sink(column, {source.dtype(), {rows, 2}, 1, {}});
  sink->write(0, rows, values.data());
  sink->commit();
}

}  // namespace p2p::model
