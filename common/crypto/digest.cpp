#include "common/crypto/digest.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstddef>
#include <memory>

#include "common/outcome/trouble.hpp"

namespace cartwright::crypto {

namespace {

struct FreeDigest {
    void operator()(EVP_MD* digest) const { EVP_MD_free(digest); }
};
struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// Looking an algorithm up costs more than hashing a short text does.
struct Hasher {
    std::unique_ptr<EVP_MD, FreeDigest> digest{EVP_MD_fetch(nullptr, "SHA256", nullptr)};
    std::unique_ptr<EVP_MD_CTX, FreeContext> context{EVP_MD_CTX_new()};
};

// A system call for each id would cost more than everything else about it.
class RandomBytes {
  public:
    std::span<const std::uint8_t, 16> next() {
        if (used_ + 16 > bytes_.size()) {
            CARTWRIGHT_ASSERT(RAND_bytes(bytes_.data(), static_cast<int>(bytes_.size())) == 1);
            used_ = 0;
        }
        const std::size_t at = used_;
        used_ += 16;
        return std::span(bytes_).subspan(at).first<16>();
    }

  private:
    std::array<std::uint8_t, 4096> bytes_{};
    std::size_t used_ = bytes_.size();
};

void append_hex(std::string& text, std::uint8_t byte) {
    constexpr std::string_view digits = "0123456789abcdef";
    text += digits[byte >> 4U];
    text += digits[byte & 0x0fU];
}

}  // namespace

Sha256 sha256(std::string_view bytes) {
    thread_local const Hasher hasher;
    CARTWRIGHT_ASSERT(hasher.digest != nullptr && hasher.context != nullptr);
    Sha256 result{};
    unsigned int size = 0;
    EVP_MD_CTX* context = hasher.context.get();
    CARTWRIGHT_ASSERT(EVP_DigestInit_ex2(context, hasher.digest.get(), nullptr) == 1);
    CARTWRIGHT_ASSERT(EVP_DigestUpdate(context, bytes.data(), bytes.size()) == 1);
    CARTWRIGHT_ASSERT(EVP_DigestFinal_ex(context, result.data(), &size) == 1 && size == result.size());
    return result;
}

std::string hex(std::span<const std::uint8_t> bytes) {
    std::string text;
    text.reserve(2 * bytes.size());
    for (const std::uint8_t byte : bytes) append_hex(text, byte);
    return text;
}

std::string random_id() {
    thread_local RandomBytes random;
    const std::span<const std::uint8_t, 16> bytes = random.next();
    std::string text;
    text.reserve(36);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        std::uint8_t byte = bytes[i];
        if (i == 6) byte = static_cast<std::uint8_t>((byte & 0x0fU) | 0x40U);  // version 4
        if (i == 8) byte = static_cast<std::uint8_t>((byte & 0x3fU) | 0x80U);  // the variant of RFC 4122
        append_hex(text, byte);
    }
    return text;
}

}  // namespace cartwright::crypto
