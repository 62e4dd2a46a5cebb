#include <chrono>

#include "correction/not_found.hpp"
#include "p2p/compare.hpp"

namespace p2p {
namespace {

FoundCorrection find(const Contender& contender, const Evidence& evidence) {
  FoundCorrection found;
  found.name = contender.name;
  CorrectionOptions options = contender.options;
  if (info(options.method).estimates_target) {
    options.target.clear();
    options.estimated_target.reset();
  }
  found.problem = missing_inputs(*contender.prior, options, evidence);
  if (!found.problem.empty()) return found;
  const auto start = std::chrono::steady_clock::now();
  try {
    found.correction = make_correction(*contender.prior, options, evidence);
  } catch (const correction::NotFound& error) {
    found.problem = error.what();
  }
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  found.seconds = contender.prior_seconds + spent.count();
  return found;
}

}  // namespace

std::vector<FoundCorrection> find_corrections(std::span<const Contender> contenders,
                                              const Evidence& evidence) {
  std::vector<FoundCorrection> found;
  for (const Contender& contender : contenders) found.push_back(find(contender, evidence));
  return found;
}

}  // namespace p2p
