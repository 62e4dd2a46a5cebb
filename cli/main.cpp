#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "command.hpp"
#include "p2p/error.hpp"
#include "p2p/interrupt.hpp"
#include "p2p/simd_target.hpp"
#include "p2p/version.hpp"

namespace {

constexpr int kInternalFailure = 1;
constexpr int kUsageError = 2;
constexpr int kBadData = 3;

int run(int argc, char** argv) {
  CLI::App app(
      "p2p: measure the prior that a classifier really holds (its effective prior) and divide it "
      "out\n"
      "after training: z' = z / T + strength * (log target - log residual).",
      "p2p");
  app.require_subcommand(1);
  app.set_version_flag("--version", p2p::kVersion, "print the version");
  app.footer("p2p VERB --help explains a verb and ends with examples.");
  p2p::cli::add_estimate(app);
  p2p::cli::add_merge(app);
  p2p::cli::add_inspect(app);
  p2p::cli::add_correct(app);
  p2p::cli::add_evaluate(app);
  try {
    p2p::kernels::select_target();
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageError;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  p2p::remove_temporary_files_on_signal();
  p2p::report_failed_writes_as_errors();
  try {
    return run(argc, argv);
  } catch (const p2p::Error& error) {
    fmt::print(stderr, "p2p: {}\n", error.what());
    return error.code() == p2p::ErrorCode::kUsage ? kUsageError : kBadData;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "p2p: out of memory; use fewer --threads or smaller parts\n");
    return kInternalFailure;
  } catch (const std::exception& error) {
    fmt::print(stderr, "p2p: internal failure: {}; please report it\n", error.what());
    return kInternalFailure;
  }
}
