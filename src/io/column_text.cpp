#include "io/column_text.hpp"

#include "io/line_reader.hpp"
#include "io/number_text.hpp"
#include "io/text.hpp"

namespace p2p::io {

void read_column(const Spec& spec,
                 const std::function<void(std::string_view value, std::int64_t line)>& take) {
  const FileKind kind = file_kind(spec.path);
  const bool may_have_header = kind == FileKind::kCsv || kind == FileKind::kTsv;
  LineReader reader(File::open(spec.path));
  std::string_view line;
  while (reader.next(line)) {
    const std::string_view value = trim(line);
    const bool several = value.find_first_of(",;\t ") != std::string_view::npos;
    const bool is_header =
        may_have_header && reader.line() == 1 && !several && !parse_number(value);
    if (!is_header) take(value, reader.line());
  }
}

}  // namespace p2p::io
