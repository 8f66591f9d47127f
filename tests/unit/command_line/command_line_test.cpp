#include "common/command_line/command_line.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace cartwright;

namespace {

/// `market sell ITEM` with every kind of option.
struct Market {
    std::string item, colour = "red";
    std::vector<std::string> tags;
    int weight = 1;
    std::int64_t number = -1;
    std::uint32_t run = 1;
    std::uint64_t limit = 100;
    double share = 0.5;
    bool gift = false;
    int sold = 0;
    command_line::Line line{"market", "Sells"};

    Market() {
        line.needs_command();
        auto selling = line.command("sell", "Sells one");
        selling.option("item", &item, "What").required();
        selling.option("--colour", &colour, "Of it").one_of({"red", "blue"}).show_default();
        auto tagged = selling.option("--tag", &tags);
        selling.option("--weight", &weight).between(1, 10);
        selling.option("--number", &number).excludes(tagged);
        selling.option("--run", &run);
        selling.option("--limit", &limit);
        selling.option("--share", &share).positive();
        selling.flag("--gift", &gift, "Wrapped");
        selling.footer("Ask for more.");
        selling.runs([this] { ++sold; });
        line.command("fail", "Fails").runs([] { throw std::runtime_error("out of stock"); });
    }

    std::optional<int> read(std::vector<const char*> words) {
        words.insert(words.begin(), "market");
        return line.read(static_cast<int>(words.size()), words.data());
    }
};

}  // namespace

TEST_CASE("options and flags are read into variables, and the command runs") {
    Market market;
    REQUIRE_FALSE(market.read({"sell", "mug", "--colour", "blue", "--tag", "a", "b", "--weight", "10",
                               "--run", "3", "--limit", "4294967296", "--share", "0.25", "--gift"}));
    CHECK(market.sold == 1);
    CHECK(market.item == "mug");
    CHECK(market.colour == "blue");
    CHECK(market.tags == std::vector<std::string>{"a", "b"});
    CHECK(market.weight == 10);
    CHECK(market.run == 3);
    CHECK(market.limit == 4'294'967'296);
    CHECK(market.share == 0.25);
    CHECK(market.gift);
}

TEST_CASE("what is not named keeps what it held") {
    Market market;
    REQUIRE_FALSE(market.read({"sell", "mug", "--number", "-7"}));
    CHECK(market.number == -7);
    CHECK(market.colour == "red");
    CHECK(market.limit == 100);
    CHECK_FALSE(market.gift);
}

TEST_CASE("a wrong line runs nothing and ends the program with a failure") {
    const std::vector<std::vector<const char*>> wrong = {
        {},
        {"buy"},
        {"sell"},
        {"sell", "mug", "--colour", "green"},
        {"sell", "mug", "--weight", "11"},
        {"sell", "mug", "--weight", "0"},
        {"sell", "mug", "--weight", "heavy"},
        {"sell", "mug", "--share", "0"},
        {"sell", "mug", "--limit", "-1"},
        {"sell", "mug", "--number", "1", "--tag", "a"},
        {"sell", "mug", "--unknown"},
    };
    for (const auto& words : wrong) {
        Market market;
        const auto exit = market.read(words);
        const std::string last = words.empty() ? "" : words.back();
        CAPTURE(last);
        REQUIRE(exit);
        CHECK(*exit != 0);
        CHECK(market.sold == 0);
    }
}

TEST_CASE("help ends the program with success") {
    Market market;
    CHECK(market.read({"sell", "--help"}) == 0);
    CHECK(market.sold == 0);
}

TEST_CASE("what a command throws comes through") {
    Market market;
    CHECK_THROWS_WITH_AS(market.read({"fail"}), "out of stock", std::runtime_error);
}
