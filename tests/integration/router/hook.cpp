#include "tests/integration/router/hook.hpp"

#include <chrono>
#include <cstdlib>
#include <utility>

#include "common/crypto/webhook.hpp"

namespace cartwright::tests {
namespace {

/// How much longer things may take, as scripts/test says for sanitizers.
int slowness() {
    const auto* told = std::getenv("CARTWRIGHT_SLOWNESS");
    return told == nullptr || *told == '\0' ? 1 : static_cast<int>(std::strtod(told, nullptr));
}

std::int64_t number_of(const std::string& id) {
    return std::stoll(id.substr(id.rfind('/') + 1));
}

}  // namespace

Hook::Hook() : key_(24, 'k') {
    answer_ = [](const Received&) { return http::Response{.status = 204}; };
    serve();
}

Hook::~Hook() {
    die();
}

void Hook::serve() {
    loop_ = std::make_unique<runtime::Loop>();
    server_ = std::make_unique<http::Server>(loop_->native(), "127.0.0.1", port_,
                                             [this](const http::Request& request) { return on(request); });
    port_ = server_->port();
    thread_ = std::thread([this] { loop_->run(); });
}

void Hook::die() {
    if (!thread_.joinable()) return;
    loop_->stop();
    thread_.join();
    server_.reset();
    loop_.reset();
}

void Hook::return_to_life() {
    serve();
}

void Hook::answers(std::function<http::Response(const Received&)> answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
}

http::Response Hook::on(const http::Request& request) {
    const auto header = [&](const char* name) {
        return std::string(http::find_header(request.headers, name));
    };
    Received got{request.path, header("webhook-id"), request.body, 0, false};
    got.signature_fits =
        crypto::webhook_signature_fits(std::vector{key_}, got.id, std::stoll(header("webhook-timestamp")),
                                       request.body, header("webhook-signature"));
    const std::lock_guard lock(mutex_);
    auto response = answer_(got);
    got.status = response.status;
    received_.push_back(std::move(got));
    return response;
}

routing::Destination Hook::destination(const std::string& name) const {
    routing::Destination destination;
    destination.name = name;
    destination.kind = routing::Destination::Kind::endpoint;
    destination.endpoint.url = "http://127.0.0.1:" + std::to_string(port_) + "/" + name;
    destination.endpoint.secrets = {key_};
    destination.endpoint.private_addresses = true;
    destination.endpoint.connect_timeout = std::chrono::seconds(1) * slowness();
    destination.endpoint.total_timeout = std::chrono::seconds(2) * slowness();
    return destination;
}

std::vector<Received> Hook::received(const std::string& path) {
    const std::lock_guard lock(mutex_);
    std::vector<Received> found;
    for (const auto& one : received_)
        if (one.path == path) found.push_back(one);
    return found;
}

std::vector<std::int64_t> Hook::accepted(const std::string& path) {
    std::vector<std::int64_t> numbers;
    for (const auto& one : received(path))
        if (one.status >= 200 && one.status < 300) numbers.push_back(number_of(one.id));
    return numbers;
}

bool comes_true(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20) * slowness();
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

}  // namespace cartwright::tests
