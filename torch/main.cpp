#include <ATen/Parallel.h>
#include <fmt/core.h>
#include <torch/csrc/jit/runtime/print_handler.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "edit.hpp"
#include "module_file.hpp"
#include "module_session.hpp"
#include "p2p/error.hpp"
#include "p2p/interrupt.hpp"
#include "score_layers.hpp"

namespace {

constexpr int kInternalFailure = 1;
constexpr int kUsageError = 2;
constexpr int kBadData = 3;

void run(int argc, char** argv) {
  CLI::App app("p2p-torch: what p2p has LibTorch do with TorchScript models; p2p starts it",
               "p2p-torch");
  app.require_subcommand(1);
  app.set_version_flag("--version", p2p::script::engine_name());
  std::string path;
  const auto add_verb = [&](const std::string& name, const std::string& job) {
    CLI::App* verb = app.add_subcommand(name, job);
    verb->add_option("MODEL", path, "saved by torch.jit.save")->required();
    return verb;
  };
  const CLI::App* describe = add_verb("describe", "print which layers make the scores, as JSON");

  CLI::App* edit = add_verb(
      "edit", "print the tensors, read an edit from standard input, print the new archive");
  std::vector<std::string> tensors;
  edit->add_option("TENSORS", tensors, "names, as fc.bias");

  CLI::App* run = add_verb("run", "run the module over all rows; prints the engine");
  std::string inputs;
  std::string result;
  std::string output = "output";
  int threads = 1;
  run->add_option("INPUTS", inputs, ".npy, or .npz with an array for each argument")->required();
  run->add_option("OUTPUT", result, "a .npy file to write")->required();
  run->add_option("--output", output, "key, field or place of what forward returns")
      ->capture_default_str();
  run->add_option("--threads", threads)->check(CLI::Range(1, 4096))->capture_default_str();

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    app.exit(help);
    return;
  } catch (const CLI::CallForVersion& version) {
    app.exit(version);
    return;
  } catch (const CLI::ParseError& error) {
    p2p::throw_usage(error.what());
  }
  if (*describe) {
    const auto file = p2p::script::load_module(path);
    std::cout << p2p::script::describe(file.module).dump() << '\n';
  } else if (*edit) {
    auto file = p2p::script::load_module(path);
    p2p::script::edit_module(file, tensors, std::cin, std::cout);
  } else {
    at::set_num_threads(threads);
    at::manual_seed(0);  // two modules that differ in their numbers only draw the same
    p2p::script::ModuleSession session(path, inputs, output);
    p2p::engine::run_batches(session, path, inputs, {output}, {result});
    std::cout << session.engine() << '\n';
  }
  if (!std::cout.flush()) p2p::throw_bad_data("standard output cannot be written");
}

}  // namespace

// A failure is one sentence, the last line on standard error, for p2p to repeat.
int main(int argc, char** argv) {
  p2p::remove_temporary_files_on_signal();
  p2p::report_failed_writes_as_errors();
  torch::jit::setPrintHandler([](const std::string& text) { std::cerr << text; });
  try {
    run(argc, argv);
    return 0;
  } catch (const p2p::Error& error) {
    std::cerr << error.what() << '\n';
    return error.code() == p2p::ErrorCode::kUsage ? kUsageError : kBadData;
  } catch (const std::exception& error) {
    std::cerr << p2p::script::words(error) << '\n';
    return kInternalFailure;
  }
}
