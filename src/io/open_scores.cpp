#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/array_file.hpp"
#include "io/array_source.hpp"
#include "io/csv_source.hpp"
#include "io/spec.hpp"
#include "io/stdin_source.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"
#include "p2p/open.hpp"

namespace p2p {
namespace {

std::unique_ptr<RowSource> open_one(const io::Spec& spec, const OpenOptions& options) {
  if (spec.is_stdin()) return io::make_stdin_source(options);
  switch (io::file_kind(spec.path)) {
    case io::FileKind::kNpy:
    case io::FileKind::kNpz:
    case io::FileKind::kSafetensors:
      return io::make_array_source(
          io::open_array(spec,
                         options.one_column ? io::ArrayUse::kOneColumn : io::ArrayUse::kScores),
          options);
    case io::FileKind::kCsv:
    case io::FileKind::kTsv:
      return io::make_csv_source(spec, options);
    default:
      throw_bad_data(io::quote(spec.text) +
                     " has an ending that scores are not read from; expected .npy, .npz, "
                     ".safetensors, .csv, .tsv, a folder of them, @list.txt or '-'");
  }
}

bool is_table(const io::Spec& spec) {
  const io::FileKind kind = io::file_kind(spec.path);
  return kind == io::FileKind::kCsv || kind == io::FileKind::kTsv;
}

void require_same_names(const std::vector<std::unique_ptr<RowSource>>& sources) {
  const RowSource* named = nullptr;
  std::vector<std::string> names;
  for (const auto& source : sources) {
    std::vector<std::string> others = source->class_names();
    if (others.empty()) continue;
    if (named == nullptr) {
      named = source.get();
      names = std::move(others);
      continue;
    }
    const auto [name, other] = std::ranges::mismatch(names, others);
    if (name == names.end() || other == others.end()) continue;
    throw_bad_data(
        fmt::format("{} calls class {} {}, but {} calls it {}; files of one data set "
                    "must have the same columns in the same order",
                    io::quote(source->name()), name - names.begin(), io::quote(*other),
                    io::quote(named->name()), io::quote(*name)));
  }
}

}  // namespace

ScoreSet open_scores(const std::vector<std::string>& specs, const OpenOptions& options) {
  if (specs.empty()) throw_usage("no score file was given");
  const std::vector<io::Spec> inputs =
      io::expand_specs(specs, io::FolderContent::kScores, options.warn);
  if (std::ranges::count_if(inputs, &io::Spec::is_stdin) > 1) {
    throw_usage("standard input ('-') was given twice; it can be read only once");
  }
  std::vector<std::unique_ptr<RowSource>> sources;
  for (const io::Spec& spec : inputs) sources.push_back(open_one(spec, options));
  if (!options.skip_columns.empty() && options.warn && std::ranges::none_of(inputs, is_table)) {
    options.warn("no score file is a .csv or .tsv: --skip-columns leaves nothing out");
  }
  ScoreSet set(std::move(sources));
  require_same_names(set.sources());
  return set;
}

}  // namespace p2p
