#include "common/config/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace cartwright::config {

namespace {

class Descriptor {
  public:
    explicit Descriptor(const std::string& path) : number_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
    ~Descriptor() {
        if (number_ >= 0) close(number_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int number() const { return number_; }

  private:
    int number_;
};

Unreadable last_error() {
    return {std::generic_category().message(errno)};
}

}  // namespace

std::variant<std::string, Unreadable> read_file(const std::string& path, std::size_t bytes_max) {
    const Descriptor file(path);
    if (file.number() < 0) return last_error();
    std::string content;
    char buffer[16384];
    while (true) {
        const ssize_t length = read(file.number(), buffer, sizeof buffer);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return last_error();
        if (length == 0) return content;
        content.append(buffer, static_cast<std::size_t>(length));
        if (content.size() > bytes_max) return Unreadable{fmt::format("longer than {} bytes", bytes_max)};
    }
}

}  // namespace cartwright::config
