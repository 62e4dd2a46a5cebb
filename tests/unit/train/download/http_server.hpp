#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace p2p::test {

/// How the server answers every request.
struct HttpReply {
  std::string body = {};
  std::string status = "200 OK";  ///< 206 by itself when a range is asked for
  bool ranges = true;             ///< false: Range is ignored
  bool length = true;             ///< whether Content-Length is said
  std::string location = {};
  std::size_t break_after = std::string::npos;  ///< bytes of the answer's body, then the end
  bool stall = false;  ///< there, the connection stays open and nothing comes any more
};

/// An HTTP/1.1 server on a free port of this machine, one connection at a time.
class HttpServer {
 public:
  explicit HttpServer(HttpReply reply) : reply_(std::move(reply)) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (socket_ < 0 || ::bind(socket_, any, size) != 0 || ::listen(socket_, 8) != 0 ||
        ::getsockname(socket_, any, &size) != 0) {
      throw std::runtime_error("no socket to listen at");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~HttpServer() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/archive.tar.gz";
  }
  void answer(HttpReply reply) {
    const std::lock_guard lock(mutex_);
    reply_ = std::move(reply);
  }
  /// The Range of each request so far, "" where there was none.
  [[nodiscard]] std::vector<std::string> ranges() {
    const std::lock_guard lock(mutex_);
    return ranges_;
  }

 private:
  void serve() {
    for (int client = 0; (client = ::accept(socket_, nullptr, nullptr)) >= 0; ::close(client)) {
      answer_one(client);
    }
  }

  void answer_one(int client) {
    std::string request;
    char byte = 0;
    while (!request.ends_with("\r\n\r\n") && ::recv(client, &byte, 1, 0) == 1) request += byte;
    const std::string range = header(request, "Range: ");
    HttpReply reply;
    {
      const std::lock_guard lock(mutex_);
      ranges_.push_back(range);
      reply = reply_;
    }
    std::string body = reply.body;
    std::size_t from = 0;
    const std::string unit = "bytes=";
    if (reply.ranges && range.starts_with(unit)) {
      std::from_chars(range.data() + unit.size(), range.data() + range.size(), from);
      reply.status = from < body.size() ? "206 Partial Content" : "416 Range Not Satisfiable";
      body = from < body.size() ? body.substr(from) : "";
    }
    std::string head = "HTTP/1.1 " + reply.status + "\r\nConnection: close\r\n";
    if (reply.length) head += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    if (!reply.location.empty()) head += "Location: " + reply.location + "\r\n";
    if (reply.status.starts_with("206")) {
      head += "Content-Range: bytes " + std::to_string(from) + "-" +
              std::to_string(reply.body.size() - 1) + "/" + std::to_string(reply.body.size()) +
              "\r\n";
    }
    send_all(client, head + "\r\n" + body.substr(0, std::min(reply.break_after, body.size())));
    if (reply.stall) ::recv(client, &byte, 1, 0);  // until the other end gives up
  }

  static std::string header(const std::string& request, const std::string& name) {
    const std::size_t at = request.find("\r\n" + name);
    if (at == std::string::npos) return "";
    const std::size_t begin = at + 2 + name.size();
    return request.substr(begin, request.find("\r\n", begin) - begin);
  }

  static void send_all(int client, const std::string& bytes) {
    for (std::size_t sent = 0; sent < bytes.size();) {
      const ssize_t done = ::send(client, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (done <= 0) return;
      sent += static_cast<std::size_t>(done);
    }
  }

  int socket_ = -1;
  int port_ = 0;
  std::mutex mutex_;
  HttpReply reply_;
  std::vector<std::string> ranges_;
  std::thread thread_;
};

}  // namespace p2p::test
