#include "workers/cartwright/migrate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>

#include "common/catalogue/admin.hpp"
#include "common/command_line/command_line.hpp"
#include "common/crypto/digest.hpp"
#include "common/postgres/session.hpp"
#include "workers/cartwright/roles.hpp"
#include "workers/cartwright/settings.hpp"

namespace cartwright::operating {
namespace {

namespace files = std::filesystem;

constexpr const char* lock_name = "cartwright_migrate";

struct Migration {
    std::int64_t version = 0;
    std::string name;
    std::string sql;
    std::string checksum;
};

std::string read_file(const files::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw outcome::StartupError(fmt::format("{} can't be read", path.string()));
    return {std::istreambuf_iterator<char>(file), {}};
}

/// NNN_name.sql, numbered from 1 without a gap.
std::vector<Migration> migrations_in(const files::path& folder) {
    if (!files::is_directory(folder)) {
        throw outcome::StartupError(
            fmt::format("{} is no folder; name the folder of migrations with --migrations", folder.string()));
    }
    std::map<std::int64_t, Migration> found;
    for (const auto& entry : files::directory_iterator(folder)) {
        const auto name = entry.path().filename().string();
        if (entry.path().extension() != ".sql") continue;
        Migration migration;
        const auto read = std::from_chars(name.data(), name.data() + name.size(), migration.version);
        if (read.ec != std::errc{} || *read.ptr != '_') {
            throw outcome::StartupError(
                fmt::format("{} does not begin with a number and an underscore", entry.path().string()));
        }
        migration.name = name;
        migration.sql = read_file(entry.path());
        migration.checksum = crypto::hex(crypto::sha256(migration.sql)).substr(0, 16);
        if (!found.emplace(migration.version, migration).second) {
            throw outcome::StartupError(
                fmt::format("two migrations have number {} in {}", migration.version, folder.string()));
        }
    }
    std::vector<Migration> ordered;
    for (auto& [version, migration] : found) {
        if (version != static_cast<std::int64_t>(ordered.size()) + 1) {
            throw outcome::StartupError(
                fmt::format("migration {} is missing in {}", ordered.size() + 1, folder.string()));
        }
        ordered.push_back(std::move(migration));
    }
    return ordered;
}

using Applied = std::map<std::int64_t, std::string>;  ///< checksums by version

/// What is still to be run; an applied file must not have changed.
std::vector<Migration> pending(const std::vector<Migration>& all, const Applied& applied,
                               const char* server) {
    std::vector<Migration> left;
    for (const auto& migration : all) {
        const auto done = applied.find(migration.version);
        if (done == applied.end()) {
            left.push_back(migration);
        } else if (done->second != migration.checksum) {
            throw outcome::StartupError(
                fmt::format("{}: {} was changed after it was applied; put it back and write a new one",
                            server, migration.name));
        }
    }
    if (!applied.empty() && applied.rbegin()->first > static_cast<std::int64_t>(all.size())) {
        throw outcome::StartupError(
            fmt::format("{} has schema version {}, which is newer than this release knows", server,
                        applied.rbegin()->first));
    }
    return left;
}

class PostgresMigrator {
  public:
    explicit PostgresMigrator(const std::string& url)
        : session_({url, "cartwright-migrate", 0, std::chrono::hours(24)}) {}

    Applied applied() {
        Applied found;
        session_.transaction([&](postgres::Transaction& transaction) {
            found.clear();
            if (!transaction.execute_script("select to_regclass('schema_version') is not null").boolean(0, 0))
                return;
            const auto rows = transaction.execute_script("select version, checksum from schema_version");
            for (std::size_t i = 0; i < rows.size(); ++i)
                found.emplace(rows.integer(i, 0), std::string(rows.text(i, 1)));
        });
        return found;
    }

    /// One transaction, under a lock that a second migration waits for.
    void migrate(const std::vector<Migration>& all) {
        session_.transaction([&](postgres::Transaction& transaction) {
            transaction.execute_script(
                fmt::format("select pg_advisory_xact_lock(hashtext('{}'))", lock_name));
            transaction.execute_script(
                "create table if not exists schema_version (version bigint primary key, name text not null, "
                "checksum text not null, applied_at timestamptz not null default now())");
            Applied done;
            const auto rows = transaction.execute_script("select version, checksum from schema_version");
            for (std::size_t i = 0; i < rows.size(); ++i)
                done.emplace(rows.integer(i, 0), std::string(rows.text(i, 1)));
            for (const auto& migration : pending(all, done, "PostgreSQL")) {
                transaction.execute_script(migration.sql);
                transaction.execute_script(fmt::format(
                    "insert into schema_version (version, name, checksum) values ({}, '{}', '{}')",
                    migration.version, migration.name, migration.checksum));
                fmt::print("PostgreSQL  {}\n", migration.name);
            }
            set_up_roles(transaction);
        });
    }

  private:
    postgres::Session session_;
};

class CatalogueMigrator {
  public:
    explicit CatalogueMigrator(const std::string& url) : admin_(settings(url)) {}

    Applied applied() {
        Applied found;
        if (admin_.select("show tables like 'schema_version'").empty()) return found;
        for (const auto& row : admin_.select("select version, checksum from schema_version")) {
            found.emplace(std::stoll(row.at(0).value()), row.at(1).value());
        }
        return found;
    }

    void migrate(const std::vector<Migration>& all) {
        if (!admin_.lock(lock_name, std::chrono::seconds(60))) {
            throw outcome::Unavailable(
                "another migration of MariaDB is under way; wait for it and try again");
        }
        admin_.execute(
            "create table if not exists schema_version (version bigint primary key, name varchar(200) not "
            "null, "
            "checksum varchar(64) not null, applied_at timestamp not null default current_timestamp)");
        for (const auto& migration : pending(all, applied(), "MariaDB")) {
            admin_.execute(migration.sql);
            admin_.execute(fmt::format(
                "insert into schema_version (version, name, checksum) values ({}, {}, {})", migration.version,
                admin_.quote(migration.name), admin_.quote(migration.checksum)));
            fmt::print("MariaDB     {}\n", migration.name);
        }
        set_up_reader(admin_);
        admin_.unlock(lock_name);
    }

  private:
    static catalogue::Settings settings(const std::string& url) {
        catalogue::Settings settings;
        settings.url = url;
        settings.read_timeout = std::chrono::seconds(600);
        return settings;
    }

    catalogue::Admin admin_;
};

void print_status(const char* server, const std::vector<Migration>& all, const Applied& applied) {
    const auto left = pending(all, applied, server);
    fmt::print("{:<11} schema version {}, {} to be applied\n", server,
               applied.empty() ? 0 : applied.rbegin()->first, left.size());
    for (const auto& migration : left) fmt::print("            {}\n", migration.name);
}

void migrate(const std::string& folder, bool status_only) {
    PostgresMigrator postgres(from_environment("POSTGRES_ADMIN_URL"));
    CatalogueMigrator catalogue(from_environment("MARIADB_ADMIN_URL"));
    const auto for_postgres = migrations_in(files::path(folder) / "postgres");
    const auto for_catalogue = migrations_in(files::path(folder) / "mariadb");
    if (!status_only) {
        postgres.migrate(for_postgres);
        catalogue.migrate(for_catalogue);
    }
    print_status("PostgreSQL", for_postgres, postgres.applied());
    print_status("MariaDB", for_catalogue, catalogue.applied());
}

}  // namespace

void add_migrate(command_line::Command& program, int&) {
    auto command =
        program.command("migrate", "Bring PostgreSQL and MariaDB to this release's schema; safe to repeat");
    command.footer(
        "Needs POSTGRES_ADMIN_URL and MARIADB_ADMIN_URL. Sets up the roles cartwright_reserver, _splitter, "
        "_router "
        "and\n_operator, each with the password in CARTWRIGHT_RESERVER_PASSWORD and so on (or …_FILE) where "
        "that is "
        "set, and in\nMariaDB the account cartwright_reserver, which only reads.");
    auto folder = std::make_shared<std::string>(CARTWRIGHT_MIGRATIONS);
    auto status = std::make_shared<bool>(false);
    command.option("--migrations", folder.get(), "Folder with postgres/ and mariadb/").show_default();
    command.flag("--status", status.get(), "Only say what is applied and what is not");
    command.runs([folder, status] { migrate(*folder, *status); });
}

}  // namespace cartwright::operating
