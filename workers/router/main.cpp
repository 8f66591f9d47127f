// The router: every stream in sequence to its seller.
#include "common/worker/program.hpp"
#include "workers/router/router.hpp"

int main(int argc, char** argv) {
    using namespace cartwright;
    return worker::run("router", argc, argv, [](worker::Program& program) {
        const auto config = program.section<router::Config>();
        worker::LaneSettings lane{"messages",
                                  {"router.seller-messages", program.retry_queue()},
                                  config.messages.prefetch,
                                  config.messages.members_max,
                                  worker::LaneKind::delivery};
        lane.tick = config.sweep_interval;
        lane.ladder_ends = false;
        program.lane(lane, [&] {
            auto outlet =
                std::make_unique<router::BrokerOutlet>(program.publisher(), program.control("depth"));
            return std::make_unique<router::Handler>(
                program.postgres_session("messages"), program.postgres_session("endpoints"),
                std::move(outlet), program.rules(), program.fleet().topology.settings.sellers_queues, config);
        });
    });
}
