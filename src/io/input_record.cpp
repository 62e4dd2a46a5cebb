#include "io/input_record.hpp"

#include <algorithm>
#include <array>

#include "io/sha256.hpp"
#include "p2p/open.hpp"

namespace p2p::io {
namespace {

__extension__ typedef __int128 Wide;

std::string whole_hash(const File& file) {
  Sha256 hash;
  std::vector<char> buffer(256 << 10);
  for (std::int64_t at = 0; at < file.size();) {
    const std::int64_t step = std::min(static_cast<std::int64_t>(buffer.size()), file.size() - at);
    file.read(at, buffer.data(), step);
    hash.update(buffer.data(), static_cast<std::size_t>(step));
    at += step;
  }
  return hash.hex();
}

std::string sampled_hash(const File& file) {
  Sha256 hash;
  std::array<unsigned char, 8> size{};
  for (std::size_t i = 0; i < size.size(); ++i) {
    size[i] = static_cast<unsigned char>(file.size() >> (8 * i));
  }
  hash.update(size.data(), size.size());
  std::array<char, kHashPiece> piece{};
  for (std::int64_t i = 0; i < kHashPieces; ++i) {
    const Wide at = Wide{i} * (file.size() - kHashPiece) / (kHashPieces - 1);
    file.read(static_cast<std::int64_t>(at), piece.data(), kHashPiece);
    hash.update(piece.data(), piece.size());
  }
  return hash.hex();
}

}  // namespace

InputRecord make_record(const File& file, const std::string& name,
                        const std::vector<std::int64_t>& shape) {
  const bool sampled = file.size() > kLargestWholeHash;
  return {name, shape, sampled ? sampled_hash(file) : whole_hash(file), sampled};
}

}  // namespace p2p::io

namespace p2p {

std::string file_sha256(const std::string& path) { return io::whole_hash(*io::File::open(path)); }

}  // namespace p2p
