#include "download/cifar.hpp"

#include <fmt/format.h>

#include <array>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::download {
namespace {

// 10,000 images of 3,072 bytes and a label.
constexpr std::int64_t kBatch = 30'730'000;

}  // namespace

const DataSet& find_data_set(const std::string& name) {
  static const std::array<DataSet, 2> kKnown = {
      DataSet{"cifar10",
              "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
              "cifar-10-binary.tar.gz",
              170'052'171,
              "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
              "cifar-10-batches-bin",
              {{"data_batch_1.bin", kBatch},
               {"data_batch_2.bin", kBatch},
               {"data_batch_3.bin", kBatch},
               {"data_batch_4.bin", kBatch},
               {"data_batch_5.bin", kBatch},
               {"test_batch.bin", kBatch},
               {"batches.meta.txt"},
               {"readme.html"}}},
      DataSet{"cifar100",
              "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
              "cifar-100-binary.tar.gz",
              168'513'733,
              "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
              "cifar-100-binary",
              {{"train.bin", 153'700'000},  // two labels
               {"test.bin", 30'740'000},
               {"fine_label_names.txt"},
               {"coarse_label_names.txt"}}},
  };
  for (const DataSet& set : kKnown) {
    if (set.name == name) return set;
  }
  throw_usage(
      fmt::format("{} is not a data set that can be downloaded; expected cifar10 or "
                  "cifar100",
                  io::quote(name)));
}

}  // namespace p2p::download
