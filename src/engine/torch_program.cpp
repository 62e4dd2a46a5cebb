#include "engine/torch_program.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::engine {
namespace {

namespace fs = std::filesystem;

/// A program that is there only when p2p was built with LibTorch.
struct Program {
  std::string name;
  const char* variable;
  std::string needed_by;  ///< "... need"
  std::string how_to_build;
};

bool is_program(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

std::string find(const Program& wanted) {
  if (const char* chosen = std::getenv(wanted.variable); chosen != nullptr && *chosen != '\0') {
    if (is_program(chosen)) return chosen;
    throw_usage(std::string(wanted.variable) + " names " + io::quote(chosen) +
                ", which is no program; name the " + wanted.name + " that was built with LibTorch");
  }
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / wanted.name;
  if (!error && is_program(beside)) return beside.native();
  const char* variable = std::getenv("PATH");
  std::string_view folders = variable != nullptr ? variable : "";
  while (!folders.empty()) {
    const std::string_view folder = folders.substr(0, folders.find(':'));
    folders.remove_prefix(std::min(folder.size() + 1, folders.size()));
    const fs::path program = fs::path(folder) / wanted.name;
    if (!folder.empty() && is_program(program)) return program.native();
  }
  throw_usage(
      wanted.needed_by + " the program " + wanted.name +
      ", which is neither beside p2p nor on PATH; build p2p with LibTorch: " + wanted.how_to_build);
}

}  // namespace

std::string find_torch_program() {
  return find({.name = "p2p-torch",
               .variable = "P2P_TORCH",
               .needed_by = "TorchScript models need",
               .how_to_build = "cmake -DP2P_BUILD_TORCH=ON"});
}

std::string find_train_program() {
  return find({.name = "p2p-train",
               .variable = "P2P_TRAIN",
               .needed_by = "p2p train, score and data need",
               .how_to_build =
                   "cmake -DP2P_BUILD_TRAIN=ON, after apt install libtorch-dev libgloo-dev "
                   "libjpeg-dev libpng-dev libcurl4-openssl-dev libarchive-dev (in place of "
                   "libtorch-dev, an installed PyTorch has LibTorch: -DCMAKE_PREFIX_PATH=$(python3 "
                   "-c 'import torch; print(torch.utils.cmake_prefix_path)'))"});
}

}  // namespace p2p::engine
