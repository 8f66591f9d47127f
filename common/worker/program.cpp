#include "common/worker/program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>

#include "common/amqp/consumer.hpp"
#include "common/command_line/command_line.hpp"
#include "common/http/server.hpp"
#include "common/log/log.hpp"
#include "common/metrics/metrics.hpp"
#include "common/outcome/trouble.hpp"
#include "common/runtime/loop.hpp"
#include "common/worker/rules_watch.hpp"
#include "common/worker/statistics.hpp"
#include "common/worker/versions.hpp"

namespace cartwright::worker {
namespace {

using Clock = std::chrono::steady_clock;

enum class Phase { starting, running, draining };

struct Arguments {
    std::string config_file;
    std::string log_level = "info";
    int http_port = -1;
    bool print_config = false;
    bool check_config = false;
};

}  // namespace

struct Program::State {
    std::string name;
    Arguments arguments;
    FleetConfig fleet;
    amqp::Topology topology;
    runtime::Loop loop;
    std::unique_ptr<amqp::Publisher> publisher;
    std::unique_ptr<catalogue::Catalogue> catalogue;
    std::unique_ptr<RulesWatch> rules;
    std::vector<std::unique_ptr<Lane>> lanes;
    std::vector<amqp::Subscription> subscriptions;
    std::unique_ptr<amqp::Consumer> consumer;

    std::atomic<Phase> phase = Phase::starting;
    std::atomic<bool> stop_asked = false;
    std::atomic<int> exit_code = 0;
    std::mutex trouble_mutex;
    std::string startup_trouble = "waiting for the first connections";
    std::thread starter;
    std::thread drainer;

    void start(int http_port);
    void wait_for_servers();
    void wait_for_publisher();
    void check_versions();
    void drain();
    http::Response answer(const http::Request& request);
    std::vector<std::string> unready();
    std::vector<std::string> stuck() const;
};

const FleetConfig& Program::fleet() const {
    return state_.fleet;
}

const std::string& Program::name() const {
    return state_.name;
}

void Program::load_section(const config::Describe& describe) {
    if (state_.arguments.print_config) fmt::print("{}", config::reference_described(describe));
    if (state_.arguments.config_file.empty()) {
        return config::load_text_described(describe, "", "the environment", {});
    }
    auto foreign = root_sections();
    std::erase(foreign, state_.name);
    config::load_described(describe, state_.arguments.config_file, foreign);
}

void Program::lane(const LaneSettings& settings,
                   const std::function<std::unique_ptr<Handler>()>& make_handler) {
    const auto& limits = state_.fleet.limits;
    auto session = postgres_session(settings.name + "-attempts");
    LaneContext context{
        .worker = state_.name,
        .publisher = publisher(),
        .acknowledge = [&state = state_](
                           std::span<const amqp::AckToken> tokens) { state.consumer->acknowledge(tokens); },
        .limits = limits.messages,
        .ladder = {state_.fleet.topology.settings.rungs, limits.attempts_max},
        .deaths_max = static_cast<std::int64_t>(limits.deaths_max),
        .attempts = std::make_unique<Attempts>(state_.name, std::move(session))};
    state_.lanes.push_back(std::make_unique<Lane>(settings, std::move(context), make_handler()));
    auto* lane = state_.lanes.back().get();
    for (const auto& queue : settings.queues) {
        amqp::Subscription subscription;
        subscription.queue = queue;
        // What comes back from the ladder is single events, which hops between workers pack.
        const bool single = queue == retry_queue();
        subscription.prefetch =
            single ? std::max(settings.prefetch, settings.members_max) : settings.prefetch;
        subscription.deliver = [lane](amqp::Delivery&& delivery) { lane->deliver(std::move(delivery)); };
        subscription.reset = [lane, index = state_.subscriptions.size()] { lane->forget(index); };
        state_.subscriptions.push_back(std::move(subscription));
    }
}

routing::RulesSource Program::rules() {
    const auto& directory = state_.fleet.rules.directory;
    if (directory.empty()) return routing::fixed_rules();
    if (!state_.rules) state_.rules = std::make_unique<RulesWatch>(state_.loop, directory);
    return [&rules = *state_.rules] { return rules.current(); };
}

PackLimits Program::packing() const {
    return packed_for(state_.fleet.limits.messages);
}

std::string Program::retry_queue() const {
    return amqp::retry_queue(state_.name);
}

std::unique_ptr<postgres::Session> Program::postgres_session(const std::string& purpose) const {
    const auto& config = state_.fleet.postgres;
    return std::make_unique<postgres::Session>(
        postgres::Settings{config.url, state_.name + "-" + purpose,
                           static_cast<int>(config.deadlock_retries_max), config.stall_timeout});
}

amqp::Publisher& Program::publisher() {
    return *state_.publisher;
}

std::unique_ptr<amqp::Control> Program::control(const std::string& purpose) const {
    auto settings = state_.fleet.broker.connection;
    settings.name = state_.name + "-" + purpose;
    return std::make_unique<amqp::Control>(settings);
}

catalogue::Catalogue& Program::catalogue() {
    if (state_.catalogue) return *state_.catalogue;
    state_.catalogue = std::make_unique<catalogue::Catalogue>(state_.fleet.catalogue.settings);
    amqp::Subscription subscription;
    subscription.broadcast_exchange = "catalogue";
    auto decoder = std::make_shared<codec::Decoder>(state_.fleet.limits.messages);
    subscription.deliver = [&cache = *state_.catalogue, decoder](amqp::Delivery&& delivery) {
        for (const auto& one : decoder->decode(delivery.body)) {
            const auto* event = std::get_if<message::Event>(&one.content);
            const auto* changed =
                event == nullptr ? nullptr : std::get_if<message::CatalogueChanged>(&event->payload);
            if (changed == nullptr || (changed->skus.empty() && changed->sellers.empty())) {
                cache.clear();
            } else {
                cache.invalidate(changed->skus, changed->sellers);
            }
        }
    };
    subscription.reset = [&cache = *state_.catalogue] { cache.clear(); };
    state_.subscriptions.push_back(std::move(subscription));
    return *state_.catalogue;
}

void Program::State::check_versions() {
    postgres::Session session({fleet.postgres.url, name + "-start", 0, fleet.postgres.stall_timeout});
    postgres::check_schema_version(session, postgres_schema_version);
    postgres::check_role_settings(session);
    if (catalogue) {
        cartwright::catalogue::check_schema_version(fleet.catalogue.settings.url, catalogue_schema_version);
    }
    auto settings = fleet.broker.connection;
    settings.name = name + "-start";
    amqp::Control control(settings);
    if (control.exchange_exists("topology." + topology.version)) return;
    throw outcome::StartupError("the broker does not have topology " + topology.version +
                                ": run `cartwright topology apply` with this worker's configuration");
}

/// Until the servers answer; what is merely away is waited for, a wrong version ends the program.
void Program::State::wait_for_servers() {
    for (auto pause = std::chrono::milliseconds{50}; !stop_asked;
         pause = std::min<std::chrono::milliseconds>(pause * 2, std::chrono::seconds{2})) {
        try {
            return check_versions();
        } catch (const outcome::Unavailable& trouble) {
            log::warn("waiting_for_servers", {{"why", std::string_view(trouble.what())}});
            const std::lock_guard lock(trouble_mutex);
            startup_trouble = trouble.what();
        }
        for (auto waited = std::chrono::milliseconds{0}; waited < pause && !stop_asked;
             waited += std::chrono::milliseconds{10}) {
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
        }
    }
}

/// A lane that has work before it can publish would only pause.
void Program::State::wait_for_publisher() {
    while (!stop_asked && !publisher->wait_connected(std::chrono::milliseconds{100})) {
        const std::lock_guard lock(trouble_mutex);
        startup_trouble = publisher->trouble();
    }
}

void Program::State::start(int http_port) {
    try {
        wait_for_servers();
        if (stop_asked) return;
        publisher->start();
        wait_for_publisher();
        if (stop_asked) return;
        for (auto& lane : lanes) lane->start();
        consumer->start();
        phase = Phase::running;
        log::info("started", {{"http_port", http_port}, {"topology", topology.version}});
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", name, error.what());
        exit_code = 1;
        loop.stop();
    }
}

void Program::State::drain() {
    log::info("draining");
    const auto deadline = Clock::now() + fleet.limits.drain_deadline;
    const auto left = [&] {
        return std::max(std::chrono::milliseconds{1},
                        std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()));
    };
    if (starter.joinable()) starter.join();
    const bool ran = phase == Phase::running;
    phase = Phase::draining;
    bool whole = true;
    if (ran) {
        consumer->stop_intake(std::min<std::chrono::milliseconds>(left(), std::chrono::seconds{5}));
        for (auto& lane : lanes) whole = lane->finish(deadline) && whole;
        whole = publisher->drain(left()) && whole;
        consumer->close();
        publisher->close();
    }
    log::info("drained", {{"whole", whole}});
    for (const auto& lane : lanes) {
        if (lane->ended()) continue;
        // Nothing interrupts a statement that waits for a lock. What is not committed never happened.
        log::warn("left_at_work", {{"lane", lane->settings().name}});
        std::_Exit(1);
    }
    if (!whole && exit_code == 0) exit_code = 1;
    loop.stop();
}

std::vector<std::string> Program::State::unready() {
    std::vector<std::string> why;
    if (phase == Phase::starting) {
        const std::lock_guard lock(trouble_mutex);
        why.push_back("starting: " + startup_trouble);
    }
    if (phase == Phase::draining) why.emplace_back("draining");
    if (phase != Phase::running) return why;
    if (!consumer->consuming()) why.push_back("not consuming: " + consumer->trouble());
    if (!publisher->connected()) why.emplace_back("the publisher is not connected");
    if (publisher->blocked()) why.emplace_back("the broker has blocked publishing (memory or disk alarm)");
    if (const auto trouble = publisher->trouble(); !trouble.empty())
        why.push_back("publishing waits: " + trouble);
    for (const auto& lane : lanes) {
        if (const auto trouble = lane->trouble(); !trouble.empty()) {
            why.push_back("lane " + lane->settings().name + " is paused: " + trouble);
        }
    }
    return why;
}

std::vector<std::string> Program::State::stuck() const {
    std::vector<std::string> why;
    for (const auto& lane : lanes) {
        if (lane->busy_for() > fleet.limits.stuck_after)
            why.push_back("lane " + lane->settings().name + " is stuck");
    }
    return why;
}

http::Response Program::State::answer(const http::Request& request) {
    const auto state_of = [](const std::vector<std::string>& why) {
        http::Response response;
        response.status = why.empty() ? 200 : 503;
        response.body = why.empty() ? "ok\n" : fmt::format("{}\n", fmt::join(why, "\n"));
        return response;
    };
    if (request.path == "/metrics") {
        http::Response response;
        response.body = metrics::expose();
        response.content_type = "text/plain; version=0.0.4; charset=utf-8";
        return response;
    }
    if (request.path == "/healthz/live") return state_of(stuck());
    if (request.path == "/healthz/ready") return state_of(unready());
    if (request.path == "/healthz/startup")
        return state_of(phase == Phase::starting ? unready() : std::vector<std::string>{});
    http::Response response;
    response.status = 404;
    response.body = "here are /metrics, /healthz/live, /healthz/ready and /healthz/startup\n";
    return response;
}

namespace {

/// Nothing: go on. A number: exit with it.
std::optional<int> parse(const std::string& name, int argc, char** argv, Arguments& arguments) {
    command_line::Line line(
        name, "Cartwright worker `" + name + "`: consumes its RabbitMQ queues until SIGTERM, then drains.");
    line.footer(
        "URLs come from AMQP_URL, POSTGRES_URL and MARIADB_URL (or <NAME>_FILE), or from the file.\n"
        "Example: " +
        name + " --config deploy/config/cartwright.yaml --http-port 9100");
    line.option("--config", &arguments.config_file,
                "YAML file; without one, defaults and the environment count");
    line.option("--http-port", &arguments.http_port, "Port of /metrics and /healthz (0: any free one)");
    line.option("--log-level", &arguments.log_level, "debug, info, warn or error")
        .one_of({"debug", "info", "warn", "error"});
    line.flag("--print-config", &arguments.print_config, "Print every key with default, range and meaning");
    line.flag("--check-config", &arguments.check_config, "Read the configuration, say what is wrong, exit");
    return line.read(argc, argv);
}

log::Level level_of(const std::string& text) {
    if (text == "debug") return log::Level::debug;
    if (text == "warn") return log::Level::warn;
    return text == "error" ? log::Level::error : log::Level::info;
}

void load_fleet(const Arguments& arguments, FleetConfig& fleet) {
    if (arguments.print_config) fmt::print("{}", config::reference(fleet));
    if (arguments.config_file.empty()) return config::load_text(fleet, "", "the environment");
    config::load(fleet, arguments.config_file, worker_sections());
}

/// Who only reads the configuration needs no servers; nothing connects to these.
void name_places(FleetConfig& fleet) {
    if (fleet.broker.connection.url.empty()) fleet.broker.connection.url = "amqp://localhost";
    if (fleet.catalogue.settings.url.empty()) fleet.catalogue.settings.url = "mysql://localhost/none";
}

void require_urls(const FleetConfig& fleet) {
    std::string missing;
    if (fleet.broker.connection.url.empty()) missing += " AMQP_URL";
    if (fleet.postgres.url.empty()) missing += " POSTGRES_URL";
    if (!missing.empty())
        throw outcome::StartupError("not set:" + missing + "; `scripts/up` writes them to .run/env");
}

}  // namespace

namespace {

int live(Program::State& state, const std::function<void(Program&)>& wire) {
    log::set_worker(state.name);
    log::set_level(level_of(state.arguments.log_level));
    load_fleet(state.arguments, state.fleet);
    const bool only_looks = state.arguments.print_config || state.arguments.check_config;
    if (only_looks) name_places(state.fleet);
    state.fleet.broker.connection.name = state.name;
    state.topology = amqp::describe_topology(state.fleet.topology.settings);
    auto publishing = state.fleet.broker.connection;
    publishing.name += "-publisher";
    state.publisher = std::make_unique<amqp::Publisher>(publishing, state.fleet.broker.publisher);
    Program program(state);
    wire(program);
    if (only_looks) return 0;
    require_urls(state.fleet);
    state.consumer =
        std::make_unique<amqp::Consumer>(state.fleet.broker.connection, std::move(state.subscriptions));
    export_statistics(*state.publisher, *state.consumer, state.catalogue.get());
    const int port = state.arguments.http_port >= 0 ? state.arguments.http_port : state.fleet.http.port;
    http::Server server(state.loop.native(), state.fleet.http.address, port,
                        [&state](const http::Request& request) { return state.answer(request); });
    state.loop.on_signal({SIGHUP}, [](int) {});
    state.loop.on_signal({SIGTERM, SIGINT}, [&state](int) {
        if (!state.stop_asked.exchange(true)) state.drainer = std::thread([&state] { state.drain(); });
    });
    state.starter = std::thread([&state, bound = server.port()] { state.start(bound); });
    state.loop.run();
    state.stop_asked = true;
    if (state.drainer.joinable()) state.drainer.join();
    if (state.starter.joinable()) state.starter.join();
    return state.exit_code;
}

}  // namespace

int run(const std::string& name, int argc, char** argv, const std::function<void(Program&)>& wire) {
    auto state = std::make_unique<Program::State>();
    state->name = name;
    if (const auto code = parse(name, argc, argv, state->arguments)) return *code;
    try {
        const int code = live(*state, wire);
        // Threads that call back into lanes end before the lanes do.
        state->consumer.reset();
        state->publisher.reset();
        state->lanes.clear();
        return code;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", name, error.what());
        return 1;
    }
}

}  // namespace cartwright::worker
