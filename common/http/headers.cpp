#include <algorithm>
#include <cctype>

#include "common/http/message.hpp"

namespace cartwright::http {

namespace {

bool same_name(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [lower](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

std::string_view find_header(const Headers& headers, std::string_view name) {
    for (const Header& header : headers) {
        if (same_name(header.name, name)) return header.value;
    }
    return {};
}

}  // namespace cartwright::http
