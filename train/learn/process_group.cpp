#include "learn/process_group.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "learn/c10d_group.hpp"
#include "p2p/error.hpp"

namespace p2p::learn {
namespace {

std::optional<int> number(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  const std::string value = text;
  int result = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (error != std::errc{} || end != value.data() + value.size() || result < 0) {
    throw_usage(fmt::format("the environment variable {} is '{}'; expected a number", name, value));
  }
  return result;
}

Place find_place() {
  for (const auto& [rank, size, local] :
       {std::array{"RANK", "WORLD_SIZE", "LOCAL_RANK"},
        std::array{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"}}) {
    const std::optional<int> own = number(rank);
    const std::optional<int> all = number(size);
    if (!own && !all) continue;
    if (!own || !all || *own >= *all) {
      throw_usage(fmt::format(
          "the environment variables {} and {} do not say which of how many processes this is; "
          "torchrun or mpirun sets both, the first below the second",
          rank, size));
    }
    return {*own, *all, number(local).value_or(0)};
  }
  return {};
}

class Alone final : public ProcessGroup {
 public:
  at::Tensor sum(at::Tensor tensor) const override { return tensor; }
};

}  // namespace

at::Tensor ProcessGroup::of_first(const at::Tensor& tensor) const {
  // x + -0.0 is x, also where x is -0.0.
  return sum(rank_ == 0 ? tensor.detach().clone() : at::full_like(tensor, -0.0));
}

std::string ProcessGroup::of_first(const std::string& text) const {
  const auto own = static_cast<std::int64_t>(text.size());
  const auto size = of_first(at::full({1}, own, at::kLong)).item<std::int64_t>();
  at::Tensor bytes = at::zeros({size}, at::kByte);
  if (rank_ == 0) std::memcpy(bytes.data_ptr(), text.data(), text.size());
  bytes = of_first(bytes);
  return {static_cast<const char*>(bytes.data_ptr()), static_cast<std::size_t>(size)};
}

std::unique_ptr<ProcessGroup> alone() { return std::make_unique<Alone>(); }

std::unique_ptr<ProcessGroup> join_process_group() {
  const Place place = find_place();
  if (place.size == 1) return alone();
  if (!has_c10d()) {
    throw_usage(fmt::format(
        "{} processes are to train together, but this p2p-train was built without Gloo; install "
        "its headers (Debian: libgloo-dev) and build again",
        place.size));
  }
  const char* address = std::getenv("MASTER_ADDR");
  const std::optional<int> port = number("MASTER_PORT");
  if (address == nullptr || !port || *port > 65535) {
    throw_usage(fmt::format(
        "{} processes are to train together, but MASTER_ADDR and MASTER_PORT do not name the "
        "machine and port of process 0; torchrun sets them, with mpirun give them by -x",
        place.size));
  }
  return meet(place, address, *port);
}

}  // namespace p2p::learn
