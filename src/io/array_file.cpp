#include "io/array_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <filesystem>
#include <span>
#include <vector>

#include "io/inflate_stream.hpp"
#include "io/layout.hpp"
#include "io/npy_header.hpp"
#include "io/safetensors_header.hpp"
#include "io/temporary_file.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::io {
namespace {

constexpr std::string_view kNpyEnding = ".npy";
constexpr std::size_t kCopyStep = 1 << 20;

std::string base_name(const std::string& path) {
  return printable(std::filesystem::path(path).filename().native());
}

std::string_view wanted_text(ArrayUse use) {
  switch (use) {
    case ArrayUse::kScores:
      return "floats with 2 to 4 axes";
    case ArrayUse::kOneColumn:
      return "floats with 1 to 4 axes";
    case ArrayUse::kLabels:
      return "integers with at least one axis";
    case ArrayUse::kVector:
      return "numbers with one axis";
  }
  return "";
}

bool are_scores(ArrayUse use) { return use == ArrayUse::kScores || use == ArrayUse::kOneColumn; }

bool element_fits(Element element, ArrayUse use) {
  if (are_scores(use)) return is_float(element);
  if (use == ArrayUse::kLabels) return is_integer(element);
  return is_float(element) || is_integer(element);
}

bool rank_fits(std::size_t rank, ArrayUse use) {
  if (use == ArrayUse::kScores) return rank >= 2 && rank <= 4;
  if (use == ArrayUse::kOneColumn) return rank >= 1 && rank <= 4;
  if (use == ArrayUse::kLabels) return rank >= 1;
  return rank == 1;
}

bool fits(const ArrayInfo& info, ArrayUse use) {
  return element_fits(info.element, use) && rank_fits(info.shape.size(), use);
}

std::string element_advice(const ArrayInfo& info, ArrayUse use) {
  const std::string& type = info.stored_type;
  if (type.ends_with('O')) {
    return " (pickled Python objects), which is never read; save numbers instead: "
           "numpy.save(path, array.astype(" +
           std::string(are_scores(use) ? "'float32'" : "'int64'") + "))";
  }
  if (are_scores(use)) {
    std::string what = "; scores are floats of 16, 32 or 64 bits";
    if (is_integer(info.element)) what += ", and these are integers (labels?)";
    if (type.ends_with("V2")) what += ", and bfloat16 needs a .safetensors file";
    return what + ": save them with .astype('float32')";
  }
  if (use == ArrayUse::kLabels) {
    const bool rows = info.shape.size() > 1;
    return std::string("; labels are integers from 0: save them with .astype('int64')") +
           (rows ? ", or one-hot rows as numpy.argmax(labels, axis=1)" : "");
  }
  return "; expected integers or floats of 16, 32 or 64 bits: save them with .astype('float64')";
}

void require_fit(const ArrayInfo& info, ArrayUse use, const std::string& name) {
  if (!element_fits(info.element, use)) {
    throw_bad_data(fmt::format("{} holds dtype '{}'{}", quote(name), info.stored_type,
                               element_advice(info, use)));
  }
  if (!rank_fits(info.shape.size(), use)) {
    const bool one_column = use == ArrayUse::kScores && info.shape.size() == 1;
    throw_bad_data(fmt::format("{} has shape {}; expected {}{}", quote(name),
                               shape_text(info.shape), wanted_text(use),
                               one_column ? kOneColumnRemedy : ""));
  }
}

/// An array of an archive before it is chosen.
struct Candidate {
  std::string name;
  ArrayInfo info;
};

std::vector<std::string> described(std::span<const Candidate> candidates) {
  std::vector<std::string> texts;
  for (const Candidate& candidate : candidates) {
    texts.push_back(fmt::format("{} {} {}", printable(candidate.name), candidate.info.stored_type,
                                shape_text(candidate.info.shape)));
  }
  return texts;
}

/// Position of the only candidate that fits. Error listing the names otherwise.
std::size_t choose(std::span<const Candidate> candidates, ArrayUse use, const Spec& spec) {
  std::vector<std::size_t> fitting;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (fits(candidates[i].info, use)) fitting.push_back(i);
  }
  if (fitting.size() == 1) return fitting.front();
  if (fitting.empty()) {
    throw_bad_data(fmt::format("{} holds no array of {}; it holds: {}", quote(spec.text),
                               wanted_text(use),
                               candidates.empty() ? "none" : list_text(described(candidates))));
  }
  std::vector<Candidate> several;
  for (const std::size_t i : fitting) several.push_back(candidates[i]);
  throw_bad_data(fmt::format("{} holds {} arrays of {}; say which as {}:NAME, one of: {}",
                             quote(spec.text), several.size(), wanted_text(use),
                             printable(spec.path), list_text(described(several))));
}

[[noreturn]] void throw_no_member(const Spec& spec, std::vector<std::string> names) {
  for (std::string& name : names) name = printable(name);
  throw_bad_data(fmt::format("{} holds no array named {}; it holds: {}", quote(spec.path),
                             quote(*spec.member), names.empty() ? "none" : list_text(names)));
}

void require_size(std::int64_t expected, std::int64_t found, const ArrayInfo& info,
                  const std::string& name) {
  if (info.element == Element::kOther || expected == found) return;
  throw_bad_data(fmt::format("{} holds {} bytes of data, but {} of shape {} needs {}; {}",
                             quote(name), found, info.stored_type, shape_text(info.shape), expected,
                             found < expected ? "the file is not complete, copy or save it again"
                                              : "expected nothing after one array, save it again"));
}

StoredArray open_npy(const Spec& spec, ArrayUse use) {
  StoredArray array;
  array.file = File::open(spec.path);
  array.name = spec.text;
  array.record_name = base_name(spec.path);
  FileStream stream(array.file, 0, array.file->size());
  const NpyHeader header = read_npy_header(stream, spec.text);
  array.info = header.info;
  array.offset = header.data_offset;
  require_fit(array.info, use, array.name);
  require_size(array.bytes(), array.file->size() - array.offset, array.info, array.name);
  return array;
}

std::unique_ptr<ByteStream> member_stream(const std::shared_ptr<const File>& file,
                                          const ZipMember& member) {
  const std::int64_t begin = member_data_offset(*file, member);
  if (member.method == kDeflated) return std::make_unique<InflateStream>(file, member);
  return std::make_unique<FileStream>(file, begin, begin + member.size);
}

std::string array_name(const ZipMember& member) {
  return member.name.substr(0, member.name.size() - kNpyEnding.size());
}

StoredArray open_member(const std::shared_ptr<const File>& file, const ZipMember& member,
                        const Spec& spec) {
  StoredArray array;
  array.file = file;
  array.name = spec.member ? spec.text : spec.text + ":" + array_name(member);
  array.record_name = base_name(spec.path) + ":" + printable(array_name(member));
  const NpyHeader header = read_npy_header(*member_stream(file, member), array.name);
  array.info = header.info;
  array.offset = header.data_offset;
  require_size(array.bytes(), member.size - header.data_offset, array.info, array.name);
  if (member.method == kDeflated) {
    array.deflated = member;
  } else {
    array.offset += member_data_offset(*file, member);
  }
  return array;
}

StoredArray open_npz(const Spec& spec, ArrayUse use) {
  const auto file = File::open(spec.path);
  std::vector<ZipMember> members = read_zip_directory(*file);
  std::erase_if(members, [](const ZipMember& m) { return !m.name.ends_with(kNpyEnding); });
  if (spec.member) {
    std::vector<std::string> names;
    for (const ZipMember& member : members) {
      names.push_back(array_name(member));
      if (member.name != *spec.member && names.back() != *spec.member) continue;
      StoredArray array = open_member(file, member, spec);
      require_fit(array.info, use, array.name);
      return array;
    }
    throw_no_member(spec, std::move(names));
  }
  std::vector<Candidate> candidates;
  for (const ZipMember& member : members) {
    const std::string name = spec.text + ":" + array_name(member);
    candidates.push_back(
        {array_name(member), read_npy_header(*member_stream(file, member), name).info});
  }
  return open_member(file, members[choose(candidates, use, spec)], spec);
}

StoredArray open_safetensors(const Spec& spec, ArrayUse use) {
  StoredArray array;
  array.file = File::open(spec.path);
  const std::vector<Tensor> tensors = read_safetensors_header(*array.file).tensors;
  const Tensor* chosen = nullptr;
  if (spec.member) {
    const auto found = std::ranges::find(tensors, *spec.member, &Tensor::name);
    if (found == tensors.end()) {
      std::vector<std::string> names;
      for (const Tensor& tensor : tensors) names.push_back(tensor.name);
      throw_no_member(spec, std::move(names));
    }
    chosen = &*found;
  } else {
    std::vector<Candidate> candidates;
    for (const Tensor& tensor : tensors) candidates.push_back({tensor.name, tensor.info});
    chosen = &tensors[choose(candidates, use, spec)];
  }
  array.name = spec.member ? spec.text : spec.text + ":" + chosen->name;
  array.record_name = base_name(spec.path) + ":" + printable(chosen->name);
  array.info = chosen->info;
  array.offset = chosen->offset;
  require_fit(array.info, use, array.name);
  return array;
}

}  // namespace

std::unique_ptr<ByteStream> StoredArray::stream() const {
  if (!deflated) return std::make_unique<FileStream>(file, offset, offset + bytes());
  auto inflated = std::make_unique<InflateStream>(file, *deflated);
  std::vector<char> header(static_cast<std::size_t>(offset));
  inflated->read(header.data(), header.size());
  return inflated;
}

StoredArray::Place StoredArray::place() const {
  if (!deflated) return {file, offset};
  TemporaryFile unpacked(bytes(), name);
  const auto elements = stream();
  std::vector<char> buffer(kCopyStep);
  while (const std::size_t got = elements->read(buffer.data(), buffer.size())) {
    unpacked.append(buffer.data(), static_cast<std::int64_t>(got));
  }
  return {unpacked.finish(), 0};
}

StoredArray open_array(const Spec& spec, ArrayUse use) {
  switch (file_kind(spec.path)) {
    case FileKind::kNpy:
      return open_npy(spec, use);
    case FileKind::kNpz:
      return open_npz(spec, use);
    case FileKind::kSafetensors:
      return open_safetensors(spec, use);
    default:
      assert(false);
      return {};
  }
}

}  // namespace p2p::io
