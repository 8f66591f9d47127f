#include <fmt/format.h>

#include "common/outcome/trouble.hpp"
#include "common/postgres/role_settings.hpp"
#include "common/postgres/session.hpp"

namespace cartwright::postgres {

void check_schema_version(Session& session, std::int64_t wanted) {
    std::int64_t found = 0;
    session.transaction([&](Transaction& transaction) {
        const auto table = transaction.execute_script("select to_regclass('schema_version') is not null");
        if (!table.boolean(0, 0)) return;
        found =
            transaction.execute_script("select coalesce(max(version), 0) from schema_version").integer(0, 0);
    });
    if (found == wanted) return;
    throw outcome::StartupError(
        fmt::format("PostgreSQL has schema version {}, this program wants {}: run `cartwright migrate`{}",
                    found, wanted, found > wanted ? " of this version, or start a newer worker" : ""));
}

void check_role_settings(Session& session) {
    std::string differences;
    session.transaction([&](Transaction& transaction) {
        for (const auto& setting : role_settings) {
            const auto shown = transaction.execute_script(fmt::format("show {}", setting.name));
            if (shown.text(0, 0) == setting.value) continue;
            differences +=
                fmt::format("\n  {} is {}, must be {}", setting.name, shown.text(0, 0), setting.value);
        }
    });
    if (differences.empty()) return;
    throw outcome::StartupError(
        "the database role of this worker lacks settings that keep the order of locks:" + differences +
        "\nRun `cartwright migrate` and connect as the role it sets up.");
}

}  // namespace cartwright::postgres
