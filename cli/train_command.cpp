#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "command.hpp"
#include "engine/torch_program.hpp"
#include "p2p/error.hpp"

namespace p2p::cli {
namespace {

struct TrainVerb {
  std::string_view name;
  const char* summary;
};

constexpr std::array<TrainVerb, 3> kVerbs{{
    {"train", "train a network on long-tailed images, with p2p-train"},
    {"score", "the scores that a trained network gives images, with p2p-train"},
    {"data", "the image data sets that p2p train knows, with p2p-train"},
}};

}  // namespace

void add_train(CLI::App& app) {
  for (const TrainVerb& verb : kVerbs) app.add_subcommand(std::string(verb.name), verb.summary);
}

void become_train_program(char** arguments) {
  if (*arguments == nullptr ||
      std::ranges::find(kVerbs, std::string_view(*arguments), &TrainVerb::name) == kVerbs.end()) {
    return;
  }
  std::string program = engine::find_train_program();
  std::vector<char*> argv{program.data()};
  for (; *arguments != nullptr; ++arguments) argv.push_back(*arguments);
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  throw_usage("'" + program + "' cannot be started: " + std::generic_category().message(errno));
}

}  // namespace p2p::cli
