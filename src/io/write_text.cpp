#include "io/output_stream.hpp"
#include "p2p/open.hpp"

namespace p2p {

void write_text(const std::string& path, const std::string& text) {
  io::OutputStream out(path, /*binary=*/false);
  out.append(text.data(), static_cast<std::int64_t>(text.size()));
  out.commit();
}

}  // namespace p2p
