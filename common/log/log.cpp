#include "common/log/log.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <iterator>
#include <mutex>
#include <utility>
#include <variant>

#include "common/text/utf8.hpp"

namespace cartwright::log {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";
constexpr std::string_view ellipsis = "\xe2\x80\xa6";

struct Output {
    std::atomic<Level> level{Level::info};
    std::mutex worker_mutex;
    std::string worker;
    std::mutex write_mutex;
};

// Never destroyed: threads and destructors log until the very end of the process.
Output& output() {
    static Output& the_output = *new Output;
    return the_output;
}

std::string_view name_of(Level level) {
    switch (level) {
        case Level::debug:
            return "debug";
        case Level::info:
            return "info";
        case Level::warn:
            return "warn";
        case Level::error:
            return "error";
    }
    return "error";
}

void append_ascii(std::string& line, char c) {
    switch (c) {
        case '"':
            line += "\\\"";
            return;
        case '\\':
            line += "\\\\";
            return;
        case '\n':
            line += "\\n";
            return;
        case '\r':
            line += "\\r";
            return;
        case '\t':
            line += "\\t";
            return;
        default:
            break;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
        fmt::format_to(std::back_inserter(line), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
        line += c;
    }
}

void append_quoted(std::string& line, std::string_view text) {
    line += '"';
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t length = text::utf8_sequence(text, at);
        if (at + length > text_bytes_max || at >= text_bytes_max) {
            line += ellipsis;
            break;
        }
        if (length == 0) {
            line += replacement;
        } else if (length == 1) {
            append_ascii(line, text[at]);
        } else {
            line += text.substr(at, length);
        }
        at += length == 0 ? 1 : length;
    }
    line += '"';
}

struct AppendValue {
    std::string& line;

    void operator()(std::string_view text) const { append_quoted(line, text); }
    void operator()(bool value) const { line += value ? "true" : "false"; }
    void operator()(std::int64_t value) const { fmt::format_to(std::back_inserter(line), "{}", value); }
    void operator()(std::uint64_t value) const { fmt::format_to(std::back_inserter(line), "{}", value); }
    void operator()(double value) const {
        // JSON has no infinities.
        if (std::isfinite(value)) {
            fmt::format_to(std::back_inserter(line), "{}", value);
        } else {
            append_quoted(line, fmt::format("{}", value));
        }
    }
};

void append_now(std::string& line) {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    std::tm utc{};
    gmtime_r(&now.tv_sec, &utc);
    fmt::format_to(std::back_inserter(line), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", utc.tm_year + 1900,
                   utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec / 1000);
}

// Someone may have made stderr non-blocking; a reader that went away is no reason to stop.
void write_all(std::string_view line) {
    while (!line.empty()) {
        const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
        if (written >= 0) {
            line.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno == EAGAIN) {
            pollfd ready{STDERR_FILENO, POLLOUT, 0};
            if (poll(&ready, 1, 1000) <= 0) return;
        } else if (errno != EINTR) {
            return;
        }
    }
}

void put(Level level, std::string_view event, Fields fields) {
    if (level < output().level.load(std::memory_order_relaxed)) return;
    const int saved_errno = errno;
    const std::string line = format_line(level, event, fields);
    {
        const std::lock_guard lock(output().write_mutex);
        write_all(line);
    }
    errno = saved_errno;
}

}  // namespace

void debug(std::string_view event, Fields fields) {
    put(Level::debug, event, fields);
}
void info(std::string_view event, Fields fields) {
    put(Level::info, event, fields);
}
void warn(std::string_view event, Fields fields) {
    put(Level::warn, event, fields);
}
void error(std::string_view event, Fields fields) {
    put(Level::error, event, fields);
}

void set_level(Level level) {
    output().level.store(level, std::memory_order_relaxed);
}

void set_worker(std::string name) {
    const std::lock_guard lock(output().worker_mutex);
    output().worker = std::move(name);
}

std::string format_line(Level level, std::string_view event, Fields fields) {
    std::string line = "{\"ts\":\"";
    append_now(line);
    line += "\",\"level\":\"";
    line += name_of(level);
    line += "\",\"event\":";
    append_quoted(line, event);
    {
        const std::lock_guard lock(output().worker_mutex);
        if (!output().worker.empty()) {
            line += ",\"worker\":";
            append_quoted(line, output().worker);
        }
    }
    for (const Field& field : fields) {
        line += ',';
        append_quoted(line, field.key);
        line += ':';
        std::visit(AppendValue{line}, field.value.held());
    }
    line += "}\n";
    return line;
}

}  // namespace cartwright::log
