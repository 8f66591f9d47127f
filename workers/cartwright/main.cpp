// The operator's command: `cartwright migrate|topology|rules|stream|parked`.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "workers/cartwright/migrate.hpp"
#include "workers/cartwright/parked.hpp"
#include "workers/cartwright/rules.hpp"
#include "workers/cartwright/stream.hpp"
#include "workers/cartwright/topology.hpp"

int main(int argc, char** argv) {
    using namespace cartwright::operating;
    CLI::App app{"Operates a Cartwright fleet. Each command says what it needs with --help.", "cartwright"};
    app.require_subcommand(1);
    app.footer(
        "URLs come from AMQP_URL, MANAGEMENT_URL, POSTGRES_ADMIN_URL and MARIADB_ADMIN_URL, as `scripts/up` "
        "writes\n"
        "them to .run/env, or from a configuration file.");
    int exit_code = 0;
    add_migrate(app, exit_code);
    add_topology(app, exit_code);
    add_rules(app, exit_code);
    add_stream(app, exit_code);
    add_parked(app, exit_code);
    try {
        app.parse(argc, argv);
        return exit_code;
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    } catch (const std::exception& error) {
        fmt::print(stderr, "cartwright: {}\n", error.what());
        return 1;
    }
}
