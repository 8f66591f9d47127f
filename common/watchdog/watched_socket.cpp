#include "common/watchdog/watched_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cartwright::watchdog {

void WatchedSocket::watch(int socket) {
    forget();
    const std::lock_guard lock(mutex_);
    socket_ = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
}

void WatchedSocket::forget() {
    const std::lock_guard lock(mutex_);
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
}

bool WatchedSocket::shut_down() {
    const std::lock_guard lock(mutex_);
    if (socket_ < 0) return false;
    ::shutdown(socket_, SHUT_RDWR);  // or it has ended by itself
    return true;
}

}  // namespace cartwright::watchdog
