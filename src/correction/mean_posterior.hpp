#pragma once

#include <cstdint>
#include <vector>

#include "p2p/evidence.hpp"

namespace p2p::correction {

/// Repeated passes over the same rows, each with another offset. Rows count once, or, when class
/// weights are given, as often as the weight of their label says. Of labelled rows only those with
/// a usable label count.
class MeanPosterior {
 public:
  /// class_weights [C], >= 0, or empty. Error{kBadData}: scores that cannot be read again, another
  /// number of classes, labels of another length or out of range, no rows.
  MeanPosterior(const EvidenceRows& rows, std::int64_t classes, double temperature,
                std::vector<double> class_weights, const Evidence& evidence);

  /// mean softmax(z / T + offset), [C], sums to 1. offset [C], finite or -inf. One pass, O(N C);
  /// memory O(C * threads). Same bits for any number of threads. Error: a bad row, named.
  std::vector<double> operator()(const std::vector<double>& offset);

  /// (1/N) sum_n log sum_c ratio_c softmax(z_n / T + offset)_c: mean log-likelihood of the rows
  /// under the mixture whose class weights are `ratio` times those of the offset, up to a constant
  /// of the rows. ratio [C] >= 0. One pass in f64.
  double log_likelihood(const std::vector<double>& offset, const std::vector<double>& ratio);

  /// Rows that count.
  [[nodiscard]] std::int64_t rows() const { return used_rows_; }
  [[nodiscard]] DType dtype() const { return rows_.scores->dtype(); }

 private:
  EvidenceRows rows_;
  std::int64_t classes_;
  double temperature_;
  std::vector<double> class_weights_;
  std::int64_t used_rows_;
  int threads_;
  std::atomic<std::int64_t>* rows_done_;
};

}  // namespace p2p::correction
