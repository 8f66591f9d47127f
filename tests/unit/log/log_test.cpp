#include "common/log/log.hpp"

#include <doctest/doctest.h>
#include <regex.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "common/order/id.hpp"

namespace logging = cartwright::log;

namespace {

// <regex> does not compile without warnings under AddressSanitizer.
bool matches(const std::string& text, const char* pattern) {
    regex_t compiled{};
    REQUIRE(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) == 0);
    const bool matched = regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
    regfree(&compiled);
    return matched;
}

// What follows the time stamp.
std::string after_time(const std::string& line) {
    return line.substr(line.find(",\"level\""));
}

// Sends stderr into a pipe while it lives.
class CapturedStderr {
  public:
    CapturedStderr() {
        REQUIRE(pipe(pipe_) == 0);
        saved_ = dup(STDERR_FILENO);
        dup2(pipe_[1], STDERR_FILENO);
        close(pipe_[1]);
    }
    ~CapturedStderr() { restore(); }

    std::string take() {
        restore();
        std::string all;
        char buffer[4096];
        for (ssize_t n = 0; (n = read(pipe_[0], buffer, sizeof buffer)) > 0;) {
            all.append(buffer, static_cast<std::size_t>(n));
        }
        close(pipe_[0]);
        return all;
    }

  private:
    void restore() {
        if (saved_ < 0) return;
        dup2(saved_, STDERR_FILENO);
        close(saved_);
        saved_ = -1;
    }
    int pipe_[2] = {-1, -1};
    int saved_ = -1;
};

}  // namespace

TEST_CASE("a line has its time, level, event and fields in order") {
    const std::string line =
        logging::format_line(logging::Level::warn, "lane_paused", {{"lane", 3}, {"reason", "full"}});
    const char* form = R"(^\{"ts":"[0-9]{4}-[0-9][0-9]-[0-9][0-9]T)"
                       R"([0-9][0-9]:[0-9][0-9]:[0-9][0-9]\.[0-9]{6}Z","level":"warn",)"
                       R"("event":"lane_paused","lane":3,"reason":"full"\})"
                       "\n$";
    CHECK(matches(line, form));
}

TEST_CASE("every kind of value is written as JSON") {
    const std::string text = "owned";
    const cartwright::Sku sku("A-1");
    const std::string line = logging::format_line(logging::Level::info, "kinds",
                                                  {{"a", "literal"},
                                                   {"b", text},
                                                   {"c", std::string_view("view")},
                                                   {"d", sku},
                                                   {"e", true},
                                                   {"f", false},
                                                   {"g", -1},
                                                   {"h", std::numeric_limits<std::int64_t>::min()},
                                                   {"i", std::numeric_limits<std::uint64_t>::max()},
                                                   {"j", std::size_t{7}},
                                                   {"k", 0.5},
                                                   {"l", std::numeric_limits<double>::infinity()},
                                                   {"m", std::string("temp")}});
    CHECK(after_time(line) ==
          ",\"level\":\"info\",\"event\":\"kinds\",\"a\":\"literal\",\"b\":\"owned\",\"c\":\"view\",\"d\":"
          "\"A-1\","
          "\"e\":true,\"f\":false,\"g\":-1,\"h\":-9223372036854775808,\"i\":18446744073709551615,\"j\":7,"
          "\"k\":0.5,"
          "\"l\":\"inf\",\"m\":\"temp\"}\n");
}

TEST_CASE("quotes, control characters and bytes that are not UTF-8 cannot break a line") {
    const std::string nasty("q\" b\\ n\n r\r t\t z\0 e\x1b d\x7f \xc3\xa9 \xff \xed\xa0\x80", 32);
    const std::string line = logging::format_line(logging::Level::error, "nasty", {{"k\"ey", nasty}});
    CHECK(after_time(line) ==
          ",\"level\":\"error\",\"event\":\"nasty\",\"k\\\"ey\":\"q\\\" b\\\\ n\\n r\\r t\\t z\\u0000 "
          "e\\u001b d\\u007f "
          "\xc3\xa9 \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}\n");
}

TEST_CASE("long texts are cut between characters") {
    const std::string line = logging::format_line(
        logging::Level::info, "long", {{"k", std::string(logging::text_bytes_max - 1, 'x') + "\xc3\xa9yz"}});
    CHECK(line.size() < logging::text_bytes_max + 200);
    CHECK(line.ends_with("x\xe2\x80\xa6\"}\n"));
    const std::string exact =
        logging::format_line(logging::Level::info, "e", {{"k", std::string(logging::text_bytes_max, 'x')}});
    CHECK(exact.ends_with("x\"}\n"));
}

TEST_CASE("the worker's name is in every line") {
    logging::set_worker("reserver");
    CHECK(after_time(logging::format_line(logging::Level::info, "e", {})) ==
          ",\"level\":\"info\",\"event\":\"e\",\"worker\":\"reserver\"}\n");
    logging::set_worker("");
}

TEST_CASE("levels below the chosen one are left out") {
    CapturedStderr captured;
    logging::debug("no");
    logging::info("yes");
    logging::set_level(logging::Level::error);
    logging::warn("no");
    logging::error("yes");
    logging::set_level(logging::Level::debug);
    logging::debug("yes");
    logging::set_level(logging::Level::info);
    const std::string text = captured.take();
    CHECK(std::count(text.begin(), text.end(), '\n') == 3);
    CHECK(text.find("\"no\"") == std::string::npos);
}

TEST_CASE("threads do not mix their lines") {
    CapturedStderr captured;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([t] {
            for (int i = 0; i < 100; ++i) logging::info("mixed", {{"t", t}, {"i", i}});
        });
    }
    for (std::thread& thread : threads) thread.join();
    const std::string text = captured.take();
    const char* form = R"(^\{"ts":"[^"]+","level":"info","event":"mixed","t":[0-9],"i":[0-9]+\}$)";
    int lines = 0;
    for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
        CHECK(matches(text.substr(at, end - at), form));
        ++lines;
    }
    CHECK(lines == 400);
}
