#include <png.h>

#include <csetjmp>
#include <cstring>

#include "images/picture.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::images {
namespace {

/// libpng reports errors by longjmp, which must not pass over destructors: each member function
/// that calls it does nothing else, and returns false after an error.
class PngReader {
 public:
  explicit PngReader(Bytes bytes) : bytes_(bytes) {}
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  bool read_header() {
    if (setjmp(back_) != 0) return false;
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, leave, pass_over);
    if (png_ == nullptr) return false;
    info_ = png_create_info_struct(png_);
    if (info_ == nullptr) return false;
    png_set_read_fn(png_, this, give);
    png_read_info(png_, info_);
    return true;
  }

  /// Expects a picture of `height` rows of three bytes a pixel, `pitch` in all.
  bool read_pixels(std::uint8_t* out, png_uint_32 height, std::size_t pitch) {
    if (setjmp(back_) != 0) return false;
    png_set_expand(png_);
    png_set_scale_16(png_);
    png_set_gray_to_rgb(png_);
    png_set_strip_alpha(png_);
    const int passes = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != pitch) png_error(png_, "unknown kind of pixels");
    for (int pass = 0; pass < passes; ++pass) {
      for (png_uint_32 y = 0; y < height; ++y) png_read_row(png_, out + y * pitch, nullptr);
    }
    png_read_end(png_, nullptr);
    return true;
  }

  [[nodiscard]] ImageShape shape(const std::string& name) const {
    return checked_shape(png_get_image_height(png_, info_), png_get_image_width(png_, info_), name);
  }
  [[nodiscard]] std::string message() const { return message_; }

 private:
  [[noreturn]] static void leave(png_structp png, png_const_charp message) {
    auto* reader = static_cast<PngReader*>(png_get_error_ptr(png));
    std::strncpy(reader->message_, message, sizeof reader->message_ - 1);
    std::longjmp(reader->back_, 1);
  }
  static void pass_over(png_structp /*png*/, png_const_charp /*message*/) {}

  static void give(png_structp png, png_bytep out, std::size_t count) {
    auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > reader->bytes_.size() - reader->at_) png_error(png, "the file is not complete");
    std::memcpy(out, reader->bytes_.data() + reader->at_, count);
    reader->at_ += count;
  }

  Bytes bytes_;
  std::size_t at_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf back_{};
  char message_[200] = "out of memory";
};

[[noreturn]] void throw_damaged(const PngReader& reader, const std::string& name) {
  throw_bad_data(io::quote(name) + " is a damaged PNG file: " + io::printable(reader.message()));
}

ImageShape read_header(PngReader& reader, const std::string& name) {
  if (!reader.read_header()) throw_damaged(reader, name);
  return reader.shape(name);
}

}  // namespace

ImageShape png_shape(Bytes bytes, const std::string& name) {
  PngReader reader(bytes);
  return read_header(reader, name);
}

Picture decode_png(Bytes bytes, const std::string& name) {
  PngReader reader(bytes);
  Picture picture;
  picture.shape = read_header(reader, name);
  picture.pixels.resize(picture.shape.bytes());
  const auto height = static_cast<png_uint_32>(picture.shape.height);
  const std::size_t pitch = std::size_t{3} * static_cast<std::size_t>(picture.shape.width);
  if (!reader.read_pixels(picture.pixels.data(), height, pitch)) throw_damaged(reader, name);
  return picture;
}

}  // namespace p2p::images
