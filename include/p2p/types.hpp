#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace p2p {

/// Element types of score files. kI64 only ever leaves the library (predicted labels).
enum class DType : std::uint8_t { kF16, kBF16, kF32, kF64, kI64 };

/// Bytes of one element.
constexpr std::size_t item_size(DType dtype) {
  switch (dtype) {
    case DType::kF16:
    case DType::kBF16:
      return 2;
    case DType::kF32:
      return 4;
    case DType::kF64:
    case DType::kI64:
      return 8;
  }
  return 0;
}

constexpr std::string_view dtype_name(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return "float16";
    case DType::kBF16:
      return "bfloat16";
    case DType::kF32:
      return "float32";
    case DType::kF64:
      return "float64";
    case DType::kI64:
      return "int64";
  }
  return "";
}

/// What the numbers of a score matrix are. kAuto is only a question, never an answer.
enum class ScoreKind : std::uint8_t { kAuto, kLogits, kProbs, kLogProbs };

constexpr std::string_view kind_name(ScoreKind kind) {
  switch (kind) {
    case ScoreKind::kAuto:
      return "auto";
    case ScoreKind::kLogits:
      return "logits";
    case ScoreKind::kProbs:
      return "probs";
    case ScoreKind::kLogProbs:
      return "log-probs";
  }
  return "";
}

/// Rows whose posteriors are summed in one fixed order; counted from the start of each file. Parts
/// are cut here.
inline constexpr std::int64_t kBlockRows = 4096;

}  // namespace p2p
