#include "tests/model/statement.hpp"

#include <algorithm>
#include <map>

namespace cartwright::model {

std::vector<MaybeText> elements(std::string_view literal) {
    std::vector<MaybeText> result;
    for (std::size_t at = 1; at + 1 < literal.size();) {
        if (literal[at] == ',') {
            ++at;
        } else if (literal[at] == '"') {
            std::string text;
            for (++at; literal[at] != '"'; ++at) {
                if (literal[at] == '\\') ++at;
                text += literal[at];
            }
            ++at;
            result.emplace_back(std::move(text));
        } else {
            const auto end = literal.find_first_of(",}", at);
            const auto word = literal.substr(at, end - at);
            word == "NULL" ? result.emplace_back(std::nullopt) : result.emplace_back(std::string(word));
            at = end;
        }
    }
    return result;
}

std::vector<Text> joined(std::string_view texts) {
    std::vector<Text> result;
    for (std::size_t begin = 0; begin < texts.size();) {
        const auto end = std::min(texts.find('\x1f', begin), texts.size());
        result.emplace_back(texts.substr(begin, end - begin));
        begin = end + 1;
    }
    return result;
}

std::vector<std::vector<MaybeText>> appended(std::string_view rows) {
    std::vector<std::vector<MaybeText>> result;
    std::vector<MaybeText> row;
    MaybeText field(std::in_place);
    for (std::size_t at = 0; at <= rows.size() && !rows.empty(); ++at) {
        const char c = at < rows.size() ? rows[at] : '\n';
        if (c == '\t' || c == '\n') {
            row.push_back(std::exchange(field, std::string()));
            if (c == '\n') result.push_back(std::exchange(row, {}));
        } else if (c != '\\') {
            *field += c;
        } else if (const char escaped = rows[++at]; escaped == 'N') {
            field.reset();
        } else {
            *field += escaped == 't' ? '\t' : escaped == 'n' ? '\n' : escaped == 'r' ? '\r' : escaped;
        }
    }
    return result;
}

std::uint32_t fingerprint(std::string_view sql) {
    std::uint32_t hash = 2'166'136'261U;
    for (const unsigned char c : sql) hash = (hash ^ c) * 16'777'619U;
    return hash;
}

std::vector<const Modelled*> all_statements() {
    std::vector<const Modelled*> all;
    for (const auto& group :
         {order_statements(), stock_statements(), split_statements(), delivery_statements()}) {
        for (const auto& one : group) all.push_back(&one);
    }
    return all;
}

const Modelled* find_statement(std::string_view name) {
    static const auto by_name = [] {
        std::map<std::string_view, const Modelled*> map;
        for (const auto* one : all_statements()) map.emplace(one->statement->name, one);
        return map;
    }();
    const auto found = by_name.find(name);
    return found == by_name.end() ? nullptr : found->second;
}

}  // namespace cartwright::model
