#include "words.hpp"

#include <array>
#include <regex>
#include <utility>

#include "p2p/error.hpp"

namespace p2p::python {
namespace {

template <class T, std::size_t N>
T parse(const std::string& word, const char* what,
        const std::array<std::pair<std::string_view, T>, N>& words) {
  std::string list;
  for (std::size_t i = 0; i < N; ++i) {
    if (word == words[i].first) return words[i].second;
    list += (i == 0 ? "" : i + 1 == N ? " or " : ", ");
    list += "'" + std::string(words[i].first) + "'";
  }
  throw_usage(std::string(what) + " is '" + word + "'; expected " + list);
}

}  // namespace

std::string as_python(std::string_view sentence) {
  struct Rule {
    std::regex option;
    const char* argument;
  };
  // Where a word follows that is a value, it is quoted; numbers stay as they are.
  static const Rule kRules[] = {
      {std::regex("p2p estimate --iterate"), "estimate_prior(iterate=True)"},
      {std::regex("p2p estimate --counts"), "estimate_prior(counts=...)"},
      {std::regex("p2p estimate"), "estimate_prior"},
      {std::regex("--input (logits|probs|log-probs|auto)\\b"), "input=\"$1\""},
      {std::regex("--output (logits|probs|log-probs|labels)\\b"), "output=\"$1\""},
      {std::regex("--strength auto\\b"), "strength=\"auto\""},
      {std::regex("--rows (train|train-augmented|holdout|loo)(?![a-z-])"), "rows=\"$1\""},
      {std::regex("--trained-with (ce|la(?::[0-9.e+-]*[0-9])?|balanced-softmax)(?![a-z0-9-])"),
       "trained_with=\"$1\""},
      {std::regex("--trained-with (weights|offset)\\b"), "trained_with=(\"$1\", ...)"},
      {std::regex("--objective (nll|accuracy|balanced-accuracy|macro-f1)\\b"), "scoring=\"$1\""},
      {std::regex("--objective\\b"), "scoring"},
      {std::regex("--method ([a-z0-9]+(?:-[a-z0-9]+)*)"), "method=\"$1\""},
      {std::regex("--match-to (source|target)\\b"), "match_to=\"$1\""},
      {std::regex("--confusion (soft|hard)\\b"), "confusion=\"$1\""},
      {std::regex("--mode (auto|fold|add)\\b"), "mode=\"$1\""},
      {std::regex("--target (uniform|empirical|estimated:[a-z-]*[a-z])\\b"), "target=\"$1\""},
      {std::regex("--(iterate|again|normalise|binary|pool)\\b"), "$1=True"},
      {std::regex("--allow-unconverged\\b"), "allow_unconverged=True"},
      {std::regex("--([a-z][a-z-]*[a-z]) (-?[0-9][0-9.e+-]*[0-9]|-?[0-9])(?![0-9/])"), "--$1=$2"},
  };
  std::string text(sentence);
  for (const auto& [option, argument] : kRules) text = std::regex_replace(text, option, argument);
  static const std::regex kName("--([a-z][a-z-]*[a-z])");
  std::string result;
  std::size_t done = 0;
  for (std::sregex_iterator it(text.begin(), text.end(), kName), end; it != end; ++it) {
    result.append(text, done, static_cast<std::size_t>(it->position()) - done);
    for (const char c : it->str(1)) result += c == '-' ? '_' : c;
    done = static_cast<std::size_t>(it->position() + it->length());
  }
  return result + text.substr(done);
}

ScoreKind parse_kind(const std::string& word, const char* argument) {
  return parse<ScoreKind, 4>(word, argument,
                             {{{"auto", ScoreKind::kAuto},
                               {"logits", ScoreKind::kLogits},
                               {"probs", ScoreKind::kProbs},
                               {"log-probs", ScoreKind::kLogProbs}}});
}

Training::Loss parse_loss(const std::string& word) {
  if (word == "ce") return Training::Loss::kCrossEntropy;
  if (word == "la") return Training::Loss::kLogitAdjusted;
  if (word == "balanced-softmax") return Training::Loss::kBalancedSoftmax;
  if (word == "weights") return Training::Loss::kClassWeights;
  if (word == "offset") return Training::Loss::kOffset;
  throw_usage("trained_with is '" + word +
              "'; expected 'ce', 'la', 'la:TAU', 'balanced-softmax', ('weights', w) or ('offset', "
              "b) with one number per class");
}

OutputKind parse_output(const std::string& word) {
  return parse<OutputKind, 4>(word, "output",
                              {{{"logits", OutputKind::kLogits},
                                {"probs", OutputKind::kProbs},
                                {"log-probs", OutputKind::kLogProbs},
                                {"labels", OutputKind::kLabels}}});
}

Objective parse_scoring(const std::string& word) {
  return parse<Objective, kObjectives>(word, "scoring",
                                       {{{"nll", Objective::kNll},
                                         {"accuracy", Objective::kAccuracy},
                                         {"balanced-accuracy", Objective::kBalancedAccuracy},
                                         {"macro-f1", Objective::kMacroF1}}});
}

BakeMode parse_mode(const std::string& word) {
  return parse<BakeMode, 3>(
      word, "mode",
      {{{"auto", BakeMode::kAuto}, {"fold", BakeMode::kFold}, {"add", BakeMode::kAdd}}});
}

}  // namespace p2p::python
