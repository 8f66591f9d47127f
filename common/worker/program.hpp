// What a worker's main is made of: configuration, connections, lanes, health, and an orderly end.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/amqp/control.hpp"
#include "common/amqp/publisher.hpp"
#include "common/catalogue/catalogue.hpp"
#include "common/config/config.hpp"
#include "common/postgres/session.hpp"
#include "common/routing/rules_source.hpp"
#include "common/worker/config.hpp"
#include "common/worker/handler.hpp"
#include "common/worker/lane.hpp"
#include "common/worker/packing.hpp"

namespace cartwright::worker {

class Program {
  public:
    struct State;
    explicit Program(State& state) : state_(state) {}

    const FleetConfig& fleet() const;

    /// The worker's own section of the configuration file. Throws outcome::StartupError.
    template <class Section>
    Section section() {
        Wrapped<Section> wrapped{name(), {}};
        load_section([&](config::Binder& binder) { wrapped.describe(binder); });
        return wrapped.section;
    }

    /// A lane with a handler of its own, made once at start.
    void lane(const LaneSettings& settings, const std::function<std::unique_ptr<Handler>()>& make_handler);

    /// The routing rules as they are now; from the first call on they follow the rules' directory.
    routing::RulesSource rules();

    /// As much in one message as the worker that reads it takes.
    PackLimits packing() const;

    /// The worker's own retry queue ("reserver.retry").
    std::string retry_queue() const;
    /// A database connection for one lane; connects at first use.
    std::unique_ptr<postgres::Session> postgres_session(const std::string& purpose) const;
    amqp::Publisher& publisher();
    /// A broker connection of its own for questions; connects at first use.
    std::unique_ptr<amqp::Control> control(const std::string& purpose) const;
    /// The vendor catalogue behind one cache for all lanes; from the first call on it follows
    /// `catalogue.changed`.
    catalogue::Catalogue& catalogue();

  private:
    template <class Section>
    struct Wrapped {
        std::string name;
        Section section;
        void describe(config::Binder& binder) {
            binder.section(name.c_str(), section, "This worker's own settings.");
        }
    };

    const std::string& name() const;
    void load_section(const config::Describe& describe);

    State& state_;
};

/// The whole life of a worker: reads arguments and configuration, lets `wire` add lanes, waits for the
/// servers, checks the versions of schema and topology, works until SIGTERM or SIGINT, drains. Returns the
/// exit code: 0 after an orderly end, 1 with one clear message when it can't start or could not drain in
/// time.
int run(const std::string& name, int argc, char** argv, const std::function<void(Program&)>& wire);

}  // namespace cartwright::worker
