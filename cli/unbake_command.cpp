#include <fmt/format.h>

#include <memory>

#include "command.hpp"
#include "p2p/bake.hpp"
#include "report/bake.hpp"

namespace p2p::cli {
namespace {

struct Options {
  std::string model;
  std::string out;
  OutputOptions words;
};

void run(const Options& options) {
  const std::vector<BakeRecord> records = unbake(options.model, options.out);
  if (options.words.json) {
    report::Json json = report::records_json(options.model, records);
    json["output"] = options.out;
    print_json(json);
  } else {
    note(options.words,
         fmt::format("{} correction{} taken out; the model without {} written to '{}'",
                     records.size(), records.size() == 1 ? "" : "s",
                     records.size() == 1 ? "it" : "them", options.out));
  }
}

}  // namespace

void add_unbake(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* verb =
      app.add_subcommand("unbake", "take out of a model file what p2p bake put in, exactly");
  verb->add_option("MODEL", options->model, "a model that p2p bake wrote")
      ->required()
      ->type_name("");
  verb->add_option("-o,--out", options->out, "the model as it was")->required()->type_name("OUT");
  add_output_options(*verb, options->words);
  verb->footer(fmt::format(
      "Examples:\n"
      "  p2p estimate {0}:train_logits --counts {0}:counts -o prior.json && p2p bake {1} "
      "--prior prior.json -o corrected.onnx && p2p unbake corrected.onnx -o original.onnx\n"
      "  p2p unbake corrected.onnx -o original.onnx --json",
      kSample, kSampleModel));
  verb->callback([options] { run(*options); });
}

}  // namespace p2p::cli
