#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "p2p/row_sink.hpp"

namespace p2p::train {

/// A file of [rows, width] floats, whose width shows with the first rows written.
class MatrixFile {
 public:
  MatrixFile(std::string path, std::int64_t rows) : path_(std::move(path)), rows_(rows) {}
  /// One batch after the other; float32 on the CPU, row-major.
  void write(std::int64_t first, const at::Tensor& values);
  void commit();

 private:
  std::string path_;
  std::int64_t rows_;
  std::unique_ptr<RowSink> sink_;
};

/// A .npy file of int64 numbers.
void write_integers(const std::string& path, const std::vector<std::int64_t>& values);

}  // namespace p2p::train
