#include <cstdio>
#include <p2p/correction.hpp>
#include <p2p/estimate.hpp>
#include <p2p/matrix_source.hpp>
#include <vector>

int main() {
  // Logits of four training rows over three classes; the model prefers class 0.
  const std::vector<float> logits = {4.0F, 1.0F, 0.0F,   //
                                     3.0F, 0.0F, 1.0F,   //
                                     2.0F, 2.5F, 0.0F,   //
                                     3.0F, 0.5F, 2.0F};  //
  p2p::ScoreSet scores = p2p::matrix_scores(logits, 3);
  p2p::EstimateOptions options;
  options.kind = p2p::ScoreKind::kLogits;
  options.counts = {100, 30, 10};
  const p2p::ClassPrior prior = p2p::estimate_prior(scores, nullptr, options).prior;
  const p2p::LogOffset offset = p2p::make_correction(prior, {}).offset;

  for (std::size_t c = 0; c < offset.delta.size(); ++c) {
    std::printf("class %zu: prior %.3f, add %+.3f\n", c, prior.effective[c], offset.delta[c]);
  }
}
