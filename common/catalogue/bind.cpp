#include "common/catalogue/bind.hpp"

#include <algorithm>

#include "common/outcome/trouble.hpp"

namespace cartwright::catalogue {

namespace {

// The length of the quoted text or comment that begins here; 0 where none does.
std::size_t opaque_length(std::string_view sql) {
    const auto up_to = [sql](std::string_view end, std::size_t from) {
        const std::size_t at = sql.find(end, from);
        return at == std::string_view::npos ? sql.size() : at + end.size();
    };
    if (sql.starts_with("-- ") || sql.starts_with('#')) return up_to("\n", 0);
    if (sql.starts_with("/*")) return up_to("*/", 2);
    if (sql.starts_with('`')) return up_to("`", 1);
    if (!sql.starts_with('\'') && !sql.starts_with('"')) return 0;
    for (std::size_t i = 1; i < sql.size(); ++i) {
        if (sql[i] == '\\') {
            ++i;
        } else if (sql[i] == sql[0]) {
            return i + 1;  // a doubled quote begins the next piece, which is as opaque
        }
    }
    return sql.size();
}

}  // namespace

std::string bind_parameters(std::string_view sql, const std::vector<std::string>& parameters,
                            const std::function<std::string(const std::string&)>& quote) {
    std::string bound;
    std::size_t used = 0;
    while (!sql.empty()) {
        const std::size_t opaque = opaque_length(sql);
        if (opaque == 0 && sql[0] == '?') {
            CARTWRIGHT_ASSERT(used < parameters.size());
            bound += quote(parameters[used++]);
        } else {
            bound += sql.substr(0, std::max<std::size_t>(opaque, 1));
        }
        sql.remove_prefix(std::max<std::size_t>(opaque, 1));
    }
    CARTWRIGHT_ASSERT(used == parameters.size());
    return bound;
}

}  // namespace cartwright::catalogue
