#include "download/transfer.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <array>
#include <exception>
#include <memory>
#include <new>
#include <string_view>

#include "io/text.hpp"
#include "p2p/error.hpp"

namespace p2p::download {
namespace {

constexpr long kConnectSeconds = 30;
constexpr long kMostRedirections = 10;
constexpr long kBufferBytes = 256 * 1024;
constexpr long kHttpOk = 200;
constexpr long kHttpRangeNotSatisfiable = 416;

struct CloseCurl {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
using Curl = std::unique_ptr<CURL, CloseCurl>;

Curl open_curl() {
  static const CURLcode kReady = curl_global_init(CURL_GLOBAL_DEFAULT);
  Curl curl(kReady == CURLE_OK ? curl_easy_init() : nullptr);
  if (!curl) throw std::bad_alloc();
  return curl;
}

void check_scheme(const std::string& url) {
  for (const std::string_view scheme : {"http://", "https://", "file://"}) {
    if (url.starts_with(scheme)) return;
  }
  throw_usage(fmt::format(
      "{} is no URL to download from; expected http://, https:// or file:///path", io::quote(url)));
}

/// What the callback of curl, which must not throw, works on.
struct Receiver {
  CURL* curl;
  const std::string& url;
  std::int64_t bytes;
  PartFile& part;
  const Progress& progress;
  bool started = false;
  std::exception_ptr error = nullptr;

  [[noreturn]] void fail_size(const std::string& found) const {
    throw_bad_data(fmt::format(
        "{} has {} bytes, expected {}: it is not the official archive; check the network, or name "
        "a mirror with --from",
        io::quote(url), found, bytes));
  }

  /// A server that has no ranges sends everything.
  void start() {
    started = true;
    long status = 0;
    curl_off_t length = -1;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (status != kHttpOk) return;
    if (length >= 0 && length != bytes) fail_size(fmt::format("{}", length));
    part.clear();
  }

  void take(const char* data, std::size_t count) {
    if (!started) start();
    if (static_cast<std::int64_t>(count) > bytes - part.size()) {
      part.clear();
      fail_size(fmt::format("more than {}", bytes));
    }
    part.append(data, count);
    if (progress) progress(part.size(), bytes);
  }
};

std::size_t receive(char* data, std::size_t size, std::size_t count, void* receiver) {
  auto& self = *static_cast<Receiver*>(receiver);
  try {
    self.take(data, size * count);
    return size * count;
  } catch (...) {
    self.error = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
}

std::string kept_text(const PartFile& part, std::int64_t bytes) {
  if (part.size() == 0) return "check the network and run again";
  return fmt::format("{} of {} bytes are in {}, run again to go on from there", part.size(), bytes,
                     io::quote(part.path()));
}

}  // namespace

void transfer(const std::string& url, std::int64_t bytes, const std::string& remedy, PartFile& part,
              const Progress& progress, int stall_seconds) {
  check_scheme(url);
  if (part.size() > bytes) part.clear();
  if (part.size() == bytes) return;
  const Curl curl = open_curl();
  Receiver receiver{curl.get(), url, bytes, part, progress};
  std::array<char, CURL_ERROR_SIZE> words{};
  const std::string range = fmt::format("{}-", part.size());
  const bool resumed = part.size() > 0;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https,file");
  curl_easy_setopt(curl.get(), CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_MAXREDIRS, kMostRedirections);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_LOW_SPEED_TIME, static_cast<long>(stall_seconds));
  curl_easy_setopt(curl.get(), CURLOPT_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(curl.get(), CURLOPT_USERAGENT, "prior2posterior");
  curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, words.data());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &receive);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &receiver);
  if (resumed) curl_easy_setopt(curl.get(), CURLOPT_RANGE, range.c_str());
  const CURLcode result = curl_easy_perform(curl.get());
  if (receiver.error) std::rethrow_exception(receiver.error);
  if (result == CURLE_OK) {
    if (part.size() == bytes) return;
    const std::int64_t found = part.size();
    part.clear();
    receiver.fail_size(fmt::format("{}", found));
  }
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  if (result == CURLE_HTTP_RETURNED_ERROR && status == kHttpRangeNotSatisfiable && resumed) {
    part.clear();
    return transfer(url, bytes, remedy, part, progress, stall_seconds);
  }
  throw_bad_data(
      fmt::format("cannot download {}: {}; {}, or {}", io::quote(url),
                  io::printable(words[0] != '\0' ? words.data() : curl_easy_strerror(result)),
                  kept_text(part, bytes), remedy));
}

}  // namespace p2p::download
