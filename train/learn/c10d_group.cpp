#include "learn/c10d_group.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <vector>

#include "p2p/error.hpp"
#ifdef P2P_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif
#ifdef P2P_NCCL
#include <c10/util/Logging.h>

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace p2p::learn {

#ifdef P2P_GLOO
namespace {

constexpr std::chrono::milliseconds kPatience = std::chrono::minutes(30);  // as PyTorch

std::string variable(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? "" : text;
}

std::string first_line(const std::exception& error) {
  const std::string words = error.what();
  return words.substr(0, std::min(words.find('\n'), std::size_t{300}));
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

class C10dGroup final : public ProcessGroup {
 public:
  C10dGroup(const Place& place, const std::string& address, int port) {
    rank_ = place.rank;
    size_ = place.size;
    local_rank_ = place.local_rank;
    try {
      const auto options = c10d::ProcessGroupGloo::Options::create(kPatience);
      const std::string interface = variable("GLOO_SOCKET_IFNAME");
      options->devices.push_back(interface.empty()
                                     ? c10d::ProcessGroupGloo::createDefaultDevice()
                                     : c10d::ProcessGroupGloo::createDeviceForInterface(interface));
      store_ = meeting_place(place, address, port);
      gloo_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, rank_, size_, options);
    } catch (const std::exception& error) {
      throw_bad_data(fmt::format(
          "process {} of {} cannot meet the others at MASTER_ADDR {}, MASTER_PORT {}: {}", rank_,
          size_, address, port, first_line(error)));
    }
  }

#ifdef P2P_NCCL
  // Unless it is told to end, it complains. All sums are done: every epoch ends in one of Gloo's.
  ~C10dGroup() override {
    try {
      if (nccl_) nccl_->abort();
    } catch (const std::exception&) {  // the program ends anyway
    }
  }
#endif

  at::Tensor sum(at::Tensor tensor) const override {
    try {
#ifdef P2P_NCCL
      if (tensor.is_cuda()) return sum_by(nccl(), tensor.contiguous());
#endif
      const at::Device device = tensor.device();
      return sum_by(*gloo_, tensor.cpu().contiguous()).to(device);
    } catch (const std::exception& error) {
      throw_bad_data(
          fmt::format("process {} of {} lost the others ({}); see what they said, then start all "
                      "again with --resume",
                      rank_, size_, first_line(error)));
    }
  }

 private:
  template <typename Backend>
  static at::Tensor sum_by(Backend& backend, const at::Tensor& tensor) {
    std::vector<at::Tensor> tensors{tensor};
    backend.allreduce(tensors)->wait();
    return tensors[0];
  }

#ifdef P2P_NCCL
  // Without a GPU it cannot be made.
  c10d::ProcessGroupNCCL& nccl() const {
    if (!nccl_) {
      // A lost process ends what waits for it, and sum() says so, in place of std::terminate and
      // pages of c10d's.
      setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "2", 0);
      setenv("TORCH_CPP_LOG_LEVEL", "FATAL", 0);
      c10::initLogging();
      nccl_ = c10::make_intrusive<c10d::ProcessGroupNCCL>(
          c10::make_intrusive<c10d::PrefixStore>("nccl", store_), rank_, size_);
    }
    return *nccl_;
  }

  mutable c10::intrusive_ptr<c10d::ProcessGroupNCCL> nccl_;
#endif
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
};

}  // namespace

bool has_c10d() { return true; }
std::unique_ptr<ProcessGroup> meet(const Place& place, const std::string& address, int port) {
  return std::make_unique<C10dGroup>(place, address, port);
}
#else
bool has_c10d() { return false; }
std::unique_ptr<ProcessGroup> meet(const Place& /*place*/, const std::string& /*address*/,
                                   int /*port*/) {
  assert(false);
  return {};
}
#endif

}  // namespace p2p::learn
