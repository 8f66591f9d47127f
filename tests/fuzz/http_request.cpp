// What a client of a worker's HTTP server says: in one piece or in many, the answers are the same.
#include <string>

#include "common/http/conversation.hpp"
#include "tests/fuzz/property.hpp"

using namespace cartwright;
using namespace cartwright::fuzz;

namespace {

http::Response respond(const http::Request& request) {
    property(request.method == "GET" || request.method == "POST", "only known methods arrive");
    std::string body = request.method + ' ' + request.path + '?' + request.query + '\n';
    for (const auto& header : request.headers) body += header.name + '=' + header.value + '\n';
    return {200, body + request.body};
}

/// Dates may differ, and which of several reasons to refuse a request is met first.
std::string comparable(std::string text) {
    text = text.substr(0, text.find("HTTP/1.1 4"));
    for (std::size_t at = 0; (at = text.find("\r\nDate: ", at)) != std::string::npos;)
        text.erase(at, text.find("\r\n", at + 2) - at);
    return text;
}

/// Everything that is answered to the bytes in pieces of that many.
std::string answers(std::string_view bytes, std::size_t piece_bytes) {
    const http::RequestHandler handler = respond;
    const http::ServerLimits limits{.header_bytes_max = 2'000, .body_bytes_max = 2'000};
    http::Conversation conversation(handler, limits);
    std::string all;
    const auto send = [&] {
        for (std::string part; !(part = conversation.take_output()).empty(); all += part)
            conversation.output_sent();
    };
    for (; !bytes.empty() && !conversation.finished();
         bytes.remove_prefix(std::min(piece_bytes, bytes.size()))) {
        conversation.receive(bytes.substr(0, piece_bytes));
        send();
        property(conversation.wants_input() || conversation.finished(), "what is answered goes on or ends");
    }
    conversation.end_of_input();
    send();
    property(conversation.finished(), "a client that has gone ends its conversation");
    return comparable(std::move(all));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = text_of(data, size);
    const auto whole = answers(bytes, size + 1);
    property(whole.empty() || whole.starts_with("HTTP/1.1 "), "answers are HTTP");
    property(answers(bytes, 1) == whole, "bytes one by one are answered alike");
    property(answers(bytes, 7) == whole, "pieces are answered alike");
    return 0;
}
