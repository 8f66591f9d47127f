#include "common/http/conversation.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <llhttp.h>

#include <algorithm>
#include <ctime>
#include <exception>
#include <iterator>
#include <utility>

#include "common/log/log.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::http {

namespace {

// What a header costs beside its own bytes.
constexpr std::size_t header_overhead_bytes = 32;

std::string one_line(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
    return text;
}

// Splits the target; one in absolute form (http://host/path) loses its beginning.
void set_target(Request& request, std::string_view target) {
    if (!target.starts_with('/')) {
        const std::size_t scheme = target.find("://");
        if (scheme != std::string_view::npos) {
            const std::size_t slash = target.find_first_of("/?", scheme + 3);
            target = slash == std::string_view::npos ? "/" : target.substr(slash);
        }
    }
    target = target.substr(0, target.find('#'));
    const std::size_t question = target.find('?');
    request.path = target.substr(0, question);
    if (question != std::string_view::npos) request.query = target.substr(question + 1);
}

}  // namespace

struct Conversation::State {
    State(const RequestHandler& request_handler, const ServerLimits& server_limits);

    void work();
    void answer(Response response, bool keep_alive);
    void refuse(int status);
    void reset_request();
    int reject(int status);
    int count_header_bytes(std::size_t length);
    int on_headers_complete();
    int on_message_complete();

    const RequestHandler& handler;
    const ServerLimits& limits;
    llhttp_settings_t settings{};
    llhttp_t parser{};

    // Of the request that is being read.
    Request request;
    std::string target;
    std::size_t header_bytes = 0;
    bool value_began = false;  // of the last header
    bool in_body = false;
    bool is_head = false;
    int rejected_with = 0;

    std::string pending;  // received, not parsed yet
    std::string output;
    bool answering = false;
    bool exchanging = false;
    bool ended = false;
    bool done = false;
};

namespace {

Conversation::State* of(llhttp_t* parser) {
    return static_cast<Conversation::State*>(parser->data);
}

int on_target(llhttp_t* parser, const char* at, std::size_t length) {
    of(parser)->target.append(at, length);
    return of(parser)->count_header_bytes(length);
}

int on_header_name(llhttp_t* parser, const char* at, std::size_t length) {
    Conversation::State& state = *of(parser);
    if (!state.in_body) {  // else it is a trailer, which is counted and left out
        if (state.value_began || state.request.headers.empty()) {
            state.request.headers.emplace_back();
            state.header_bytes += header_overhead_bytes;
        }
        state.request.headers.back().name.append(at, length);
    }
    state.value_began = false;
    return state.count_header_bytes(length);
}

int on_header_value(llhttp_t* parser, const char* at, std::size_t length) {
    Conversation::State& state = *of(parser);
    if (!state.in_body) state.request.headers.back().value.append(at, length);
    return state.count_header_bytes(length);
}

// A value may be empty, so it is its end that counts.
int on_header_value_complete(llhttp_t* parser) {
    of(parser)->value_began = true;
    return 0;
}

int on_body(llhttp_t* parser, const char* at, std::size_t length) {
    Conversation::State& state = *of(parser);
    if (state.request.body.size() + length > state.limits.body_bytes_max) return state.reject(413);
    state.request.body.append(at, length);
    return 0;
}

}  // namespace

Conversation::State::State(const RequestHandler& request_handler, const ServerLimits& server_limits)
    : handler(request_handler), limits(server_limits) {
    llhttp_settings_init(&settings);
    settings.on_url = on_target;
    settings.on_header_field = on_header_name;
    settings.on_header_value = on_header_value;
    settings.on_header_value_complete = on_header_value_complete;
    settings.on_body = on_body;
    settings.on_headers_complete = [](llhttp_t* p) { return of(p)->on_headers_complete(); };
    settings.on_message_complete = [](llhttp_t* p) { return of(p)->on_message_complete(); };
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = this;
}

int Conversation::State::reject(int status) {
    rejected_with = status;
    return -1;
}

int Conversation::State::count_header_bytes(std::size_t length) {
    header_bytes += length;
    return header_bytes > limits.header_bytes_max ? reject(431) : 0;
}

int Conversation::State::on_headers_complete() {
    in_body = true;
    const auto method = static_cast<llhttp_method_t>(llhttp_get_method(&parser));
    if (llhttp_get_http_major(&parser) != 1) return reject(505);
    if (method != HTTP_GET && method != HTTP_HEAD && method != HTTP_POST) return reject(405);
    const auto is_host = [](const Header& header) { return !find_header({header}, "host").empty(); };
    const auto hosts = std::count_if(request.headers.begin(), request.headers.end(), is_host);
    if (hosts > 1 || (hosts == 0 && llhttp_get_http_minor(&parser) >= 1)) return reject(400);
    if (parser.content_length > limits.body_bytes_max) return reject(413);
    is_head = method == HTTP_HEAD;
    request.method = method == HTTP_POST ? "POST" : "GET";
    set_target(request, target);
    parser.upgrade = 0;  // no other protocol is spoken here: an offer to change it is passed over
    if (find_header(request.headers, "expect") == "100-continue") output += "HTTP/1.1 100 Continue\r\n\r\n";
    return 0;
}

int Conversation::State::on_message_complete() {
    Response response;
    try {
        response = handler(request);
    } catch (const std::exception& trouble) {
        log::error("http_handler_failed", {{"path", request.path}, {"error", trouble.what()}});
        response = {500, "internal error\n"};
    } catch (...) {
        log::error("http_handler_failed", {{"path", request.path}});
        response = {500, "internal error\n"};
    }
    answer(std::move(response), llhttp_should_keep_alive(&parser) != 0);
    reset_request();
    return HPE_PAUSED;
}

void Conversation::State::reset_request() {
    request = {};
    target.clear();
    header_bytes = 0;
    value_began = in_body = is_head = false;
}

void Conversation::State::answer(Response response, bool keep_alive) {
    const bool bodiless = response.status == 204 || response.status == 304 || response.status < 200;
    const char* reason = llhttp_status_name(static_cast<llhttp_status_t>(response.status));
    auto out = std::back_inserter(output);
    fmt::format_to(out, "HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S} GMT\r\nConnection: {}\r\n",
                   response.status, reason == nullptr ? "UNKNOWN" : reason, fmt::gmtime(std::time(nullptr)),
                   keep_alive ? "keep-alive" : "close");
    if (!bodiless) {
        fmt::format_to(out, "Content-Type: {}\r\nContent-Length: {}\r\n", one_line(response.content_type),
                       response.body.size());
    }
    for (const Header& header : response.headers) {
        fmt::format_to(out, "{}: {}\r\n", one_line(header.name), one_line(header.value));
    }
    output += "\r\n";
    if (!bodiless && !is_head) output += response.body;
    answering = true;
    if (!keep_alive) done = true;
}

void Conversation::State::refuse(int status) {
    Response response{status, fmt::format("{}\n", status)};
    if (status == 405) response.headers.push_back({"Allow", "GET, HEAD, POST"});
    answer(std::move(response), false);
}

void Conversation::State::work() {
    while (!pending.empty() && !answering && !done) {
        const llhttp_errno_t result = llhttp_execute(&parser, pending.data(), pending.size());
        if (result == HPE_OK) {
            pending.clear();
        } else if (result == HPE_PAUSED) {
            const char* stopped = llhttp_get_error_pos(&parser);
            pending.erase(0, static_cast<std::size_t>(stopped - pending.data()));
            llhttp_resume(&parser);
        } else {
            refuse(rejected_with != 0 ? rejected_with : 400);
        }
    }
    if (done) pending.clear();
    if (ended && !answering) done = true;
}

Conversation::Conversation(const RequestHandler& handler, const ServerLimits& limits)
    : state_(std::make_unique<State>(handler, limits)) {}

Conversation::~Conversation() = default;

void Conversation::receive(std::string_view bytes) {
    if (state_->done || bytes.empty()) return;
    CARTWRIGHT_ASSERT(!state_->ended);
    state_->exchanging = true;
    state_->pending += bytes;
    state_->work();
}

void Conversation::end_of_input() {
    state_->ended = true;
    state_->work();
}

std::string Conversation::take_output() {
    return std::exchange(state_->output, {});
}

void Conversation::output_sent() {
    if (!state_->answering) return;  // it was an interim answer
    state_->answering = false;
    state_->exchanging = !state_->pending.empty();
    state_->work();
}

bool Conversation::wants_input() const {
    return !state_->answering && !state_->done && !state_->ended;
}
bool Conversation::in_exchange() const {
    return state_->exchanging;
}
bool Conversation::finished() const {
    return state_->done;
}

}  // namespace cartwright::http
