#pragma once

#include <cstdint>
#include <string_view>

namespace p2p::learn {

enum class Schedule : std::uint8_t { kStep, kCosine, kOneCycle };

/// Error{kUsage}: another name than step, cosine and onecycle.
Schedule parse_schedule(std::string_view name);

/// Learning rate of step `step` (from 0) of `steps`, of which `epochs` epochs consist:
///   step      linear warm-up over 5 epochs (at most a tenth of them), then `highest`; a hundredth
///             from 80 % of the epochs on, a hundredth of that from 90 % (Cao et al. 2019)
///   cosine    highest * (1 + cos(pi step / steps)) / 2 (Loshchilov and Hutter 2017)
///   onecycle  from highest / 25 along half a cosine to highest at 30 %, then along another to
///             highest / 250,000 (Smith and Topin 2018)
double learning_rate_at(Schedule schedule, double highest, std::int64_t step, std::int64_t steps,
                        int epochs);

/// Momentum of that step: `momentum`; under onecycle it falls from momentum + 0.05 to
/// momentum - 0.05 while the learning rate rises, and back (0.95 and 0.85 as in PyTorch's
/// OneCycleLR where it is 0.9), but stays in [0, 0.99].
double momentum_at(Schedule schedule, double momentum, std::int64_t step, std::int64_t steps);

}  // namespace p2p::learn
