#include <fmt/format.h>

#include <memory>

#include "command.hpp"
#include "p2p/bake.hpp"
#include "report/bake.hpp"

namespace p2p::cli {
namespace {

struct Options {
  std::string model;
  std::string prior;
  BakeOptions bake;
  OutputOptions words;
};

void run(const Options& options) {
  const std::vector<BakeRecord> records = baked_records(options.model);
  if (!records.empty()) {
    if (options.words.json) {
      print_json(report::records_json(options.model, records));
    } else {
      print(report::records_text(options.model, records));
    }
    return;
  }
  std::optional<ClassPrior> prior;
  if (!options.prior.empty()) prior = load_prior(options.prior);
  const ScoreHead head = find_scores(options.model, prior ? prior->n_classes() : 0, options.bake);
  if (options.words.json) {
    print_json(report::head_json(options.model, head));
  } else {
    print(report::head_text(options.model, head));
  }
  const std::string kinds = prior ? other_kind(head, prior->settings.input_kind) : "";
  if (!kinds.empty()) note(options.words, kinds);
}

}  // namespace

void add_show(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "show", "what p2p bake would change in a model file, or what was baked in");
  verb->add_option("MODEL", options->model, "model file, as for p2p bake")
      ->required()
      ->type_name("");
  verb->add_option("--prior", options->prior, "look for as many classes as this prior has")
      ->type_name("PRIOR");
  verb->add_option("--output-name", options->bake.output_name, "as for p2p bake")
      ->type_name("NAME");
  verb->add_option("--tensor", options->bake.tensor, "as for p2p bake")->type_name("NAME");
  verb->add_option("--class-axis", options->bake.class_axis, "as for p2p bake")->type_name("A");
  add_output_options(*verb, options->words);
  verb->footer(
      fmt::format("Examples:\n"
                  "  p2p show {0}\n"
                  "  p2p show {0} --json",
                  kSampleModel));
  verb->callback([options] { run(*options); });
}

}  // namespace p2p::cli
