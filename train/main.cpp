#include <fmt/format.h>
#include <malloc.h>
#include <torch/version.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <string>

#include "cli/help.hpp"
#include "cli/words.hpp"
#include "p2p/error.hpp"
#include "p2p/interrupt.hpp"
#include "p2p/version.hpp"
#include "program.hpp"

namespace p2p::train {
namespace {

std::string version() { return fmt::format("{} (LibTorch {})", kVersion, TORCH_VERSION); }

}  // namespace

void note(const std::string& sentence) { p2p::cli::say("{}\n", sentence); }
void warn(const std::string& sentence) { p2p::cli::say("warning: {}\n", sentence); }

void print_json(const nlohmann::ordered_json& json) {
  fmt::print("{}\n", json.dump(2));
  if (std::fflush(stdout) != 0) throw_bad_data("standard output cannot be written");
}

void add_word_options(CLI::App& verb, WordOptions& options) {
  verb.add_flag("--json", options.json, "print one JSON object on stdout");
  verb.add_flag("--quiet", options.quiet,
                "no words and no progress on stderr but warnings and errors");
  verb.set_version_flag("--version", version(), "print the version");
}

}  // namespace p2p::train

namespace {

constexpr int kInternalFailure = 1;
constexpr int kUsageError = 2;
constexpr int kBadData = 3;

int run(int argc, char** argv) {
  CLI::App app("p2p-train: trains networks and runs them over images; p2p starts it", "p2p");
  app.formatter(std::make_shared<p2p::cli::HelpFormatter>());
  app.set_help_flag("-h,--help", "print this help");
  app.require_subcommand(1);
  app.set_version_flag("--version", p2p::train::version());
  p2p::train::add_train(app);
  p2p::train::add_score(app);
  p2p::train::add_data(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    const auto verbs = app.get_subcommands();
    const std::string verb = verbs.empty() ? "" : " " + verbs.front()->get_name();
    p2p::cli::say("p2p{}: {}; see p2p{} --help\n", verb, error.what(), verb);
    return kUsageError;
  }
  return 0;
}

int explain_memory() {
  p2p::cli::say("p2p: out of memory; use a smaller --batch or fewer --threads\n");
  return kInternalFailure;
}

// LibTorch has no type of its own for it on every device.
bool is_about_memory(const std::string& words) {
  return words.find("allocate memory") != std::string::npos ||
         words.find("out of memory") != std::string::npos;
}

// The first line: LibTorch puts a trace of its own calls behind it.
std::string words(const std::exception& error) {
  const std::string all = error.what();
  return all.substr(0, all.find('\n'));
}

}  // namespace

int main(int argc, char** argv) {
  p2p::cli::keep_standard_streams();
  // Every step makes the same large tensors: giving their pages back in between costs a third of
  // the time.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  p2p::remove_temporary_files_on_signal();
  p2p::report_failed_writes_as_errors();
  try {
    return run(argc, argv);
  } catch (const p2p::Error& error) {
    p2p::cli::say("p2p: {}\n", error.what());
    return error.code() == p2p::ErrorCode::kUsage ? kUsageError : kBadData;
  } catch (const std::bad_alloc&) {
    return explain_memory();
  } catch (const std::exception& error) {
    if (is_about_memory(error.what())) return explain_memory();
    p2p::cli::say("p2p: internal failure: {}; please report it\n", words(error));
    return kInternalFailure;
  }
}
