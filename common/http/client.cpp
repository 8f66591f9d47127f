#include "common/http/client.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "common/outcome/trouble.hpp"

namespace cartwright::http {

namespace {

struct FreeEasy {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeUrl {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, FreeEasy>;
using Url = std::unique_ptr<CURLU, FreeUrl>;
using List = std::unique_ptr<curl_slist, FreeList>;

struct Answer {
    Response response;
    bool too_long = false;
};

std::size_t append_body(char* bytes, std::size_t, std::size_t length, void* user) {
    auto& answer = *static_cast<Answer*>(user);
    if (answer.response.body.size() + length > answer_bytes_max) {
        answer.too_long = true;
        return 0;
    }
    answer.response.body.append(bytes, length);
    return length;
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n";
    const std::size_t first = text.find_first_not_of(blank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

std::size_t append_header(char* bytes, std::size_t, std::size_t length, void* user) {
    auto& response = static_cast<Answer*>(user)->response;
    const std::string_view line(bytes, length);
    const std::size_t colon = line.find(':');
    if (line.starts_with("HTTP/")) {
        response.headers.clear();  // those before belong to an interim answer
    } else if (colon != std::string_view::npos) {
        response.headers.push_back(
            {std::string(trimmed(line.substr(0, colon))), std::string(trimmed(line.substr(colon + 1)))});
    }
    return length;
}

std::string part_of(CURLU* url, CURLUPart part, unsigned flags) {
    char* text = nullptr;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
    std::string result = text;
    curl_free(text);
    return result;
}

// Takes the credentials out of the URL, so that no message shows them.
std::pair<std::string, std::string> take_credentials(CURLU* url) {
    std::pair<std::string, std::string> credentials(part_of(url, CURLUPART_USER, CURLU_URLDECODE),
                                                    part_of(url, CURLUPART_PASSWORD, CURLU_URLDECODE));
    curl_url_set(url, CURLUPART_USER, nullptr, 0);
    curl_url_set(url, CURLUPART_PASSWORD, nullptr, 0);
    return credentials;
}

// What a message may show: queries can hold anything.
std::string shown(CURLU* url) {
    return fmt::format("{}://{}:{}{}", part_of(url, CURLUPART_SCHEME, 0), part_of(url, CURLUPART_HOST, 0),
                       part_of(url, CURLUPART_PORT, CURLU_DEFAULT_PORT), part_of(url, CURLUPART_PATH, 0));
}

bool is_one_line(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

List header_list(const Headers& headers) {
    // Waiting for "100 Continue" would cost a second with servers that do not know it.
    List list(curl_slist_append(nullptr, "Expect:"));
    for (const Header& header : headers) {
        if (!is_one_line(header.name) || !is_one_line(header.value)) {
            throw outcome::Refused(fmt::format("a header has more than one line: {}", header.name));
        }
        // curl takes a header without value only with a semicolon.
        const std::string line = header.value.empty() ? header.name + ";" : header.name + ": " + header.value;
        curl_slist* longer = curl_slist_append(list.get(), line.c_str());
        CARTWRIGHT_ASSERT(longer != nullptr);
        static_cast<void>(list.release());
        list.reset(longer);
    }
    return list;
}

bool is_permanent(CURLcode code) {
    switch (code) {
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_URL_MALFORMAT:
        case CURLE_WEIRD_SERVER_REPLY:
        case CURLE_WRITE_ERROR:
        case CURLE_BAD_FUNCTION_ARGUMENT:
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_BAD_CONTENT_ENCODING:
            return true;
        default:
            return false;
    }
}

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
    CARTWRIGHT_ASSERT(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

void set_method(CURL* easy, const std::string& method, const std::string& body) {
    if (method == "HEAD") {
        set(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (!body.empty() || method == "POST" || method == "PUT") {
        set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
        set(easy, CURLOPT_POSTFIELDS, body.c_str());
    }
    set(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
}

}  // namespace

struct Client::State {
    Easy easy;
};

Client::Client() : state_(std::make_unique<State>()) {
    static std::once_flag once;
    std::call_once(once, [] { CARTWRIGHT_ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
    state_->easy.reset(curl_easy_init());
    CARTWRIGHT_ASSERT(state_->easy != nullptr);
}

Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Response Client::request(const std::string& method, const std::string& url, const std::string& body,
                         const Headers& headers, std::chrono::milliseconds timeout) {
    const Url parsed(curl_url());
    CARTWRIGHT_ASSERT(parsed != nullptr);
    if (const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0); code != CURLUE_OK) {
        throw outcome::Refused(fmt::format("not a URL that can be asked: {}", curl_url_strerror(code)));
    }
    if (!is_one_line(method)) throw outcome::Refused("not a method");
    const auto [user, password] = take_credentials(parsed.get());
    const List lines = header_list(headers);
    CURL* easy = state_->easy.get();
    curl_easy_reset(easy);  // keeps its connections
    Answer answer;
    char error[CURL_ERROR_SIZE] = "";
    set(easy, CURLOPT_CURLU, parsed.get());
    set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set(easy, CURLOPT_PROXY, "");
    set(easy, CURLOPT_NOSIGNAL, 1L);
    set(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(timeout.count(), 1)));
    set(easy, CURLOPT_ERRORBUFFER, error);
    set(easy, CURLOPT_HTTPHEADER, lines.get());
    set(easy, CURLOPT_WRITEFUNCTION, append_body);
    set(easy, CURLOPT_WRITEDATA, &answer);
    set(easy, CURLOPT_HEADERFUNCTION, append_header);
    set(easy, CURLOPT_HEADERDATA, &answer);
    if (!user.empty() || !password.empty()) {
        set(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
        set(easy, CURLOPT_USERNAME, user.c_str());
        set(easy, CURLOPT_PASSWORD, password.c_str());
    }
    set_method(easy, method, body);
    const CURLcode code = curl_easy_perform(easy);
    if (code != CURLE_OK) {
        const char* reason = answer.too_long ? "the answer is too long" : curl_easy_strerror(code);
        const std::string text =
            fmt::format("{} {}: {}", method, shown(parsed.get()), *error == 0 ? reason : error);
        if (is_permanent(code)) throw outcome::Refused(text);
        throw outcome::Unavailable(text);
    }
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    answer.response.status = static_cast<int>(status);
    answer.response.content_type = find_header(answer.response.headers, "content-type");
    return std::move(answer.response);
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    std::string result;
    for (const char c : text) {
        if (plain.find(c) != std::string_view::npos) {
            result += c;
        } else {
            result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return result;
}

}  // namespace cartwright::http
