// What HTTP servers and clients exchange.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cartwright::http {

struct Header {
    std::string name;
    std::string value;
};

using Headers = std::vector<Header>;

/// The value of the first header of that name (any case); empty where there is none.
std::string_view find_header(const Headers& headers, std::string_view name);

struct Request {
    std::string method;  ///< GET or POST; HEAD arrives as GET and its answer's body is left out
    std::string path;    ///< as sent, up to the question mark
    std::string query;   ///< as sent, after it
    Headers headers;
    std::string body;
};

struct Response {
    int status = 200;
    std::string body = {};
    std::string content_type = "text/plain; charset=utf-8";
    Headers headers =
        {};  ///< beside content type, length, date and connection (a client finds all of them here)
};

}  // namespace cartwright::http
