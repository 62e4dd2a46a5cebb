#include "learn/process_group.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "p2p/error.hpp"
#ifdef P2P_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

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

struct Place {
  int rank = 0;
  int size = 1;
  int local_rank = 0;
};

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

#ifdef P2P_GLOO
constexpr std::chrono::milliseconds kPatience = std::chrono::minutes(30);  // as PyTorch

std::string variable(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

// Where the processes find each other: on a port of process 0, or of the torchrun that started it.
c10::intrusive_ptr<c10d::Store> meeting_place(const Place& place, const std::string& address,
                                              int port) {
  const bool of_torchrun = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(port);
  options.isServer = place.rank == 0 && !of_torchrun;
  options.waitWorkers = false;
  options.timeout = kPatience;
  // Where there is a choice (PyTorch 2): the server that every build has, Debian's too.
  [](auto& o) {
    if constexpr (requires { o.useLibUV; }) o.useLibUV = false;
  }(options);
  auto store = c10::make_intrusive<c10d::TCPStore>(address, options);
  if (!of_torchrun) return store;
  // Which outlives processes that it starts again.
  return c10::make_intrusive<c10d::PrefixStore>("attempt " + variable("TORCHELASTIC_RESTART_COUNT"),
                                                store);
}

class Gloo final : public ProcessGroup {
 public:
  Gloo(const Place& place, const std::string& address, int port) {
    rank_ = place.rank;
    size_ = place.size;
    local_rank_ = place.local_rank;
    try {
      const auto options = c10d::ProcessGroupGloo::Options::create(kPatience);
      const std::string interface = variable("GLOO_SOCKET_IFNAME");
      options->devices.push_back(interface.empty()
                                     ? c10d::ProcessGroupGloo::createDefaultDevice()
                                     : c10d::ProcessGroupGloo::createDeviceForInterface(interface));
      group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(meeting_place(place, address, port),
                                                           rank_, size_, options);
    } catch (const std::exception& error) {
      throw_bad_data(fmt::format(
          "process {} of {} cannot meet the others at MASTER_ADDR {}, MASTER_PORT {}: {}", rank_,
          size_, address, port, first_line(error)));
    }
  }

  at::Tensor sum(at::Tensor tensor) const override {
    const at::Device device = tensor.device();
    std::vector<at::Tensor> tensors{tensor.cpu().contiguous()};
    try {
      group_->allreduce(tensors)->wait();
    } catch (const std::exception& error) {
      throw_bad_data(
          fmt::format("process {} of {} lost the others ({}); see what they said, then start all "
                      "again with --resume",
                      rank_, size_, first_line(error)));
    }
    return tensors[0].to(device);
  }

 private:
  static std::string first_line(const std::exception& error) {
    const std::string words = error.what();
    return words.substr(0, std::min(words.find('\n'), std::size_t{300}));
  }

  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};
#endif

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
#ifdef P2P_GLOO
  const char* address = std::getenv("MASTER_ADDR");
  const std::optional<int> port = number("MASTER_PORT");
  if (address == nullptr || !port || *port > 65535) {
    throw_usage(fmt::format(
        "{} processes are to train together, but MASTER_ADDR and MASTER_PORT do not name the "
        "machine and port of process 0; torchrun sets them, with mpirun give them by -x",
        place.size));
  }
  return std::make_unique<Gloo>(place, address, *port);
#else
  throw_usage(fmt::format(
      "{} processes are to train together, but this p2p-train was built without Gloo; install its "
      "headers (Debian: libgloo-dev) and build again",
      place.size));
#endif
}

}  // namespace p2p::learn
