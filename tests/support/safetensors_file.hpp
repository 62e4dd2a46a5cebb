#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/input_file.hpp"

/// .safetensors files built and read without the library's help.
namespace p2p::test {

struct StoredTensor {
  std::string name;
  std::string type;
  std::vector<std::int64_t> shape;
  std::string bytes;
};

inline StoredTensor f32(const std::string& name, const std::vector<std::int64_t>& shape,
                        const std::vector<float>& values) {
  return {name, "F32", shape, bytes_of(values)};
}

/// Zeros.
inline StoredTensor zeros(const std::string& name, const std::vector<std::int64_t>& shape) {
  std::size_t count = 1;
  for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
  return f32(name, shape, std::vector<float>(count));
}

/// The members of the header's object, in the order of the tensors.
inline std::string members_of(const std::vector<StoredTensor>& tensors) {
  std::string text;
  std::size_t begin = 0;
  for (const StoredTensor& tensor : tensors) {
    const std::size_t end = begin + tensor.bytes.size();
    nlohmann::ordered_json entry;
    entry["dtype"] = tensor.type;
    entry["shape"] = tensor.shape;
    entry["data_offsets"] = {begin, end};
    text += (text.empty() ? "" : ",") + nlohmann::json(tensor.name).dump() + ":" + entry.dump();
    begin = end;
  }
  return text;
}

inline std::string data_of(const std::vector<StoredTensor>& tensors) {
  std::string data;
  for (const StoredTensor& tensor : tensors) data += tensor.bytes;
  return data;
}

/// `metadata`: the JSON of __metadata__; empty: without.
inline std::string weight_file(const std::vector<StoredTensor>& tensors,
                               const std::string& metadata = "") {
  std::string header = "{" + (metadata.empty() ? "" : "\"__metadata__\":" + metadata + ",") +
                       members_of(tensors) + "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return safetensors(header, data_of(tensors));
}

/// A file taken apart.
struct WeightFile {
  std::string header;
  nlohmann::ordered_json json;
  std::string data;

  explicit WeightFile(const std::string& bytes)
      : header(bytes.substr(8, little_endian(bytes, 0, 8))),
        json(nlohmann::ordered_json::parse(header)),
        data(bytes.substr(8 + header.size())) {}

  [[nodiscard]] std::string bytes(const std::string& name) const {
    const auto& offsets = json.at(name).at("data_offsets");
    const auto begin = offsets.at(0).get<std::size_t>();
    return data.substr(begin, offsets.at(1).get<std::size_t>() - begin);
  }
  template <class T>
  [[nodiscard]] std::vector<T> values(const std::string& name) const {
    const std::string raw = bytes(name);
    std::vector<T> out(raw.size() / sizeof(T));
    std::memcpy(out.data(), raw.data(), raw.size());
    return out;
  }
  /// All tensors in the order of their bytes.
  [[nodiscard]] std::vector<StoredTensor> tensors() const {
    std::vector<StoredTensor> all;
    for (const auto& [name, entry] : json.items()) {
      if (name == "__metadata__") continue;
      all.push_back({name, entry.at("dtype"), entry.at("shape"), bytes(name)});
    }
    std::ranges::sort(all, {}, [&](const StoredTensor& tensor) {
      return json.at(tensor.name).at("data_offsets").at(0).get<std::int64_t>();
    });
    return all;
  }
};

}  // namespace p2p::test
