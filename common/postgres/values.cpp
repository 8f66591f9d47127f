// How values are written into statements and rows.
#include "common/postgres/session.hpp"

namespace cartwright::postgres {

void Array::separate() {
    if (size_++ > 0) text_ += ',';
}

Array& Array::add(std::string_view text) {
    separate();
    text_ += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') text_ += '\\';
        text_ += c;
    }
    text_ += '"';
    return *this;
}

Array& Array::add(std::int64_t number) {
    separate();
    text_ += std::to_string(number);
    return *this;
}

Array& Array::add_null() {
    separate();
    text_ += "NULL";
    return *this;
}

void NewRows::separate() {
    if (!row_is_empty_) text_ += '\t';
    row_is_empty_ = false;
}

NewRows& NewRows::add(std::string_view text) {
    separate();
    for (const char c : text) {
        switch (c) {
            case '\\':
                text_ += "\\\\";
                break;
            case '\t':
                text_ += "\\t";
                break;
            case '\n':
                text_ += "\\n";
                break;
            case '\r':
                text_ += "\\r";
                break;
            default:
                text_ += c;
        }
    }
    return *this;
}

NewRows& NewRows::add(std::int64_t number) {
    separate();
    text_ += std::to_string(number);
    return *this;
}

NewRows& NewRows::add_null() {
    separate();
    text_ += "\\N";
    return *this;
}

void NewRows::end_row() {
    text_ += '\n';
    row_is_empty_ = true;
    ++size_;
}

}  // namespace cartwright::postgres
