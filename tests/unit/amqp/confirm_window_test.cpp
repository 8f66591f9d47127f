#include "common/amqp/confirm_window.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <doctest/doctest.h>

namespace cartwright::amqp {
namespace {

LetterPointer letter(const std::string& id, const std::string& body = "", const std::string& key = "key") {
    auto made = std::make_unique<Letter>();
    made->message.exchange = "exchange";
    made->message.routing_key = key;
    made->message.message_id = id;
    made->message.body = body;
    return made;
}

std::vector<std::string> ids(const std::vector<Answered>& answers) {
    std::vector<std::string> names;
    for (const auto& answer : answers) names.push_back(answer.letter->message.message_id);
    return names;
}

TEST_CASE("an answer settles one number, or it and all before it") {
    ConfirmWindow window(10, 1'000'000);
    for (const auto* id : {"1", "2", "3", "4", "5"}) window.add(letter(id));
    std::vector<Answered> out;
    window.answer(4, false, Confirm::accepted, out);
    CHECK(ids(out) == std::vector<std::string>{"4"});
    CHECK(window.size() == 4);
    window.answer(4, false, Confirm::accepted, out);
    window.answer(6, true, Confirm::accepted, out);
    window.answer(99, false, Confirm::refused, out);
    CHECK(out.size() == 1);
    out.clear();
    window.answer(2, true, Confirm::refused, out);
    CHECK(ids(out) == std::vector<std::string>{"1", "2"});
    CHECK(out[0].confirm == Confirm::refused);
    window.answer(1, true, Confirm::accepted, out);
    CHECK(out.size() == 2);
    out.clear();
    window.answer(0, true, Confirm::accepted, out);
    CHECK(ids(out) == std::vector<std::string>{"3", "5"});
    CHECK(window.size() == 0);
    CHECK(window.bytes() == 0);
    CHECK(window.oldest() == nullptr);
    window.answer(0, true, Confirm::accepted, out);
    CHECK(window.add(letter("6")) == 6);
}

TEST_CASE("the window is bounded in count and in bytes, and an empty one takes anything") {
    ConfirmWindow window(2, 1'000);
    CHECK(window.has_room(5'000));
    window.add(letter("1", std::string(500, 'x')));
    CHECK(window.has_room(300));
    CHECK_FALSE(window.has_room(900));
    window.add(letter("2"));
    CHECK_FALSE(window.has_room(1));
    std::vector<Answered> out;
    window.answer(2, true, Confirm::accepted, out);
    window.add(letter("3", std::string(5'000, 'x')));
    CHECK_FALSE(window.has_room(1));
}

TEST_CASE("a return is about the first message like it behind the one returned last") {
    ConfirmWindow window(10, 1'000'000);
    window.add(letter("a", "one"));
    window.add(letter("a", "two"));
    window.add(letter("a", "one"));
    window.add(letter("b", "one"));
    window.add(letter("a", "one"));
    const auto returned = [&](const char* id, const char* body) {
        return window.mark_returned(letter(id, body)->message);
    };
    CHECK(returned("a", "two")->message.body == "two");
    CHECK(returned("a", "one") != nullptr);
    CHECK(returned("c", "one") == nullptr);
    std::vector<Answered> out;
    window.answer(5, true, Confirm::accepted, out);
    std::vector<Confirm> confirms;
    for (const auto& answer : out) confirms.push_back(answer.confirm);
    CHECK(confirms == std::vector{Confirm::accepted, Confirm::returned, Confirm::returned, Confirm::accepted,
                                  Confirm::accepted});
}

TEST_CASE("a return that differs in its content is still about the message of that address") {
    ConfirmWindow window(10, 1'000'000);
    auto optional = letter("a", "x");
    optional->message.mandatory = false;
    window.add(std::move(optional));
    window.add(letter("a", "x"));
    auto changed = letter("a", "x");
    changed->message.headers = {{"x-added", std::int64_t{1}}};
    CHECK(window.mark_returned(changed->message) != nullptr);
    std::vector<Answered> out;
    window.answer(2, true, Confirm::accepted, out);
    CHECK(out[0].confirm == Confirm::accepted);
    CHECK(out[1].confirm == Confirm::returned);
}

TEST_CASE("taking everything begins a new count") {
    ConfirmWindow window(10, 1'000'000);
    for (const auto* id : {"1", "2", "3"}) window.add(letter(id));
    std::vector<Answered> out;
    window.mark_returned(letter("2")->message);
    window.answer(2, false, Confirm::accepted, out);
    const auto rest = window.take_all();
    REQUIRE(rest.size() == 2);
    CHECK(rest[0]->message.message_id == "1");
    CHECK(rest[1]->message.message_id == "3");
    CHECK(window.size() == 0);
    CHECK(window.add(letter("4")) == 1);
    CHECK(window.mark_returned(letter("4")->message) != nullptr);
}

/// The obvious way: a map from number to what is known of it.
struct Model {
    struct Entry {
        std::string id;
        std::size_t bytes;
        bool returned = false;
    };
    std::map<std::uint64_t, Entry> open;
    std::uint64_t next = 1;

    std::vector<std::pair<std::string, Confirm>> answer(std::uint64_t number, bool multiple,
                                                        Confirm confirm) {
        std::vector<std::pair<std::string, Confirm>> settled;
        for (auto at = open.begin(); at != open.end();) {
            const bool meant = at->first == number || (multiple && (number == 0 || at->first < number));
            if (!meant) {
                ++at;
                continue;
            }
            const bool returned = at->second.returned && confirm == Confirm::accepted;
            settled.emplace_back(at->second.id, returned ? Confirm::returned : confirm);
            at = open.erase(at);
        }
        return settled;
    }
    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const auto& [number, entry] : open) sum += entry.bytes;
        return sum;
    }
};

TEST_CASE("whatever the broker says, the window says the same as a naive model") {
    std::mt19937 random(20'240'601);
    const auto below = [&](std::uint64_t bound) {
        return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(random);
    };
    for (int round = 0; round < 300; ++round) {
        ConfirmWindow window(1'000, 1'000'000);
        Model model;
        std::uint64_t last_returned = 0;
        for (int step = 0; step < 400; ++step) {
            const auto action = below(100);
            if (action < 50) {
                auto one = letter("id" + std::to_string(model.next), std::string(below(50), 'x'));
                const auto bytes = one->bytes();
                const auto id = one->message.message_id;
                REQUIRE(window.add(std::move(one)) == model.next);
                model.open[model.next++] = {id, bytes};
            } else if (action < 85) {
                const auto number = below(model.next + 2);
                const bool multiple = below(4) == 0;
                if (number == 0 && !multiple) continue;
                // A multiple answer beyond what was sent is not a thing that a broker says.
                if (multiple && number >= model.next) continue;
                const auto confirm = below(5) == 0 ? Confirm::refused : Confirm::accepted;
                std::vector<Answered> out;
                window.answer(number, multiple, confirm, out);
                std::vector<std::pair<std::string, Confirm>> got;
                for (const auto& one : out) got.emplace_back(one.letter->message.message_id, one.confirm);
                REQUIRE(got == model.answer(number, multiple, confirm));
            } else if (action < 97) {
                const auto from = model.open.upper_bound(last_returned);
                if (from == model.open.end()) continue;
                const auto left = static_cast<std::uint64_t>(std::distance(from, model.open.end()));
                const auto chosen =
                    std::next(from, static_cast<std::ptrdiff_t>(below(std::min<std::uint64_t>(left, 5))));
                Outgoing returned = letter(chosen->second.id)->message;
                REQUIRE(window.mark_returned(returned) != nullptr);
                chosen->second.returned = true;
                last_returned = chosen->first;
            } else if (action < 99) {
                const auto suffix = std::to_string(below(10));
                const auto chosen = [&](const std::string& id) { return id.ends_with(suffix); };
                const auto taken =
                    window.take_if([&](const Letter& one) { return chosen(one.message.message_id); });
                REQUIRE(taken.size() ==
                        std::erase_if(model.open, [&](const auto& one) { return chosen(one.second.id); }));
            } else {
                REQUIRE(window.take_all().size() == model.open.size());
                model = {};
                last_returned = 0;
            }
            REQUIRE(window.size() == model.open.size());
            REQUIRE(window.bytes() == model.bytes());
            if (!model.open.empty())
                REQUIRE(window.oldest()->message.message_id == model.open.begin()->second.id);
        }
    }
}

}  // namespace
}  // namespace cartwright::amqp
