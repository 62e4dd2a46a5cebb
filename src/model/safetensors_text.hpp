#pragma once

#include <cstdint>
#include <span>
#include <string>

/// Edits of the JSON of a .safetensors header, which io::read_safetensors_header has accepted. All
/// characters that an edit does not speak of stay, so what was inserted comes out without a trace.
namespace p2p::model {

/// `name` in front of all other members; bytes [begin, end) of the data are its own.
std::string with_tensor(std::string text, const std::string& name, const std::string& stored_type,
                        std::span<const std::int64_t> shape, std::int64_t begin, std::int64_t end);
std::string without_tensor(std::string text, const std::string& name);

/// Tensors that begin at `first` in the data or later begin `by` bytes later.
std::string with_shifted_tensors(const std::string& text, std::int64_t first, std::int64_t by);

bool has_metadata(const std::string& text);
/// `key` in `__metadata__`, which is made when there is none.
std::string with_metadata(std::string text, const std::string& key, const std::string& value);
/// `drop_empty`: without `__metadata__` when nothing else is in it.
std::string without_metadata(std::string text, const std::string& key, bool drop_empty);

/// With as many spaces at the end as `length` asks for, or, when the text itself is longer, as the
/// data need to begin at a multiple of 8 in the file.
std::string padded(std::string text, std::int64_t length = 0);

}  // namespace p2p::model
