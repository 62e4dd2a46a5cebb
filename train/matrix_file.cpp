#include "matrix_file.hpp"

#include <ATen/ATen.h>

#include "p2p/open.hpp"

namespace p2p::train {

void MatrixFile::write(std::int64_t first, const at::Tensor& values) {
  if (!sink_) {
    SinkSpec spec;
    spec.shape = {rows_, values.size(1)};
    sink_ = create_sink(path_, spec);
  }
  sink_->write(first, values.size(0), values.data_ptr<float>());
}

void MatrixFile::commit() { sink_->commit(); }

void write_integers(const std::string& path, const std::vector<std::int64_t>& values) {
  SinkSpec spec;
  spec.dtype = DType::kI64;
  spec.shape = {static_cast<std::int64_t>(values.size())};
  spec.class_axis = -1;
  const auto sink = create_sink(path, spec);
  sink->write(0, spec.shape[0], values.data());
  sink->commit();
}

}  // namespace p2p::train
