#include "common/order/time.hpp"

#include <cstddef>
#include <cstdint>

namespace cartwright {
namespace {

using std::chrono::microseconds;

/// Reads exactly `digits` decimal digits at `text[at]`.
std::optional<int> digits_at(std::string_view text, std::size_t at, std::size_t digits) {
    if (text.size() < at + digits) return std::nullopt;
    int value = 0;
    for (std::size_t i = at; i < at + digits; ++i) {
        if (text[i] < '0' || text[i] > '9') return std::nullopt;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/// Writes `value`, which has no more than so many decimal digits, over `text[at]`.
void set_digits(std::string& text, std::size_t at, std::size_t digits, std::int64_t value) {
    for (std::size_t i = at + digits; i-- > at; value /= 10) text[i] = static_cast<char>('0' + value % 10);
}

/// Minutes that "Z" or "+hh:mm" adds to UTC.
std::optional<int> offset_minutes(std::string_view text) {
    if (text == "Z" || text == "z") return 0;
    if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
    const auto hours = digits_at(text, 1, 2);
    const auto minutes = digits_at(text, 4, 2);
    if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
    return (text[0] == '-' ? -1 : 1) * (*hours * 60 + *minutes);
}

}  // namespace

std::string to_rfc3339(Timestamp time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss<microseconds> clock{time - day};
    const auto fraction = clock.subseconds().count();
    std::string text = fraction == 0 ? "0000-00-00T00:00:00Z" : "0000-00-00T00:00:00.000000Z";
    set_digits(text, 0, 4, static_cast<int>(date.year()));
    set_digits(text, 5, 2, static_cast<unsigned>(date.month()));
    set_digits(text, 8, 2, static_cast<unsigned>(date.day()));
    set_digits(text, 11, 2, clock.hours().count());
    set_digits(text, 14, 2, clock.minutes().count());
    set_digits(text, 17, 2, clock.seconds().count());
    if (fraction != 0) set_digits(text, 20, 6, fraction);
    return text;
}

std::optional<Timestamp> from_rfc3339(std::string_view text) {
    const auto year = digits_at(text, 0, 4), month = digits_at(text, 5, 2), day = digits_at(text, 8, 2);
    const auto hour = digits_at(text, 11, 2), minute = digits_at(text, 14, 2),
               second = digits_at(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
    if (text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':') return std::nullopt;
    if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{*year},
                                           std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60 || *year < 1970 || *year > 2200)
        return std::nullopt;
    std::size_t at = 19;
    int fraction = 0;
    if (at < text.size() && text[at] == '.') {
        int scale = 100'000;
        const auto first = ++at;
        for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10) {
            fraction += (text[at] - '0') * scale;
        }
        if (at == first || at > first + 9) return std::nullopt;
    }
    const auto offset = offset_minutes(text.substr(at));
    if (!offset) return std::nullopt;
    const Timestamp time{std::chrono::sys_days{date} + std::chrono::hours{*hour} +
                         std::chrono::minutes{*minute - *offset} + std::chrono::seconds{*second} +
                         microseconds{fraction}};
    // An offset or a leap second may lead out of the years, and then what is written could not be read again.
    const std::chrono::year_month_day meant{std::chrono::floor<std::chrono::days>(time)};
    if (meant.year() < std::chrono::year{1970} || meant.year() > std::chrono::year{2200}) return std::nullopt;
    return time;
}

Timestamp now() {
    return std::chrono::floor<microseconds>(std::chrono::system_clock::now());
}

}  // namespace cartwright
