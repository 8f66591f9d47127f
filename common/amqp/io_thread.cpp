#include "common/amqp/io_thread.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace cartwright::amqp {

Waker::Waker() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

Waker::~Waker() {
    ::close(descriptor_);
}

void Waker::wake() {
    if (awake_.exchange(true)) return;
    const std::uint64_t one = 1;
    while (::write(descriptor_, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

Waker::Woken Waker::wait(int socket, bool want_writable, std::chrono::steady_clock::duration timeout) {
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
    const short events = want_writable ? POLLIN | POLLOUT : POLLIN;
    std::array<pollfd, 2> polled{{{descriptor_, POLLIN, 0}, {socket, events, 0}}};
    const auto ready =
        ::poll(polled.data(), polled.size(), static_cast<int>(std::clamp<std::int64_t>(ms, 0, 60'000)));
    if (ready <= 0) return {};
    if (polled[0].revents != 0) {
        std::uint64_t count = 0;
        while (::read(descriptor_, &count, sizeof count) < 0 && errno == EINTR) {
        }
        awake_.exchange(false);
    }
    return {(polled[1].revents & (POLLIN | POLLERR | POLLHUP)) != 0, (polled[1].revents & POLLOUT) != 0};
}

}  // namespace cartwright::amqp
