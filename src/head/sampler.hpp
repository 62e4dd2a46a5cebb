#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace p2p::head {

/// Numbers that are the same on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  /// Uniform in [0, bound), without bias.
  std::int64_t below(std::int64_t bound);
  /// A random order, in place.
  void shuffle(std::vector<std::int64_t>& values);

 private:
  std::mt19937_64 engine_;
};

/// Which rows an epoch meets, one after the other.
class Sampler {
 public:
  virtual ~Sampler() = default;
  /// As many rows as the data set has.
  virtual std::vector<std::int64_t> epoch() = 0;
};

/// Every row once, in a new order each time.
class RowSampler final : public Sampler {
 public:
  RowSampler(std::int64_t rows, Random& random);
  std::vector<std::int64_t> epoch() override;

 private:
  std::vector<std::int64_t> order_;
  Random& random_;
};

/// Every class that has rows equally often: a random class, then its next row; each class goes
/// through its rows in a new order each time it has met all.
class ClassSampler final : public Sampler {
 public:
  ClassSampler(std::span<const std::int32_t> labels, std::int64_t classes, Random& random);
  std::vector<std::int64_t> epoch() override;

 private:
  struct Class {
    std::vector<std::int64_t> rows;
    std::size_t next = 0;
  };
  std::vector<Class> classes_;
  std::size_t count_;
  Random& random_;
};

}  // namespace p2p::head
