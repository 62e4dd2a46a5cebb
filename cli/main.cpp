#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "command.hpp"
#include "help.hpp"
#include "p2p/error.hpp"
#include "p2p/interrupt.hpp"
#include "p2p/simd_target.hpp"
#include "p2p/version.hpp"
#include "words.hpp"

namespace {

constexpr int kInternalFailure = 1;
constexpr int kUsageError = 2;
constexpr int kBadData = 3;

// One sentence, as for every other error; without a verb, what there is.
int explain_usage(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  const auto verbs = app.get_subcommands();
  if (verbs.empty()) {
    std::vector<std::string> names;
    std::string lines;
    for (const CLI::App* verb : app.get_subcommands({})) {
      names.push_back(verb->get_name());
      lines += fmt::format("  {:<10}{}\n", verb->get_name(), verb->get_description());
    }
    if (argc < 2) {
      p2p::cli::say("p2p: a verb is missing; p2p VERB --help explains one of these:\n{}", lines);
    } else {
      p2p::cli::say("p2p: '{}' is not a verb; expected one of {}; see p2p --help\n", argv[1],
                    fmt::join(names, ", "));
    }
  } else {
    p2p::cli::say("p2p: {}; see p2p {} --help\n", error.what(), verbs.front()->get_name());
  }
  return kUsageError;
}

int run(int argc, char** argv) {
  CLI::App app(
      "p2p: measure the prior that a classifier really holds (its effective prior) and\n"
      "divide it out after training: z' = z / T + strength * (log target - log residual)",
      "p2p");
  app.formatter(std::make_shared<p2p::cli::HelpFormatter>());
  app.set_help_flag("-h,--help", "print this help");
  app.require_subcommand(1);
  app.set_version_flag("--version", p2p::kVersion, "print the version");
  app.footer(
      fmt::format("p2p VERB --help explains a verb and ends with examples.\n\n"
                  "Examples:\n"
                  "  p2p estimate {0}:train_logits --counts {0}:counts -o prior.json\n"
                  "  p2p correct {0}:test_logits --prior prior.json -o corrected.npy",
                  p2p::cli::kSample));
  p2p::cli::add_estimate(app);
  p2p::cli::add_merge(app);
  p2p::cli::add_inspect(app);
  p2p::cli::add_correct(app);
  p2p::cli::add_evaluate(app);
  p2p::cli::add_compare(app);
  p2p::cli::add_sweep(app);
  p2p::cli::add_track(app);
  p2p::cli::add_bake(app);
  p2p::cli::add_unbake(app);
  p2p::cli::add_show(app);
  p2p::cli::add_head(app);
  p2p::cli::add_train(app);
  for (CLI::App* verb : app.get_subcommands({})) verb->group("Verbs");
  try {
    p2p::kernels::select_target();
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) return explain_usage(app, error, argc, argv);
    return app.exit(error);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  p2p::cli::keep_standard_streams();
  try {
    if (argc > 1) p2p::cli::become_train_program(argv + 1);
    p2p::remove_temporary_files_on_signal();
    p2p::report_failed_writes_as_errors();
    return run(argc, argv);
  } catch (const p2p::Error& error) {
    p2p::cli::say("p2p: {}\n", error.what());
    return error.code() == p2p::ErrorCode::kUsage ? kUsageError : kBadData;
  } catch (const std::bad_alloc&) {
    p2p::cli::say("p2p: out of memory; use fewer --threads or smaller parts\n");
    return kInternalFailure;
  } catch (const std::exception& error) {
    p2p::cli::say("p2p: internal failure: {}; please report it\n", error.what());
    return kInternalFailure;
  }
}
