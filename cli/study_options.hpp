#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "p2p/label_source.hpp"
#include "p2p/test_rows.hpp"

/// What the verbs share that judge corrections on labelled rows.
namespace p2p::cli {

struct GroupArguments {
  double many = TestRows().many;
  double few = TestRows().few;
};
void add_group_options(CLI::App& verb, GroupArguments& arguments);

/// Labelled rows with the files they borrow.
class OpenedTestRows {
 public:
  /// `like.scores` and `second` are files. Class names must agree with the prior's, and --exclude
  /// with what it was estimated with; the prior lends its counts.
  OpenedTestRows(const ScoreOptions& like, const std::vector<std::string>& labels,
                 const std::vector<std::string>& second, const ClassPrior& prior,
                 const std::string& prior_name, const GroupArguments& groups);

  [[nodiscard]] const TestRows& rows() const { return rows_; }
  [[nodiscard]] const OpenedScores& scores() const { return scores_; }

 private:
  OpenedScores scores_;
  std::optional<OpenedScores> second_;
  std::unique_ptr<LabelSource> labels_;
  TestRows rows_;
};

/// One way to write a table, chosen by the ending of a file.
struct TableFormat {
  std::string ending;
  std::function<std::string()> text;
};
/// Error{kUsage} when a file ends in none of `endings`; refuses to overwrite an input.
void check_table_files(const std::vector<std::string>& files,
                       const std::vector<std::string>& endings,
                       const std::vector<std::string>& inputs);
void write_tables(const std::vector<std::string>& files, const std::vector<TableFormat>& formats);

}  // namespace p2p::cli
