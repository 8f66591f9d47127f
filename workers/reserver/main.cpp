// The reserver: the only writer of stock. Carts, movements and doorbells have a lane each.
#include "common/worker/program.hpp"
#include "workers/reserver/carts.hpp"
#include "workers/reserver/fill.hpp"
#include "workers/reserver/movements.hpp"
#include "workers/reserver/retries.hpp"

int main(int argc, char** argv) {
    using namespace cartwright;
    return worker::run("reserver", argc, argv, [](worker::Program& program) {
        auto config = program.section<reserver::Config>();
        config.packing = program.packing();
        auto& catalogue = program.catalogue();
        const auto carts = [&](const char* lane) {
            return std::make_unique<reserver::CartHandler>(program.postgres_session(lane), catalogue, config);
        };
        const auto movements = [&](const char* lane) {
            return std::make_unique<reserver::MovementHandler>(program.postgres_session(lane), catalogue,
                                                               config);
        };
        const auto outside = [&](const char* lane, const std::string& queue,
                                 const worker::LaneConfig& bounds) {
            worker::LaneSettings settings{lane, {queue}, bounds.prefetch, bounds.members_max};
            settings.answers = true;
            return settings;
        };
        program.lane(outside("carts", "reserver.carts", config.carts), [&] { return carts("carts"); });
        auto movements_lane = outside("movements", "reserver.movements", config.movements);
        movements_lane.gather = config.movements_gather;
        program.lane(movements_lane, [&] { return movements("movements"); });
        program.lane({"fill", {"reserver.fill"}, 32, 32}, [&] {
            return std::make_unique<reserver::FillHandler>(program.postgres_session("fill"), catalogue,
                                                           config);
        });
        program.lane(outside("retries", program.retry_queue(), {32, 32}), [&] {
            return std::make_unique<reserver::RetryHandler>(
                carts("retries"), movements("retries"),
                std::make_unique<reserver::FillHandler>(program.postgres_session("retries"), catalogue,
                                                        config));
        });
    });
}
