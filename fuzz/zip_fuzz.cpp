#include <vector>

#include "io/inflate_stream.hpp"
#include "io/zip_directory.hpp"
#include "memory_file.hpp"
#include "p2p/error.hpp"

namespace {

/// Unpacks at most a mebibyte of a member.
void unpack(const std::shared_ptr<const p2p::io::File>& file, const p2p::io::ZipMember& member) {
  const std::int64_t offset = p2p::io::member_data_offset(*file, member);
  p2p::fuzz::require(offset >= 0 && member.compressed_size <= file->size() - offset);
  if (member.method != p2p::io::kDeflated) return;
  p2p::io::InflateStream stream(file, member);
  std::vector<char> buffer(64 << 10);
  for (int i = 0; i < 16; ++i) {
    if (stream.read(buffer.data(), buffer.size()) < buffer.size()) return;
  }
}

}  // namespace

/// Any bytes are an archive whose members lie in it, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const p2p::fuzz::MemoryFile memory(bytes, size);
  const auto file = memory.open();
  std::vector<p2p::io::ZipMember> members;
  try {
    members = p2p::io::read_zip_directory(*file);
  } catch (const p2p::Error&) {
  }
  if (members.size() > 16) members.resize(16);
  for (const auto& member : members) {
    try {
      unpack(file, member);
    } catch (const p2p::Error&) {
    }
  }
  return 0;
}
