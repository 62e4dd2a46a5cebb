#include <fmt/format.h>

#include <memory>

#include "command.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"

namespace p2p::cli {
namespace {

struct Options {
  std::vector<std::string> priors;
  OutputOptions output;
  std::string merged;
};

void run(const Options& options) {
  if (options.output.json && options.merged == "-") {
    throw_usage("--json and -o - both want standard output; write the prior to a file");
  }
  refuse_overwriting(options.merged, options.priors);
  ClassPrior merged = load_prior(options.priors.front());
  for (std::size_t i = 1; i < options.priors.size(); ++i) {
    merged = merge(merged, load_prior(options.priors[i]));
  }
  write_text(options.merged, write_prior(merged));
  for (const std::string& missing : missing_parts(merged)) warn(missing);
  if (options.output.json) {
    print_json(report::prior_json(merged, options.merged));
  } else {
    note(options.output, fmt::format("{} priors of {} rows in all written to '{}'",
                                     options.priors.size(), merged.n_rows, options.merged));
  }
}

}  // namespace

void add_merge(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "merge", "join priors of parts, or of several data sets of one model, exactly");
  verb->add_option("PRIOR", options->priors, "prior files")->required()->type_name("");
  verb->add_option("-o,--output", options->merged, "prior file to write, or -")
      ->required()
      ->type_name("PRIOR");
  add_output_options(*verb, options->output);
  verb->footer(
      fmt::format("Examples:\n"
                  "  p2p estimate {0}:train_logits --counts {0}:counts --part 1/2 -o one.json\n"
                  "  p2p estimate {0}:train_logits --counts {0}:counts --part 2/2 -o two.json && "
                  "p2p merge one.json two.json -o both.json",
                  kSample));
  verb->callback([options] { run(*options); });
}

}  // namespace p2p::cli
