// The programs of the fleet as their main.cpp wires them, with queues and clocks of the model.
#include "common/routing/rules_source.hpp"
#include "tests/model/lane.hpp"
#include "workers/reserver/carts.hpp"
#include "workers/reserver/fill.hpp"
#include "workers/reserver/movements.hpp"
#include "workers/reserver/retries.hpp"
#include "workers/router/router.hpp"
#include "workers/splitter/splitter.hpp"

namespace cartwright::model {
namespace {

std::unique_ptr<postgres::Session> session() {
    return std::make_unique<postgres::Session>(postgres::Settings{});
}

catalogue::Catalogue& the_catalogue() {
    static catalogue::Catalogue catalogue{catalogue::Settings{}};
    return catalogue;
}

/// Sellers' queues. A run that the broker does not take to its end takes nothing more of that queue: a queue
/// is there or is not, and a connection brings its messages in order up to where it was cut.
class SellerQueues : public router::Outlet {
  public:
    SellerQueues(World& world, Program& program) : world_(world), program_(program) {}

    std::vector<amqp::Confirm> publish(std::span<const amqp::Outgoing> messages,
                                       std::chrono::milliseconds) override {
        std::vector<amqp::Confirm> confirms(messages.size(), amqp::Confirm::unsent);
        const auto connection = program_.process.connection;
        const bool fails = world_.stormy() && world_.random.per_cent(world_.faults.seller_queues);
        const auto fails_from =
            fails && !messages.empty() ? world_.random.below(messages.size()) : messages.size();
        constexpr amqp::Confirm ways[] = {amqp::Confirm::refused, amqp::Confirm::returned,
                                          amqp::Confirm::unknown};
        const auto way = ways[world_.random.below(3)];
        std::vector<std::size_t> nacked;
        for (std::size_t i = 0; i < messages.size(); ++i) {
            world_.scheduler.step();
            if (connection != program_.process.connection) return cut(messages, std::move(confirms), i);
            const bool refused =
                i >= fails_from && messages[i].routing_key == messages[fails_from].routing_key;
            if (refused && world_.is(Mutation::run_goes_on_after_a_nack)) {
                if (i == fails_from) nacked.push_back(i);
                if (i > fails_from) arrive(messages[i]);
                confirms[i] = amqp::Confirm::accepted;
                continue;
            }
            if (refused && (way != amqp::Confirm::unknown || world_.random.per_cent(50))) {
                confirms[i] = way;
                // What is not confirmed may be there all the same, but then so is all before it.
                if (way == amqp::Confirm::unknown) return unknown_from(messages, std::move(confirms), i);
                continue;
            }
            arrive(messages[i]);
            confirms[i] = refused ? way : amqp::Confirm::accepted;
        }
        for (const auto i : nacked) arrive(messages[i]);
        return confirms;
    }

    std::string trouble() const override {
        return world_.scheduler.time_us < away_until_us_ ? "not connected to the broker" : "";
    }
    std::optional<std::uint64_t> depth(const std::string&) override { return 0; }
    void declare(const std::string&) override {}

  private:
    std::vector<amqp::Confirm> cut(std::span<const amqp::Outgoing> messages,
                                   std::vector<amqp::Confirm> confirms, std::size_t from) {
        if (world_.random.per_cent(50)) away_until_us_ = world_.scheduler.time_us + 20 * ms;
        const auto sent = from + world_.random.below(messages.size() - from + 1);
        for (std::size_t i = from; i < sent; ++i) confirms[i] = amqp::Confirm::unknown;
        const auto there = from + world_.random.below(sent - from + 1);
        for (std::size_t i = from; i < there; ++i) arrive(messages[i]);
        // Answers of what had arrived before may be lost too.
        const auto lost = world_.random.below(from + 1);
        for (std::size_t i = from - lost; i < from; ++i) confirms[i] = amqp::Confirm::unknown;
        return confirms;
    }

    std::vector<amqp::Confirm> unknown_from(std::span<const amqp::Outgoing> messages,
                                            std::vector<amqp::Confirm> confirms, std::size_t from) {
        for (std::size_t i = from + 1; i < messages.size(); ++i) {
            const bool same = messages[i].routing_key == messages[from].routing_key;
            confirms[i] = same ? amqp::Confirm::unknown : amqp::Confirm::accepted;
            if (!same) arrive(messages[i]);
        }
        return confirms;
    }

    void arrive(const amqp::Outgoing& message) {
        const auto text = [&](std::size_t i) { return std::get<std::string>(message.headers[i].second); };
        const bool own = message.routing_key.starts_with("seller.");
        world_.promises.arrived({text(0), text(1)}, std::get<std::int64_t>(message.headers[2].second),
                                own ? "own" : "shared", message.body);
    }

    World& world_;
    Program& program_;
    std::int64_t away_until_us_ = 0;
};

router::Config router_config() {
    router::Config config;
    config.run_messages_max = 6;
    config.catch_up_max = 4;
    config.sweep_time_max = std::chrono::hours(1);
    config.endpoints.lease = std::chrono::seconds(6);
    config.endpoints.catch_up_max = 3;
    config.endpoints.retry_delay_max = std::chrono::seconds(20);
    config.retry_delay_max = std::chrono::seconds(20);
    return config;
}

reserver::Config reserver_config() {
    reserver::Config config;
    config.fill_orders_max = 2;
    config.packing.events_max = 3;
    if (world().remembers_for_ever) {  // however little is left: most plans are wrong
        config.known_positions.age_max = std::chrono::hours(1);
        config.known_positions.spare = -1'000;
    }
    return config;
}

std::vector<LanePlan> reserver_lanes() {
    const auto carts = [] {
        return std::make_unique<reserver::CartHandler>(session(), the_catalogue(), reserver_config());
    };
    const auto movements = [] {
        return std::make_unique<reserver::MovementHandler>(session(), the_catalogue(), reserver_config());
    };
    const auto fill = [] {
        return std::make_unique<reserver::FillHandler>(session(), the_catalogue(), reserver_config());
    };
    const auto lane = [](const char* name, const char* queue, auto make) {
        return LanePlan{name, "reserver", {queue}, 4, 2, 0, true, make};
    };
    return {lane("carts", "reserver.carts", carts), lane("movements", "reserver.movements", movements),
            lane("fill", "reserver.fill", fill), lane("retries", "reserver.retry", [=] {
                return std::make_unique<reserver::RetryHandler>(carts(), movements(), fill());
            })};
}

LanePlan splitter_lane(Program& program) {
    LanePlan plan{"orders", "splitter", {"splitter.orders", "splitter.retry"}, 4, 2, 0, true, {}};
    plan.make = [&program] {
        splitter::Config config;
        config.packing.events_max = 3;
        return std::make_unique<splitter::Handler>(session(), [&program] { return program.rules; }, config);
    };
    return plan;
}

LanePlan router_lane(World& world, Program& program) {
    LanePlan plan{"messages", "router", {"router.seller-messages", "router.retry"}, 4, 1, 3'000 * ms,
                  false,      {}};
    plan.make = [&world, &program] {
        return std::make_unique<router::Handler>(
            session(), session(), std::make_unique<SellerQueues>(world, program),
            [&program] { return program.rules; }, 2, router_config());
    };
    return plan;
}

}  // namespace

void start_actors(World& world, Program& program) {
    std::vector<LanePlan> plans;
    switch (program.kind) {
        case Program::Kind::reserver:
            plans = reserver_lanes();
            break;
        case Program::Kind::splitter:
            plans = {splitter_lane(program)};
            break;
        case Program::Kind::router:
            plans = {router_lane(world, program)};
            break;
    }
    for (auto& plan : plans) {
        world.scheduler.spawn(program.process, program.process.name + "/" + plan.name,
                              [&world, &program, plan] { run_lane(world, program, plan); });
    }
    world.scheduler.spawn(program.process, program.process.name + "/publisher",
                          [&world, &program] { run_publisher(world, program); });
}

}  // namespace cartwright::model
