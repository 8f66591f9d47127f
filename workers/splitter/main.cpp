// The splitter: one numbered message a seller for every order and cancellation.
#include "common/worker/program.hpp"
#include "workers/splitter/splitter.hpp"

int main(int argc, char** argv) {
    using namespace cartwright;
    return worker::run("splitter", argc, argv, [](worker::Program& program) {
        auto config = program.section<splitter::Config>();
        config.packing = program.packing();
        program.lane({"orders",
                      {"splitter.orders", program.retry_queue()},
                      config.orders.prefetch,
                      config.orders.members_max},
                     [&] {
                         return std::make_unique<splitter::Handler>(program.postgres_session("orders"),
                                                                    program.rules(), config);
                     });
    });
}
