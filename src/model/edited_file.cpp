#include "model/edited_file.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "io/output_stream.hpp"

namespace p2p::model {
namespace {

constexpr std::int64_t kPiece = std::int64_t{1} << 20;

void copy(const io::File& file, std::int64_t begin, std::int64_t end, io::OutputStream& out) {
  std::string piece(
      static_cast<std::size_t>(std::min(kPiece, std::max(end - begin, std::int64_t{0}))), '\0');
  while (begin < end) {
    const std::int64_t count = std::min(kPiece, end - begin);
    file.read(begin, piece.data(), count);
    out.append(piece.data(), count);
    begin += count;
  }
}

}  // namespace

void write_edited(const io::File& file, std::vector<Edit> edits, const std::string& out) {
  // What is inserted before a part comes before what takes its place.
  std::ranges::stable_sort(edits, {}, [](const Edit& e) { return std::pair(e.begin, e.end); });
  io::OutputStream stream(out, /*binary=*/true);
  std::int64_t position = 0;
  for (const Edit& edit : edits) {
    assert(edit.begin >= position && edit.end >= edit.begin && edit.end <= file.size());
    copy(file, position, edit.begin, stream);
    stream.append(edit.bytes.data(), static_cast<std::int64_t>(edit.bytes.size()));
    position = edit.end;
  }
  copy(file, position, file.size(), stream);
  stream.commit();
}

}  // namespace p2p::model
