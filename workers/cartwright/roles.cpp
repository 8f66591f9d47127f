#include "workers/cartwright/roles.hpp"

#include <fmt/format.h>

#include <array>
#include <string>
#include <vector>

#include "common/postgres/role_settings.hpp"
#include "workers/cartwright/accounts.hpp"

namespace cartwright::operating {
namespace {

struct Right {
    const char* table;
    const char* verbs;
};

struct Role {
    const char* program;
    std::vector<Right> rights;
};

/// The ledger and what was switched or voided are never changed, by nobody.
const std::array<Role, 4> roles{{{"reserver",
                                  {{"orders", "select, insert, update"},
                                   {"stock_position", "select, insert, update"},
                                   {"stock_event", "select, insert"},
                                   {"reservation", "select, insert, update"},
                                   {"held_line", "select, insert, delete"},
                                   {"inbox", "select, insert, update, delete"},
                                   {"attempt", "select, insert, update, delete"},
                                   {"schema_version", "select"}}},
                                 {"splitter",
                                  {{"inbox", "select, insert"},
                                   {"seller_stream", "select, insert, update"},
                                   {"seller_message", "select, insert"},
                                   {"attempt", "select, insert, update, delete"},
                                   {"schema_version", "select"}}},
                                 {"router",
                                  {{"seller_stream", "select"},
                                   {"seller_message", "select"},
                                   {"seller_delivery", "select, insert, update"},
                                   {"seller_switch", "insert"},
                                   {"rules_version", "select, insert, update"},
                                   {"attempt", "select, insert, update, delete"},
                                   {"schema_version", "select"}}},
                                 {"operator",
                                  {{"seller_stream", "select"},
                                   {"seller_message", "select, update"},
                                   {"seller_delivery", "select, update"},
                                   {"seller_switch", "select, insert"},
                                   {"seller_void", "select, insert"},
                                   {"schema_version", "select"}}}}};

constexpr std::array<const char*, 4> catalogue_tables{"seller", "offer", "warehouse", "schema_version"};

void make_role(postgres::Transaction& transaction, const std::string& role) {
    const auto exists =
        transaction.execute_script(fmt::format("select from pg_roles where rolname = '{}'", role));
    if (exists.empty()) transaction.execute_script(fmt::format("create role {} login", role));
}

void set_password(postgres::Transaction& transaction, const std::string& role, const std::string& password) {
    const postgres::Statement quote{"quote_password", "select quote_literal($1)"};
    const auto quoted = std::string(transaction.run(quote, {password}).text(0, 0));
    transaction.execute_script(fmt::format("alter role {} password {}", role, quoted));
}

}  // namespace

void set_up_roles(postgres::Transaction& transaction) {
    const auto database =
        std::string(transaction.execute_script("select quote_ident(current_database())").text(0, 0));
    for (const auto& [program, rights] : roles) {
        const auto role = account_of(program);
        make_role(transaction, role);
        if (const auto password = password_of(program)) set_password(transaction, role, *password);
        for (const auto& setting : postgres::role_settings) {
            transaction.execute_script(fmt::format("alter role {} in database {} set {} = '{}'", role,
                                                   database, setting.name, setting.value));
        }
        transaction.execute_script(fmt::format("revoke all on all tables in schema public from {}", role));
        for (const auto& [table, verbs] : rights)
            transaction.execute_script(fmt::format("grant {} on {} to {}", verbs, table, role));
    }
}

void set_up_reader(catalogue::Admin& admin) {
    const auto password = password_of("reserver");
    if (!password) return;
    const auto account = fmt::format("'{}'@'%'", account_of("reserver"));
    admin.execute(
        fmt::format("create user if not exists {0}; alter user {0} identified by {1}; "
                    "revoke all privileges, grant option from {0}",
                    account, admin.quote(*password)));
    for (const auto* table : catalogue_tables)
        admin.execute(fmt::format("grant select on `{}` to {}", table, account));
}

}  // namespace cartwright::operating
