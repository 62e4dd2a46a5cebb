#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>  // before jpeglib.h, which needs it
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on
#include <vector>

#include "images/picture.hpp"
#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::images {
namespace {

/// Without a colour profile: the light that C, M or Y lets through, times that of K. Adobe's
/// programs store light, others ink.
void to_rgb(const std::uint8_t* cmyk, std::size_t count, bool light, std::uint8_t* rgb) {
  const unsigned flip = light ? 0 : 255;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      const unsigned product = (cmyk[4 * i + c] ^ flip) * (cmyk[4 * i + 3] ^ flip);
      rgb[3 * i + c] = static_cast<std::uint8_t>((product + 127) / 255);
    }
  }
}

/// libjpeg reports errors by longjmp, which must not pass over destructors: each member function
/// that calls it does nothing else, and returns false after an error.
class JpegReader {
 public:
  explicit JpegReader(Bytes bytes) : bytes_(bytes) {}
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool read_header() {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = leave;
    errors_.emit_message = heed;
    if (setjmp(back_) != 0) return false;
    jpeg_create_decompress(&info_);
    jpeg_mem_src(&info_, bytes_.data(), static_cast<unsigned long>(bytes_.size()));
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  bool start(int side) {
    if (setjmp(back_) != 0) return false;
    info_.out_color_space = is_cmyk() ? JCS_CMYK : JCS_RGB;
    info_.scale_num = 1;
    info_.scale_denom = 8;
    while (info_.scale_denom > 1 && !keeps(side, info_.scale_denom)) info_.scale_denom /= 2;
    jpeg_calc_output_dimensions(&info_);
    return true;
  }

  /// `line`: room for a row of CMYK, where it is that.
  bool read_pixels(std::uint8_t* out, std::uint8_t* line) {
    if (setjmp(back_) != 0) return false;
    jpeg_start_decompress(&info_);
    const std::size_t pitch = std::size_t{3} * info_.output_width;
    while (info_.output_scanline < info_.output_height) {
      std::uint8_t* pixels = out + info_.output_scanline * pitch;
      JSAMPROW row = is_cmyk() ? line : pixels;
      jpeg_read_scanlines(&info_, &row, 1);
      if (is_cmyk()) to_rgb(line, info_.output_width, info_.saw_Adobe_marker != 0, pixels);
    }
    return true;
  }

  [[nodiscard]] bool is_cmyk() const {
    return info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
  }
  [[nodiscard]] const jpeg_decompress_struct& info() const { return info_; }
  [[nodiscard]] std::string message() const { return message_.data(); }

 private:
  [[noreturn]] static void leave(j_common_ptr info) {
    auto* reader = static_cast<JpegReader*>(info->client_data);
    info->err->format_message(info, reader->message_.data());
    std::longjmp(reader->back_, 1);
  }

  /// Warnings are about lost pixels, but for these.
  static void heed(j_common_ptr info, int level) {
    const int code = info->err->msg_code;
    const bool harmless =
        code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR;
    if (level < 0 && !harmless) leave(info);
  }

  [[nodiscard]] bool keeps(int side, unsigned divisor) const {
    const unsigned shorter = std::min(info_.image_width, info_.image_height);
    return side > 0 && shorter / divisor >= 2 * static_cast<unsigned>(side);
  }

  Bytes bytes_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf back_{};
  std::array<char, JMSG_LENGTH_MAX> message_{};
};

[[noreturn]] void throw_damaged(const JpegReader& reader, const std::string& name) {
  throw_bad_data(io::quote(name) + " is a damaged JPEG file: " + io::printable(reader.message()));
}

ImageShape read_header(JpegReader& reader, const std::string& name) {
  if (!reader.read_header()) throw_damaged(reader, name);
  return checked_shape(reader.info().image_height, reader.info().image_width, name);
}

}  // namespace

ImageShape jpeg_shape(Bytes bytes, const std::string& name) {
  JpegReader reader(bytes);
  return read_header(reader, name);
}

Picture decode_jpeg(Bytes bytes, int side, const std::string& name) {
  JpegReader reader(bytes);
  read_header(reader, name);
  if (!reader.start(side)) throw_damaged(reader, name);
  Picture picture;
  picture.shape = checked_shape(reader.info().output_height, reader.info().output_width, name);
  picture.pixels.resize(picture.shape.bytes());
  std::vector<std::uint8_t> line(reader.is_cmyk() ? std::size_t{4} * reader.info().output_width
                                                  : std::size_t{0});
  if (!reader.read_pixels(picture.pixels.data(), line.data())) throw_damaged(reader, name);
  return picture;
}

}  // namespace p2p::images
