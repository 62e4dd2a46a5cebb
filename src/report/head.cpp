#include "report/head.hpp"

#include <fmt/format.h>

#include <cmath>

namespace p2p::report {
namespace {

Json numbers(const std::vector<double>& values) {
  Json out = Json::array();
  for (const double value : values) {
    out.push_back(std::isfinite(value) ? Json(value) : Json(nullptr));
  }
  return out;
}

std::string number(double value, const char* format) {
  return std::isfinite(value) ? fmt::format(fmt::runtime(format), value) : "-";
}

}  // namespace

Json head_json(const std::string& output, const std::string& method, const TrainedHead& trained) {
  Json out;
  out["output"] = output;
  out["method"] = method;
  out["n_classes"] = trained.head.classes;
  out["width"] = trained.head.width;
  out["losses"] = numbers(trained.losses);
  out["rows"] = trained.diagnostics.rows;
  out["recall"] = numbers(trained.diagnostics.recall);
  out["logits_magnitude"] = numbers(trained.diagnostics.magnitude);
  out["regularised_std"] = numbers(trained.diagnostics.regularised_std);
  return out;
}

std::string head_text(const TrainedHead& trained, const std::vector<std::string>& names) {
  std::string text;
  if (!trained.losses.empty()) {
    text += fmt::format("loss {:.4f} in the first epoch, {:.4f} in the last\n\n",
                        trained.losses.front(), trained.losses.back());
  }
  text += fmt::format("{:<20} {:>8} {:>8} {:>10} {:>10}\n", "class", "rows", "recall", "magnitude",
                      "std/magn.");
  const HeadDiagnostics& d = trained.diagnostics;
  for (std::size_t c = 0; c < d.rows.size(); ++c) {
    text += fmt::format("{:<20} {:>8} {:>8} {:>10} {:>10}\n",
                        names.empty() ? std::to_string(c) : names[c], d.rows[c],
                        number(d.recall[c], "{:.4f}"), number(d.magnitude[c], "{:.3f}"),
                        number(d.regularised_std[c], "{:.3f}"));
  }
  return text;
}

}  // namespace p2p::report
