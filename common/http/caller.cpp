#include "common/http/caller.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <utility>

#include "common/http/addresses.hpp"
#include "common/http/caller_text.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::http {
namespace {

constexpr std::size_t header_bytes_max = 65'536;
constexpr std::size_t shown_bytes_max = 200, host_bytes_max = 100;
constexpr std::size_t character_bytes_max = 4;
constexpr std::size_t idle_handles_max = 1'000;
constexpr curl_off_t retry_after_s_max = 86'400;  // a server may name any number
constexpr long authorities_kept_s = 60;           // a changed file of them counts after that

struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// A call under way; what curl writes to stays where it is.
struct Underway {
    std::uint64_t id = 0;
    Call call;
    std::unique_ptr<curl_slist, FreeList> headers;
    std::array<char, CURL_ERROR_SIZE> error{};
    std::string shown;  ///< the answer's first bytes, and enough more to see where a character ends
    std::size_t header_bytes = 0, body_bytes = 0;
    bool cut_off = false;          ///< by us: the body is longer than allowed
    bool connected = false;        ///< and trusted: the request is sent from then on
    bool private_address = false;  ///< one was refused
};

std::size_t take_body(char* bytes, std::size_t, std::size_t length, void* user) {
    auto& underway = *static_cast<Underway*>(user);
    underway.body_bytes += length;
    const auto room = shown_bytes_max + character_bytes_max - underway.shown.size();
    underway.shown.append(bytes, std::min(length, room));
    if (underway.body_bytes <= underway.call.answer_bytes_max) return length;
    underway.cut_off = true;
    return 0;
}

std::size_t take_header(char*, std::size_t, std::size_t length, void* user) {
    auto& underway = *static_cast<Underway*>(user);
    underway.header_bytes += length;
    return underway.header_bytes > header_bytes_max ? 0 : length;
}

/// The address that a name was resolved to is looked at here, where it is used: a name that changes its mind
/// between a look and the call gains nothing.
curl_socket_t open_socket(void* user, curlsocktype, curl_sockaddr* address) {
    auto& underway = *static_cast<Underway*>(user);
    if (!underway.call.private_addresses && is_private(address->addr)) {
        underway.private_address = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

bool is_private_text(const char* address) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1) return is_private(reinterpret_cast<sockaddr&>(v4));
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    if (inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) return true;
    return is_private(reinterpret_cast<sockaddr&>(v6));
}

/// Called before every request on every connection. A kept one may have been opened for a call that was
/// allowed more, so the address is looked at here as well.
int before_request(void* user, char* remote_address, char*, int, int) {
    auto& underway = *static_cast<Underway*>(user);
    if (!underway.call.private_addresses && is_private_text(remote_address)) {
        underway.private_address = true;
        return CURL_PREREQFUNC_ABORT;
    }
    underway.connected = true;
    return CURL_PREREQFUNC_OK;
}

template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
    CARTWRIGHT_ASSERT(curl_easy_setopt(handle, option, value) == CURLE_OK);
}

template <class Value>
Value info(CURL* handle, CURLINFO what) {
    Value value{};
    curl_easy_getinfo(handle, what, &value);
    return value;
}

void prepare(CURL* handle, Underway& underway) {
    const auto& call = underway.call;
    set(handle, CURLOPT_PRIVATE, &underway);
    set(handle, CURLOPT_URL, call.url.c_str());
    set(handle, CURLOPT_PROTOCOLS_STR, call.private_addresses ? "http,https" : "https");
    set(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
    set(handle, CURLOPT_POSTFIELDS, call.body.data());
    set(handle, CURLOPT_HTTPHEADER, underway.headers.get());
    set(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(handle, CURLOPT_FOLLOWLOCATION, 0L);
    set(handle, CURLOPT_NOPROXY, "*");
    set(handle, CURLOPT_NOSIGNAL, 1L);
    set(handle, CURLOPT_TCP_KEEPALIVE, 1L);
    set(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(call.connect_timeout.count()));
    set(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(call.total_timeout.count()));
    set(handle, CURLOPT_ERRORBUFFER, underway.error.data());
    set(handle, CURLOPT_WRITEFUNCTION, take_body);
    set(handle, CURLOPT_WRITEDATA, &underway);
    set(handle, CURLOPT_HEADERFUNCTION, take_header);
    set(handle, CURLOPT_HEADERDATA, &underway);
    set(handle, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    set(handle, CURLOPT_OPENSOCKETDATA, &underway);
    set(handle, CURLOPT_PREREQFUNCTION, before_request);
    set(handle, CURLOPT_PREREQDATA, &underway);
    // Else a call that ends while its name is being resolved waits for the resolver, and all others with it.
    set(handle, CURLOPT_QUICK_EXIT, 1L);
    // The system's folder would be trusted beside the call's file; and with one, curl reads all authorities
    // again for every connection.
    set(handle, CURLOPT_CAPATH, static_cast<char*>(nullptr));
    set(handle, CURLOPT_CA_CACHE_TIMEOUT, authorities_kept_s);
    if (!call.ca_file.empty()) set(handle, CURLOPT_CAINFO, call.ca_file.c_str());
}

std::string trouble_of(const Underway& underway, CURLcode code, int status) {
    const auto host = presentable(host_of(underway.call.url), host_bytes_max);
    const auto where = host.empty() ? host : host + ": ";
    if (code == CURLE_OK || underway.cut_off) {
        if (status >= 200 && status < 300) return {};
        const auto answer = presentable(underway.shown, shown_bytes_max);
        return fmt::format("{}answered {}{}{}", where, status, answer.empty() ? "" : ": ", answer);
    }
    const bool not_allowed = code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK;
    if (underway.private_address && not_allowed)
        return where + "its name resolves to a private address, which its rule does not allow";
    const std::string detail = underway.error[0] != '\0' ? underway.error.data() : curl_easy_strerror(code);
    return where + presentable(detail, underway.error.size());
}

CallResult result_of(CURL* handle, const Underway& underway, CURLcode code) {
    CallResult result;
    result.id = underway.id;
    const auto status = static_cast<int>(info<long>(handle, CURLINFO_RESPONSE_CODE));
    result.trouble = trouble_of(underway, code, status);
    if (code == CURLE_OK || underway.cut_off) {
        result.end = CallEnd::answered;
        result.status = status;
        const auto retry_after_s =
            std::min(info<curl_off_t>(handle, CURLINFO_RETRY_AFTER), retry_after_s_max);
        if (retry_after_s > 0) result.retry_after = std::chrono::seconds(retry_after_s);
        return result;
    }
    // Also when it ended with a refused connection: curl sends once more where a kept connection turned out
    // to be closed, and the first try may have arrived.
    result.end = underway.connected ? CallEnd::unknown : CallEnd::unsent;
    return result;
}

}  // namespace

struct Caller::State {
    CURLM* multi = nullptr;
    std::map<CURL*, std::unique_ptr<Underway>> calls;
    std::vector<CURL*> idle;  ///< handles to be used again

    void collect(std::vector<CallResult>& results);
};

void Caller::State::collect(std::vector<CallResult>& results) {
    int running = 0;
    CARTWRIGHT_ASSERT(curl_multi_perform(multi, &running) == CURLM_OK);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
        CURL* handle = message->easy_handle;
        const auto code = message->data.result;
        const auto call = calls.extract(handle);
        results.push_back(result_of(handle, *call.mapped(), code));
        curl_multi_remove_handle(multi, handle);
        if (idle.size() < idle_handles_max) {
            curl_easy_reset(handle);
            idle.push_back(handle);
        } else {
            curl_easy_cleanup(handle);
        }
    }
}

Caller::Caller(std::size_t connections_max) : state_(std::make_unique<State>()) {
    static std::once_flag once;
    std::call_once(once, [] { CARTWRIGHT_ASSERT(curl_global_init(CURL_GLOBAL_ALL) == 0); });
    state_->multi = curl_multi_init();
    CARTWRIGHT_ASSERT(state_->multi != nullptr);
    curl_multi_setopt(state_->multi, CURLMOPT_MAXCONNECTS, static_cast<long>(connections_max));
}

Caller::~Caller() {
    for (const auto& [handle, call] : state_->calls) {
        curl_multi_remove_handle(state_->multi, handle);
        curl_easy_cleanup(handle);
    }
    for (auto* handle : state_->idle) curl_easy_cleanup(handle);
    curl_multi_cleanup(state_->multi);
}

void Caller::start(std::uint64_t id, Call call) {
    auto underway = std::make_unique<Underway>();
    underway->id = id;
    underway->call = std::move(call);
    curl_slist* headers = curl_slist_append(nullptr, "Expect:");
    for (const auto& header : underway->call.headers)
        headers = curl_slist_append(headers, (header.name + ": " + header.value).c_str());
    underway->headers.reset(headers);
    CURL* handle = nullptr;
    if (state_->idle.empty()) {
        handle = curl_easy_init();
    } else {
        handle = state_->idle.back();
        state_->idle.pop_back();
    }
    CARTWRIGHT_ASSERT(handle != nullptr);
    prepare(handle, *underway);
    state_->calls.emplace(handle, std::move(underway));
    CARTWRIGHT_ASSERT(curl_multi_add_handle(state_->multi, handle) == CURLM_OK);
}

std::vector<CallResult> Caller::run(std::chrono::milliseconds wait_max) {
    std::vector<CallResult> results;
    state_->collect(results);
    if (!results.empty()) return results;
    curl_multi_poll(state_->multi, nullptr, 0, static_cast<int>(wait_max.count()), nullptr);
    state_->collect(results);
    return results;
}

std::size_t Caller::in_flight() const {
    return state_->calls.size();
}

void Caller::wake() {
    curl_multi_wakeup(state_->multi);
}

}  // namespace cartwright::http
