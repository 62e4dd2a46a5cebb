#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>

#include "network/network.hpp"
#include "p2p/error.hpp"
#include "p2p/parallel.hpp"
#include "program.hpp"
#include "training_run.hpp"

namespace p2p::train {
namespace {

void run(RunOptions& options, const std::string& profile, bool no_bias_decay) {
  options.data.profile = profile == "step" ? images::Profile::kStep : images::Profile::kExponential;
  options.data.seed = options.training.seed;
  options.data.open.threads = options.threads;
  options.training.bias_decay = !no_bias_decay;
  if (!(options.data.holdout >= 0 && options.data.holdout < 1)) {
    throw_usage(fmt::format("--holdout {} must be at least 0 and below 1", options.data.holdout));
  }
  train(options);
}

// Of this machine's processors the share of one of the processes that torchrun or mpirun started.
int share_of_threads() {
  for (const char* name : {"LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"}) {
    const char* text = std::getenv(name);
    const int processes = text == nullptr ? 0 : std::atoi(text);
    if (processes > 1) return std::max(1, default_threads() / processes);
  }
  return default_threads();
}

}  // namespace

void add_train(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  auto profile = std::make_shared<std::string>("exp");
  auto no_bias_decay = std::make_shared<bool>(false);
  learn::TrainOptions& training = options->training;
  CLI::App* verb = app.add_subcommand(
      "train",
      "train a network on long-tailed images and write its scores, ready for p2p estimate");
  const auto number = [&](const std::string& name, auto& value, const std::string& description,
                          const char* type = "X") {
    verb->add_option(name, value, description)->type_name(type)->capture_default_str();
  };
  verb->add_option("--data", options->data.spec,
                   "CIFAR-10 or CIFAR-100 binary folder, folder with train/CLASS/*.jpg|png and "
                   "test/ or val/, idx folder, or TRAIN.txt,TEST.txt[,ROOT] of lines 'path label'")
      ->required()
      ->type_name("SPEC");
  verb->add_option("-o,--out", options->folder, "folder of the run")->required()->type_name("RUN");
  CLI::Option* imbalance =
      verb->add_option("--imbalance", options->data.imbalance,
                       "thin balanced classes out to a long tail, the first class most frequent: "
                       "largest over smallest class");
  imbalance->type_name("F");
  verb->add_option("--profile", *profile, "of the long tail: exp or step")
      ->needs(imbalance)
      ->check(CLI::IsMember({"exp", "step"}))
      ->type_name("P")
      ->capture_default_str();
  number("--holdout", options->data.holdout,
         "share of the training rows to keep apart, same prior, for honest choices");
  verb->add_option("--resize", options->data.open.resize,
                   "scale the shorter side of images to this and cut out the centre")
      ->check(CLI::Range(8, 1024))
      ->type_name("PIXELS");
  number("--skip-bad", options->data.open.skip_bad,
         "share of the images that may be unreadable and are left out");
  verb->add_option("--network", options->network,
                   fmt::format("{}", fmt::join(network::network_names(), ", ")))
      ->type_name("NET")
      ->capture_default_str();
  verb->add_flag("--cosine-head", options->cosine_head,
                 "scores are 30 times the cosine of features and class weights");
  verb->add_option("--weights", options->weights,
                   "start from these (.safetensors, named as in PyTorch's state dict)")
      ->type_name("FILE");
  number("--loss", training.loss,
         "ce, la[:TAU], balanced-softmax, ldam, ldam-drw, vs[:GAMMA:TAU], focal[:GAMMA], cb[:BETA]",
         "LOSS");
  number("--mixup", training.mixup, "mix images and labels by a share of Beta(A, A); 0: do not",
         "A");
  number("--label-smoothing", training.label_smoothing,
         "share of the label spread over all classes");
  number("--augment", training.augmentation, "none, crop-flip or autoaugment", "HOW");
  number("--epochs", training.epochs, "passes over the training rows", "N");
  number("--batch", training.batch, "rows a step, of each process", "N");
  number("--lr", training.learning_rate, "highest learning rate");
  number("--schedule", training.schedule, "step, cosine or onecycle", "HOW");
  number("--momentum", training.momentum, "of SGD");
  number("--weight-decay", training.weight_decay, "of SGD");
  verb->add_flag("--no-bias-decay", *no_bias_decay, "weights decay, biases and batch norm do not");
  verb->add_flag("--bf16", training.bf16, "compute convolutions in bfloat16");
  verb->add_option("--device", options->device, "auto, cpu or cuda")
      ->type_name("D")
      ->capture_default_str();
  options->threads = share_of_threads();
  verb->add_option("--threads", options->threads, "processor threads")
      ->check(CLI::Range(1, 4096))
      ->type_name("N")
      ->default_str("all processors");
  number("--seed", training.seed, "of everything random", "S");
  verb->add_flag("--features", options->features, "write penultimate features too, for p2p head");
  verb->add_flag("--resume", options->resume,
                 "continue RUN after its last whole epoch; starts it when there is none");
  add_word_options(*verb, options->words);
  verb->footer(
      "Examples:\n"
      "  p2p train --data data/cifar-10-batches-bin --imbalance 100 --network resnet20 --epochs 24 "
      "--schedule "
      "onecycle --lr 0.4 --mixup 0.2 -o run\n"
      "  p2p train --data images --loss la --holdout 0.1 --resume -o run && p2p estimate run && "
      "p2p correct run");
  verb->callback([options, profile, no_bias_decay] { run(*options, *profile, *no_bias_decay); });
}

}  // namespace p2p::train
