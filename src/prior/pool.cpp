#include "prior/pool.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "p2p/error.hpp"

namespace p2p {
namespace {

constexpr double kLeastLogVariance = -16;
constexpr double kLogVarianceStep = 0.1;
constexpr int kVariances = 201;

// A measured class: the abscissa, log q and its squared error.
struct Point {
  double x, y, square;
};

struct Line {
  double intercept = 0;
  double slope = 0;
  double variance = 0;
  double cost = 0;  ///< -2 log of the restricted likelihood, up to a constant
};

Line fit(const std::vector<Point>& points, double variance) {
  double weight = 0;
  double x = 0;
  double y = 0;
  for (const Point& p : points) {
    const double w = 1 / (variance + p.square);
    weight += w;
    x += w * p.x;
    y += w * p.y;
  }
  x /= weight;
  y /= weight;
  double xx = 0;
  double xy = 0;
  for (const Point& p : points) {
    const double w = 1 / (variance + p.square);
    xx += w * (p.x - x) * (p.x - x);
    xy += w * (p.x - x) * (p.y - y);
  }
  Line line{.intercept = y - xy / xx * x,
            .slope = xy / xx,
            .variance = variance,
            .cost = std::log(weight) + std::log(xx)};
  for (const Point& p : points) {
    const double off = p.y - line.intercept - line.slope * p.x;
    line.cost += std::log(variance + p.square) + off * off / (variance + p.square);
  }
  return line;
}

}  // namespace

std::vector<double> pooled(const std::vector<double>& q, const std::vector<double>& error,
                           const std::vector<double>& frequencies) {
  std::vector<Point> points;
  for (std::size_t c = 0; c < q.size(); ++c) {
    if (!(q[c] > 0) || std::isnan(error[c])) continue;
    points.push_back({std::log(frequencies[c]), std::log(q[c]), error[c] * error[c]});
  }
  const auto [low, high] = std::ranges::minmax_element(points, {}, &Point::x);
  if (std::ssize(points) < kLeastPooled || low->x == high->x) {
    throw_usage("--pool learns a line from log q and the class frequencies: it needs " +
                std::to_string(kLeastPooled) +
                " measured classes or more, not all of one frequency; leave it out");
  }
  Line line{.cost = std::numeric_limits<double>::infinity()};
  for (int k = 0; k < kVariances; ++k) {
    const Line next = fit(points, std::exp(kLeastLogVariance + k * kLogVarianceStep));
    if (next.cost < line.cost) line = next;
  }
  std::vector<double> result(q.size());
  for (std::size_t c = 0; c < q.size(); ++c) {
    double log_q = line.intercept + line.slope * std::log(frequencies[c]);
    if (q[c] > 0 && !std::isnan(error[c])) {
      const double own = line.variance / (line.variance + error[c] * error[c]);
      log_q += own * (std::log(q[c]) - log_q);
    }
    result[c] = std::exp(log_q);
  }
  return result;
}

}  // namespace p2p
