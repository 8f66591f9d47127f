// A configuration with one field of each kind.
#pragma once

#include <string>
#include <vector>

#include "common/config/config.hpp"
#include "common/outcome/trouble.hpp"

namespace example {

using namespace std::chrono_literals;
namespace config = cartwright::config;

enum class Level { debug, info, warn };

struct Pool {
    std::int64_t lanes = 4;
    std::size_t batch_max = 500;
    std::chrono::milliseconds idle_limit = 30s;

    void describe(config::Binder& binder) {
        binder.field("lanes", lanes, {1, 64}, "Threads with a connection each.");
        binder.field("batch_max", batch_max, {1, 10'000}, "Members of a transaction.");
        binder.field("idle_limit_ms", idle_limit, {100, 600'000}, "Then it is closed.");
    }
};

struct Rule {
    std::string match;
    int weight = 1;

    void describe(config::Binder& binder) {
        binder.field("match", match, "What it is about.");
        binder.field("weight", weight, {0, 10}, "How much.");
    }
};

struct Service {
    std::string name = "main";
    bool enabled = true;
    Level level = Level::info;
    std::vector<std::string> queues{"a", "b"};
    std::vector<std::chrono::milliseconds> delays{1s, 5s};
    std::string url;
    Pool pool;
    std::vector<Rule> rules;

    void describe(config::Binder& binder) {
        binder.field("name", name, "Its name.");
        binder.field("enabled", enabled, "Off | on.");
        binder.choice("level", level, {{"debug", Level::debug}, {"info", Level::info}, {"warn", Level::warn}},
                      "Lines below it are left out.");
        binder.field("queues", queues, "Where it listens.");
        binder.field("delays_ms", delays, {1, 3'600'000}, "Rungs.");
        binder.secret("url", url, "EXAMPLE_URL", "The broker.");
        binder.section("pool", pool, "Lanes.");
        binder.list("rules", rules, 3, "In order.");
    }
};

/// The text of the problems; empty where there are none.
inline std::string problems_of(Service& service, const std::string& text,
                               const std::vector<std::string>& foreign_sections = {}) {
    try {
        config::load_text(service, text, "c.yaml", foreign_sections);
        return {};
    } catch (const cartwright::outcome::StartupError& trouble) {
        return trouble.what();
    }
}

inline std::string problems_of(const std::string& text,
                               const std::vector<std::string>& foreign_sections = {}) {
    Service service;
    return problems_of(service, text, foreign_sections);
}

}  // namespace example
