#include "report/track.hpp"

#include <cmath>

namespace p2p::report {
namespace {

Json reason(TrackReset reset) {
  switch (reset) {
    case TrackReset::kNone:
      return nullptr;
    case TrackReset::kSchedule:
      return "schedule";
    case TrackReset::kDrift:
      return "drift";
  }
  return nullptr;
}

}  // namespace

Json track_json(const TrackStep& step) {
  Json out;
  out["batch"] = step.batch;
  out["rows"] = step.rows;
  out["total_rows"] = step.total_rows;
  out["reset"] = reason(step.reset);
  out["gain"] = step.gain;
  out["drift"] = step.drift;
  Json target = Json::array();
  for (const double t : step.target) target.push_back(std::isnan(t) ? Json(nullptr) : Json(t));
  out["target"] = target;
  out.update(offset_json(step.offset));
  return out;
}

}  // namespace p2p::report
