#include "study_options.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "p2p/error.hpp"
#include "p2p/open.hpp"

namespace p2p::cli {

void add_group_options(CLI::App& verb, GroupArguments& arguments) {
  verb.add_option("--many", arguments.many, "classes with more training images than this are many")
      ->capture_default_str()
      ->type_name("N");
  verb.add_option("--few", arguments.few, "classes with fewer training images than this are few")
      ->capture_default_str()
      ->type_name("N");
}

OpenedTestRows::OpenedTestRows(const ScoreOptions& like, const std::vector<std::string>& labels,
                               const std::vector<std::string>& second, const ClassPrior& prior,
                               const std::string& prior_name, const GroupArguments& groups)
    : scores_(open(like, {prior_name, prior.settings.classes})),
      labels_(open_labels_of(scores_, labels, like)) {
  if (!scores_.excluded.empty() && scores_.excluded != prior.settings.excluded) {
    throw_usage(
        "--exclude differs from what the prior was estimated with; give it to p2p estimate");
  }
  if (scores_.set.classes() != prior.n_classes()) {
    throw_bad_data(
        fmt::format("'{}' has {} classes, but the prior of {} has {}; use scores of the same model",
                    scores_.set.sources().front()->name(), scores_.set.classes(), prior_name,
                    prior.n_classes()));
  }
  if (!second.empty()) {
    ScoreOptions of_second = like;
    of_second.scores = second;
    of_second.head.clear();
    second_.emplace(open(of_second, {prior_name, prior.settings.classes}));
    rows_.second = &second_->set;
    rows_.second_kind = second_->kind;
  }
  rows_.rows = {.scores = &scores_.set,
                .kind = scores_.kind,
                .kind_stated = !scores_.kind_assumed,
                .labels = labels_.get(),
                .ignore_index = like.ignore_index};
  rows_.counts = prior.settings.counts;
  rows_.many = groups.many;
  rows_.few = groups.few;
  rows_.excluded = prior.settings.excluded;
}

void check_table_files(const std::vector<std::string>& files,
                       const std::vector<std::string>& endings,
                       const std::vector<std::string>& inputs) {
  for (const std::string& file : files) {
    if (std::ranges::none_of(endings, [&](const auto& end) { return has_ending(file, end); })) {
      throw_usage(fmt::format("'{}' must end in {} to say what is written", file,
                              fmt::join(endings, ", ")));
    }
    refuse_overwriting(file, inputs);
  }
}

void write_tables(const std::vector<std::string>& files, const std::vector<TableFormat>& formats) {
  for (const std::string& file : files) {
    for (const TableFormat& format : formats) {
      if (has_ending(file, format.ending)) write_text(file, format.text());
    }
  }
}

}  // namespace p2p::cli
