#pragma once

#include "p2p/track.hpp"
#include "report/json.hpp"

namespace p2p::report {

/// One line of p2p track.
Json track_json(const TrackStep& step);

}  // namespace p2p::report
