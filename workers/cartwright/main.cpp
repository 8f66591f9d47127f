// The operator's command: `cartwright migrate|topology|rules|stream|parked`.
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "common/command_line/command_line.hpp"
#include "workers/cartwright/migrate.hpp"
#include "workers/cartwright/parked.hpp"
#include "workers/cartwright/rules.hpp"
#include "workers/cartwright/stream.hpp"
#include "workers/cartwright/topology.hpp"

int main(int argc, char** argv) {
    using namespace cartwright::operating;
    cartwright::command_line::Line line(
        "cartwright", "Operates a Cartwright fleet. Each command says what it needs with --help.");
    line.needs_command();
    line.footer(
        "URLs come from AMQP_URL, MANAGEMENT_URL, POSTGRES_ADMIN_URL and MARIADB_ADMIN_URL, as `scripts/up` "
        "writes\n"
        "them to .run/env, or from a configuration file.");
    int exit_code = 0;
    add_migrate(line, exit_code);
    add_topology(line, exit_code);
    add_rules(line, exit_code);
    add_stream(line, exit_code);
    add_parked(line, exit_code);
    try {
        return line.read(argc, argv).value_or(exit_code);
    } catch (const std::exception& error) {
        fmt::print(stderr, "cartwright: {}\n", error.what());
        return 1;
    }
}
