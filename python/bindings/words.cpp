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
  // Options whose values are words keep them in quotes, those of numbers as they are.
  static const std::regex kWord(
      "--(input|output|rows|method|strength|match-to|confusion|mode|trained-with|target) "
      "([a-z0-9:]+(?:-[a-z0-9]+)*)(?= or | and |[,;.) ]|$)");
  static const std::regex kNumber("--([a-z][a-z-]*) (-?[0-9][0-9.e+-]*[0-9]|-?[0-9])");
  static const std::regex kName("--([a-z][a-z-]*)");
  static const std::regex kFlag("--(iterate|allow-unconverged|again)");
  static const std::regex kEstimate("p2p estimate( --iterate)?");
  std::string text = std::regex_replace(std::string(sentence), kEstimate, "estimate_prior$1");
  text = std::regex_replace(text, kFlag, "--$1=True");
  text = std::regex_replace(text, kWord, "--$1=\"$2\"");
  text = std::regex_replace(text, kNumber, "--$1=$2");
  std::string result;
  std::size_t done = 0;
  for (std::sregex_iterator it(text.begin(), text.end(), kName), end; it != end; ++it) {
    result.append(text, done, static_cast<std::size_t>(it->position()) - done);
    for (const char c : it->str(1)) result += c == '-' ? '_' : c;
    done = static_cast<std::size_t>(it->position() + it->length());
  }
  return result + text.substr(done);
}

ScoreKind parse_kind(const std::string& word) {
  return parse<ScoreKind, 4>(word, "input",
                             {{{"auto", ScoreKind::kAuto},
                               {"logits", ScoreKind::kLogits},
                               {"probs", ScoreKind::kProbs},
                               {"log-probs", ScoreKind::kLogProbs}}});
}

OutputKind parse_output(const std::string& word) {
  return parse<OutputKind, 4>(word, "output",
                              {{{"logits", OutputKind::kLogits},
                                {"probs", OutputKind::kProbs},
                                {"log-probs", OutputKind::kLogProbs},
                                {"labels", OutputKind::kLabels}}});
}

BakeMode parse_mode(const std::string& word) {
  return parse<BakeMode, 3>(
      word, "mode",
      {{{"auto", BakeMode::kAuto}, {"fold", BakeMode::kFold}, {"add", BakeMode::kAdd}}});
}

}  // namespace p2p::python
