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

struct LoadedPrior {
  std::string path;
  ClassPrior prior;
};

LoadedPrior load(const std::string& path) {
  LoadedPrior loaded{path, load_prior(path)};
  try {
    static_cast<void>(PosteriorSum::load(loaded.prior.sums));
  } catch (const Error& error) {
    throw_bad_data(fmt::format(
        "'{}' is not a usable prior file: {}; make it anew with p2p estimate", path, error.what()));
  }
  return loaded;
}

bool same_file(const InputRecord& a, const InputRecord& b) {
  return a.name == b.name && a.sha256 == b.sha256 && a.shape == b.shape;
}

std::string rows_of(const PriorInput& input) {
  if (input.parts == 1) return fmt::format("all of '{}'", input.record.name);
  return fmt::format("part {} of {} of '{}'", input.part, input.parts, input.record.name);
}

// Two priors over the same rows, told by the names of their files, which merge() does not know.
void refuse_same_rows(const LoadedPrior& a, const LoadedPrior& b) {
  for (const PriorInput& x : a.prior.inputs) {
    for (const PriorInput& y : b.prior.inputs) {
      const bool overlap = x.parts == 1 || y.parts == 1 || (x.parts == y.parts && x.part == y.part);
      if (!overlap || !same_file(x.record, y.record)) continue;
      throw_bad_data(fmt::format(
          "'{}' holds {} and '{}' holds {}; rows given twice would count double: leave one out",
          a.path, rows_of(x), b.path, rows_of(y)));
    }
  }
}

// How the first differs from the other, with both files named.
ClassPrior join(const LoadedPrior& first, const ClassPrior& merged, const LoadedPrior& next) {
  try {
    return merge(merged, next.prior);
  } catch (const Error& error) {
    throw Error(error.code(),
                fmt::format("'{}' and '{}': {}", first.path, next.path, error.what()));
  }
}

void run(const Options& options) {
  if (options.output.json && options.merged == "-") {
    throw_usage("--json and -o - both want standard output; write the prior to a file");
  }
  refuse_overwriting(options.merged, options.priors);
  std::vector<LoadedPrior> priors;
  for (const std::string& path : options.priors) {
    priors.push_back(load(path));
    for (std::size_t i = 0; i + 1 < priors.size(); ++i) refuse_same_rows(priors[i], priors.back());
  }
  ClassPrior merged = priors.front().prior;
  for (std::size_t i = 1; i < priors.size(); ++i) {
    merged = join(priors.front(), merged, priors[i]);
  }
  write_text(options.merged, write_prior(merged));
  for (const std::string& missing : missing_parts(merged)) warn(missing);
  const std::string mismatch = mismatch_warning(merged);
  if (!mismatch.empty()) warn(mismatch);
  if (options.output.json) {
    report::Json json = report::prior_json(merged, options.merged);
    json["warnings"] = mismatch.empty() ? report::Json::array() : report::Json{mismatch};
    print_json(json);
  } else {
    note(options.output,
         fmt::format("effective prior of {} classes from {} rows, joined from {} file{}, "
                     "written to '{}'",
                     merged.n_classes(), merged.n_rows, options.priors.size(),
                     options.priors.size() == 1 ? "" : "s", options.merged));
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
