#include "engine/torch_program.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::engine {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kName = "p2p-torch";

bool is_program(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string find_torch_program() {
  if (const char* chosen = std::getenv("P2P_TORCH"); chosen != nullptr && *chosen != '\0') {
    if (is_program(chosen)) return chosen;
    throw_usage("P2P_TORCH names " + io::quote(chosen) +
                ", which is no program; name the p2p-torch that was built with LibTorch");
  }
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / kName;
  if (!error && is_program(beside)) return beside.native();
  const char* variable = std::getenv("PATH");
  std::string_view folders = variable != nullptr ? variable : "";
  while (!folders.empty()) {
    const std::string_view folder = folders.substr(0, folders.find(':'));
    folders.remove_prefix(std::min(folder.size() + 1, folders.size()));
    const fs::path program = fs::path(folder) / kName;
    if (!folder.empty() && is_program(program)) return program.native();
  }
  throw_usage(
      "TorchScript models need the program p2p-torch, which is neither beside p2p nor on PATH; "
      "build p2p with LibTorch: cmake -DP2P_BUILD_TORCH=ON");
}

}  // namespace p2p::engine
