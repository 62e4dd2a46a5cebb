#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace p2p::io {

/// SHA-256 of bytes given piece by piece. Source: FIPS 180-4, by OpenSSL.
class Sha256 {
 public:
  Sha256();
  void update(const void* bytes, std::size_t count);
  /// 64 lower-case hexadecimal digits. Nothing may be added afterwards.
  [[nodiscard]] std::string hex();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

/// Digest of bytes in memory.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace p2p::io
