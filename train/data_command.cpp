#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>

#include "download/download.hpp"
#include "io/text.hpp"
#include "live_line.hpp"
#include "program.hpp"

namespace p2p::train {
namespace {

struct Options {
  std::string name;
  std::string folder;
  std::optional<std::string> url;
  WordOptions words;
};

void run(const Options& options) {
  LiveLine line(!options.words.quiet);
  const download::Downloaded done = download::fetch_data_set(
      options.name, options.folder, options.url, [&](std::int64_t bytes, std::int64_t total) {
        line.show(fmt::format(
            "{}  {:3.0f} %  {:.1f} of {:.1f} MB", options.name,
            total > 0 ? 100.0 * static_cast<double>(bytes) / static_cast<double>(total) : 0.0,
            static_cast<double>(bytes) / 1e6, static_cast<double>(total) / 1e6));
      });
  if (options.words.json) {
    return print_json({{"data", options.name},
                       {"folder", done.folder},
                       {"fetched", done.fetched},
                       {"unpacked", done.unpacked}});
  }
  line.finish(fmt::format("{} is in {}{}", options.name, io::quote(done.folder),
                          done.fetched || done.unpacked ? "" : ", as before"));
}

}  // namespace

void add_data(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand(
      "data", "download a data set from its official address, check it and unpack it");
  verb->add_option("NAME", options->name, "cifar10 or cifar100")->required()->type_name("");
  verb->add_option("DIR", options->folder, "folder to put it in")->required()->type_name("");
  verb->add_option("--from", options->url, "another address of the same archive")->type_name("URL");
  add_word_options(*verb, options->words);
  verb->footer(
      "Examples:\n"
      "  p2p data cifar10 data\n"
      "  p2p data cifar100 data && p2p train --data data/cifar-100-binary --imbalance 100 -o run");
  verb->callback([options] { run(*options); });
}

}  // namespace p2p::train
