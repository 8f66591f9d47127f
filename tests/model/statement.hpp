// The product's named statements, each with what it does to the model database.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/postgres/session.hpp"
#include "tests/model/database.hpp"
#include "tests/model/mutation.hpp"

namespace cartwright::model {

struct Answer {
    std::vector<std::vector<MaybeText>> rows;
    std::size_t affected = 0;
};

/// Elements of an array literal as postgres::Array builds it.
std::vector<MaybeText> elements(std::string_view literal);
std::vector<Text> joined(std::string_view texts);
/// Rows as postgres::NewRows builds them.
std::vector<std::vector<MaybeText>> appended(std::string_view rows);

/// One run of a statement.
class Call {
  public:
    Call(Database& of, Work& one, Mutation mutation, std::int64_t now_us,
         std::span<const postgres::Parameter> parameters)
        : database(of), work(one), time_us(now_us), mutation_(mutation), parameters_(parameters) {}

    Database& database;
    Work& work;
    const std::int64_t time_us;  ///< clock_timestamp(); now() is work.begun_us
    Answer answer;

    bool is(Mutation mutation) const { return mutation_ == mutation; }
    std::vector<MaybeText> list(std::size_t parameter) const { return elements(*parameters_[parameter]); }
    /// As postgres::Texts builds them.
    std::vector<Text> texts(std::size_t parameter) const { return joined(*parameters_[parameter]); }
    const Text& text(std::size_t parameter) const { return *parameters_[parameter]; }
    Number number(std::size_t parameter) const { return std::stoll(*parameters_[parameter]); }

    template <class... Values>
    void row(const Values&... values) {
        answer.rows.push_back({cell(values)...});
        ++answer.affected;
    }

  private:
    static MaybeText cell(const Text& value) { return value; }
    static MaybeText cell(const MaybeText& value) { return value; }
    static MaybeText cell(Number value) { return std::to_string(value); }
    static MaybeText cell(bool value) { return value ? "t" : "f"; }
    static MaybeText cell(const MaybeNumber& value) {
        return value ? MaybeText(std::to_string(*value)) : std::nullopt;
    }

    Mutation mutation_;
    std::span<const postgres::Parameter> parameters_;
};

inline Number to_number(const MaybeText& text) {
    return std::stoll(*text);
}
inline MaybeNumber maybe_number(const MaybeText& text) {
    return text ? MaybeNumber(std::stoll(*text)) : std::nullopt;
}

struct Modelled {
    const postgres::Statement* statement;
    std::uint32_t fingerprint;  ///< of its SQL when it was modelled
    void (*run)(Call&);
    bool locks = false;       ///< its arrays are keys whose rows it locks: sorted, without repeats
    std::size_t keys = 0;     ///< so many of its first parameters are the key
    bool may_repeat = false;  ///< what else it compares tells equal keys apart
};

std::uint32_t fingerprint(std::string_view sql);
std::span<const Modelled> order_statements();
std::span<const Modelled> stock_statements();
std::span<const Modelled> split_statements();
std::span<const Modelled> delivery_statements();
/// Null when nobody has modelled it.
const Modelled* find_statement(std::string_view name);
std::vector<const Modelled*> all_statements();

}  // namespace cartwright::model
