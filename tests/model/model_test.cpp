// Deterministic simulation: thousands of schedules of a whole fleet, each from one seed, judged after every
// step. CARTWRIGHT_MODEL_SEED=n runs that one alone and prints what happened; CARTWRIGHT_MODEL_SCHEDULES says
// how many are run (on every core), CARTWRIGHT_MODEL_FIRST_SEED from where on, CARTWRIGHT_MODEL_MUTATION=name
// which rule is taken away in them.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/log/log.hpp"
#include "tests/model/statement.hpp"
#include "tests/model/world.hpp"

using namespace cartwright;
using namespace cartwright::model;

namespace {

constexpr std::uint64_t schedules_ordinarily = 10'000;
constexpr std::uint64_t schedules_of_a_mutation = 10'000;

std::optional<std::uint64_t> number_from(const char* variable) {
    const auto* text = std::getenv(variable);
    if (text == nullptr || *text == '\0') return std::nullopt;
    return std::strtoull(text, nullptr, 10);
}

Mutation chosen_mutation() {
    const auto* name = std::getenv("CARTWRIGHT_MODEL_MUTATION");
    if (name == nullptr) return Mutation::none;
    for (const auto& one : mutations) {
        if (one.name == name) return one.mutation;
    }
    return Mutation::none;
}

std::optional<std::string> run_schedule(std::uint64_t seed, Mutation mutation) {
    World world(seed, mutation, false);
    return world.run();
}

std::string explain(std::uint64_t seed, Mutation mutation) {
    World world(seed, mutation, true);
    const auto broken = world.run();
    std::string text;
    for (const auto& line : world.trace()) text += line + "\n";
    return text + fmt::format("seed {}: {}\n", seed, broken.value_or("every promise was kept"));
}

struct Finding {
    std::uint64_t seed = 0;
    std::string what;
};

/// The lowest seed that breaks a promise, of `count` from `first_seed` on.
std::optional<Finding> search(std::uint64_t first_seed, std::uint64_t count, Mutation mutation,
                              unsigned threads) {
    std::atomic<std::uint64_t> next = first_seed;
    std::mutex mutex;
    std::optional<Finding> found;
    const auto last = first_seed + count - 1;
    const auto work = [&] {
        for (auto seed = next++; seed <= last; seed = next++) {
            {
                const std::lock_guard lock(mutex);
                if (found && found->seed < seed) return;
            }
            auto broken = run_schedule(seed, mutation);
            if (!broken) continue;
            const std::lock_guard lock(mutex);
            if (!found || seed < found->seed) found = Finding{seed, std::move(*broken)};
        }
    };
    std::vector<std::thread> others;
    for (unsigned i = 1; i < threads; ++i) others.emplace_back(work);
    work();
    for (auto& thread : others) thread.join();
    return found;
}

}  // namespace

TEST_CASE("the model knows every statement as it is written") {
    for (const auto* one : all_statements()) {
        INFO(std::string(one->statement->name), " has changed: model it again, then note its fingerprint ",
             fingerprint(one->statement->sql));
        CHECK(fingerprint(one->statement->sql) == one->fingerprint);
    }
}

TEST_CASE("no schedule breaks a promise") {
    log::set_level(log::Level::error);
    const auto mutation = chosen_mutation();
    if (const auto seed = number_from("CARTWRIGHT_MODEL_SEED")) {
        std::fputs(explain(*seed, mutation).c_str(), stdout);
        CHECK_FALSE(run_schedule(*seed, mutation).has_value());
        return;
    }
    const auto asked = number_from("CARTWRIGHT_MODEL_SCHEDULES");
    const auto threads = asked ? std::max(1U, std::thread::hardware_concurrency()) : 1U;
    const auto begun = std::chrono::steady_clock::now();
    const auto first_seed = number_from("CARTWRIGHT_MODEL_FIRST_SEED").value_or(1);
    const auto found = search(first_seed, asked.value_or(schedules_ordinarily), mutation, threads);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    MESSAGE(asked.value_or(schedules_ordinarily), " schedules in ", took.count(), " s");
    if (found) std::fputs(explain(found->seed, mutation).c_str(), stdout);
    INFO("seed ", found.value_or(Finding{}).seed, ": ", found.value_or(Finding{}).what);
    CHECK_FALSE(found.has_value());
}

TEST_CASE("a rule that is taken away is missed") {
    log::set_level(log::Level::error);
    const auto asked = number_from("CARTWRIGHT_MODEL_SCHEDULES").value_or(schedules_of_a_mutation);
    for (const auto& one : mutations) {
        const auto found = search(1, std::min(asked, schedules_of_a_mutation), one.mutation, 1);
        INFO(std::string(one.name), ": without the rule that ", std::string(one.rule), " nothing was found");
        if (asked >= schedules_of_a_mutation) CHECK(found.has_value());
        if (found)
            MESSAGE(std::string(one.name), " (", std::string(one.row), "): seed ", found->seed, ": ",
                    found->what);
    }
}
