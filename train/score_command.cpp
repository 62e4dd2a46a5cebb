#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "images/class_numbers.hpp"
#include "images/image_set.hpp"
#include "io/text.hpp"
#include "learn/device.hpp"
#include "learn/score_images.hpp"
#include "learn/scorer.hpp"
#include "learn/weight_file.hpp"
#include "live_line.hpp"
#include "matrix_file.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"
#include "p2p/parallel.hpp"
#include "program.hpp"

namespace p2p::train {
namespace {

struct Options {
  std::string model;
  std::string data;
  std::string out;
  std::string part = "test";
  std::string labels;
  std::string features;
  std::vector<float> mean;
  std::vector<float> deviation;
  images::OpenOptions open;
  int batch = learn::ScoreOptions{}.batch;
  std::string device = "auto";
  bool bf16 = false;
  int threads = default_threads();
  WordOptions words;
};

// A model that wants (x - mean) / deviation of each channel.
class Normalised final : public learn::Scorer {
 public:
  Normalised(std::unique_ptr<learn::Scorer> scorer, const std::vector<float>& mean,
             const std::vector<float>& deviation)
      : scorer_(std::move(scorer)) {
    device_ = scorer_->device();
    batch_ = scorer_->batch();
    const auto channels = static_cast<std::int64_t>(mean.size());
    mean_ = at::tensor(mean).view({1, channels, 1, 1}).to(device_);
    deviation_ = at::tensor(deviation).view({1, channels, 1, 1}).to(device_);
  }
  learn::Scores score(const at::Tensor& images) override {
    return scorer_->score((images - mean_) / deviation_);
  }

 private:
  std::unique_ptr<learn::Scorer> scorer_;
  at::Tensor mean_, deviation_;
};

// The lists that `spec` may name.
std::vector<std::string> files_of(const std::string& spec) {
  std::vector<std::string> files;
  std::istringstream parts(spec);
  for (std::string part; std::getline(parts, part, ',');) {
    std::error_code ignored;
    if (std::filesystem::is_regular_file(part, ignored)) files.push_back(part);
  }
  return files;
}

struct OpenedModel {
  std::unique_ptr<learn::Model> network;  ///< of our own weight files
  std::unique_ptr<learn::Scorer> scorer;
  std::vector<std::string> classes;  ///< or empty
};

// The engines say it in words of their own.
void demand_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    throw_bad_data(fmt::format("the model {} does not exist; check the path", io::quote(path)));
  }
}

OpenedModel open_model(const Options& options, const images::ImageShape& shape) {
  const std::string& path = options.model;
  OpenedModel opened;
  if (has_ending(path, ".safetensors")) {
    if (!options.mean.empty()) {
      throw_usage(fmt::format("{} knows the --mean and --std of its images; leave them out",
                              io::quote(path)));
    }
    learn::LoadedModel loaded = learn::read_weights(path, learn::choose_device(options.device, 0));
    opened.network = std::move(loaded.model);
    opened.classes = std::move(loaded.classes);
    const network::NetworkConfig& config = opened.network->network().config;
    if (config.channels != shape.channels || config.height != shape.height ||
        config.width != shape.width) {
      throw_bad_data(fmt::format(
          "{} takes images of {} x {} pixels and {} channels, those of {} have {} x {} and {}; "
          "--resize {} scales them",
          io::quote(path), config.width, config.height, config.channels, io::quote(options.data),
          shape.width, shape.height, shape.channels, config.height));
    }
    opened.scorer = learn::network_scorer(*opened.network, options.bf16);
    return opened;
  }
  if (!options.features.empty() || options.bf16) {
    throw_usage(fmt::format("--features and --bf16 need the model.safetensors of p2p train, not {}",
                            io::quote(path)));
  }
  if (has_ending(path, ".onnx")) {
    demand_file(path);
    opened.scorer = learn::onnx_scorer(path, shape, options.threads);
  } else if (has_ending(path, ".pt") || has_ending(path, ".ts") || has_ending(path, ".pth")) {
    demand_file(path);
    opened.scorer = learn::torchscript_scorer(path, learn::choose_device(options.device, 0));
  } else {
    throw_usage(fmt::format(
        "the ending of {} is not .safetensors (of p2p train), .onnx or .pt (TorchScript)",
        io::quote(path)));
  }
  if (options.mean.empty()) return opened;
  if (std::ranges::any_of(options.mean, [](float m) { return std::abs(m) > 1; })) {
    warn("--mean is beyond 1, but pixels are numbers from 0 to 1; divide --mean and --std by 255");
  }
  const auto channels = static_cast<std::size_t>(shape.channels);
  if (options.mean.size() != channels || options.deviation.size() != channels ||
      !std::ranges::all_of(options.deviation, [](float d) { return d > 0; })) {
    throw_usage(fmt::format(
        "--mean and --std need a number for each of {} channels, those of --std above 0",
        channels));
  }
  opened.scorer =
      std::make_unique<Normalised>(std::move(opened.scorer), options.mean, options.deviation);
  return opened;
}

// Labels count the columns of the scores. Classes without names are as good as any.
void expect_same_classes(const Options& options, const std::vector<std::string>& of_model,
                         const std::vector<std::string>& of_data) {
  const std::vector<std::string> none = images::numbers(of_data.size());
  if (of_model.size() != of_data.size() || of_model == none || of_data == none) return;
  const auto [model, data] = std::ranges::mismatch(of_model, of_data);
  if (model == of_model.end()) return;
  throw_bad_data(fmt::format(
      "class {} is {} in {} but {} in {}; give the classes of --data the names and the order of "
      "those that the model was trained with",
      model - of_model.begin(), io::quote(*model), io::quote(options.model), io::quote(*data),
      io::quote(options.data)));
}

void run(Options& options) {
  at::set_num_threads(options.threads);
  options.open.threads = options.threads;
  std::vector<std::string> inputs = files_of(options.data);
  inputs.push_back(options.model);
  std::set<std::string> outputs;
  for (const std::string& output : {options.out, options.labels, options.features}) {
    if (output.empty()) continue;
    refuse_overwriting(output, inputs);
    if (!outputs.insert(output).second) {
      throw_usage(fmt::format("two outputs are to go to {}; give each a file of its own",
                              io::quote(output)));
    }
  }
  LiveLine line(!options.words.quiet);
  line.show(fmt::format("reading {}", io::quote(options.data)));
  const images::Images images = images::open_images(options.data, options.open);
  line.clear();
  const auto& set = options.part == "train" ? images.train : images.test;
  if (!set) {
    const char* other = options.part == "train" ? "test" : "train";
    throw_bad_data(fmt::format("{} has a {} part only; give --part {}", io::quote(options.data),
                               other, other));
  }
  const OpenedModel model = open_model(options, set->shape());
  expect_same_classes(options, model.classes, images.classes);
  if (!images.skipped.empty()) {
    warn(fmt::format("{} images could not be read and were left out: {}", images.skipped.size(),
                     io::list_text(images.skipped)));
  }
  MatrixFile scores(options.out, set->rows());
  MatrixFile features(options.features, set->rows());
  const auto start = std::chrono::steady_clock::now();
  std::int64_t classes = 0;
  learn::score_images(*model.scorer, *set, {.batch = options.batch, .threads = options.threads},
                      [&](std::int64_t first, const learn::Scores& made) {
                        classes = made.scores.size(1);
                        scores.write(first, made.scores);
                        if (!options.features.empty()) features.write(first, made.features);
                        const std::chrono::duration<double> seconds =
                            std::chrono::steady_clock::now() - start;
                        const auto done = static_cast<double>(first + made.scores.size(0));
                        line.show(fmt::format("score  {:3.0f} %  {:.0f} images/s",
                                              100 * done / static_cast<double>(set->rows()),
                                              done / seconds.count()));
                      });
  if (!options.features.empty()) features.commit();
  if (!options.labels.empty()) {
    write_integers(options.labels,
                   std::vector<std::int64_t>(set->labels().begin(), set->labels().end()));
  }
  scores.commit();
  if (classes != static_cast<std::int64_t>(images.classes.size())) {
    warn(fmt::format("the model scores {} classes, {} has {}", classes, io::quote(options.data),
                     images.classes.size()));
  }
  if (options.words.json) {
    return print_json({{"model", options.model},
                       {"output", options.out},
                       {"n_rows", set->rows()},
                       {"n_classes", classes},
                       {"skipped", images.skipped}});
  }
  line.finish(fmt::format("scores of {} images and {} classes written to {}", set->rows(), classes,
                          io::quote(options.out)));
}

}  // namespace

void add_score(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* verb =
      app.add_subcommand("score", "run a model over images and write its scores [N, classes]");
  verb->add_option("MODEL", options->model,
                   "model.safetensors of p2p train, TorchScript (.pt) or ONNX (.onnx); it takes "
                   "float images [N, channels, height, width], values 0..1")
      ->required()
      ->type_name("");
  verb->add_option("--data", options->data,
                   "images, as p2p train takes them; also a folder of CLASS/*.jpg|png or a list "
                   "TEST.txt[,ROOT]")
      ->required()
      ->type_name("SPEC");
  verb->add_option("-o,--out", options->out, "scores to write: .npy, .npz, .safetensors or .csv")
      ->required()
      ->type_name("SCORES");
  verb->add_option("--part", options->part, "train or test")
      ->check(CLI::IsMember({"train", "test"}))
      ->type_name("PART")
      ->capture_default_str();
  verb->add_option("--labels", options->labels, "write the labels too, .npy")->type_name("FILE");
  verb->add_option("--features", options->features,
                   "write penultimate features too (model.safetensors only)")
      ->type_name("FILE");
  CLI::Option* mean =
      verb->add_option("--mean", options->mean, "of each channel, taken from the images: R,G,B");
  CLI::Option* deviation =
      verb->add_option("--std", options->deviation, "of each channel, divided by: R,G,B");
  for (CLI::Option* option : {mean, deviation}) option->delimiter(',')->type_name("X,...");
  mean->needs(deviation);
  deviation->needs(mean);
  verb->add_option("--resize", options->open.resize,
                   "scale the shorter side of images to this and cut out the centre")
      ->check(CLI::Range(8, 1024))
      ->type_name("PIXELS");
  verb->add_option("--skip-bad", options->open.skip_bad,
                   "share of the images that may be unreadable and are left out")
      ->type_name("X")
      ->capture_default_str();
  verb->add_option("--batch", options->batch, "images at once")
      ->check(CLI::Range(1, 65536))
      ->type_name("N")
      ->capture_default_str();
  verb->add_option("--device", options->device, "auto, cpu or cuda")
      ->type_name("D")
      ->capture_default_str();
  verb->add_flag("--bf16", options->bf16, "compute convolutions in bfloat16");
  verb->add_option("--threads", options->threads, "processor threads")
      ->check(CLI::Range(1, 4096))
      ->type_name("N")
      ->default_str("all processors");
  add_word_options(*verb, options->words);
  verb->footer(
      "Examples:\n"
      "  p2p score run/model.safetensors --data data/cifar-10-batches-bin -o scores.npy\n"
      "  p2p score model.onnx --data photos/test --resize 224 --mean 0.485,0.456,0.406 "
      "--std 0.229,0.224,0.225 -o scores.npy --labels labels.npy");
  verb->callback([options] { run(*options); });
}

}  // namespace p2p::train
