#pragma once

#include <memory>
#include <string>

#include "learn/process_group.hpp"

namespace p2p::learn {

/// Which of how many processes this is.
struct Place {
  int rank = 0;
  int size = 1;
  int local_rank = 0;  ///< among those of this machine
};

/// Whether LibTorch's c10d and Gloo are in this build.
bool has_c10d();

/// The processes that meet at a port of process 0's machine. Tensors of the processor are summed by
/// Gloo, those of GPUs by NCCL where it is in this build, else by Gloo through the processor.
/// Error{kBadData}: the others do not come. Precondition: has_c10d().
std::unique_ptr<ProcessGroup> meet(const Place& place, const std::string& address, int port);

}  // namespace p2p::learn
