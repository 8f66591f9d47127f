// Random batches against a reference that knows neither claims nor batches: one piece of work after the
// other.
#include <doctest/doctest.h>

#include <deque>
#include <random>

#include "common/routing/split.hpp"

using namespace cartwright;
using routing::Answer;
using routing::ClaimKey;
using routing::Place;
using routing::StreamKey;
using routing::Work;
using routing::WorkKind;

namespace {

/// What a stream says, one text a number.
using Streams = std::map<StreamKey, std::vector<std::string>>;

std::string said(const OrderId& order, const std::string& what) {
    return order.str() + " " + what;
}

/// Batches as the splitter handles them, on a stand-in for its tables.
struct Tables {
    std::map<ClaimKey, Answer> inbox;
    Streams streams;

    std::set<Place> apply(const std::vector<Work>& batch, std::vector<std::size_t>& later) {
        std::set<ClaimKey> won;
        std::map<ClaimKey, Answer> stored;
        for (const auto& claim : routing::claims_of(batch)) {
            if (!inbox.contains(claim)) won.insert(claim);
        }
        for (const auto& [claim, answer] : inbox) stored.emplace(claim, answer);
        const auto split = routing::split(batch, won, stored, routing::Rules());
        for (const auto& claim : won) inbox[claim];
        std::set<Place> published = split.repeats;
        for (const auto& message : split.messages) {
            auto& stream = streams[message.stream];
            stream.push_back(said(batch[message.work].order_id, message.claim.item));
            const Place place{message.stream, static_cast<std::int64_t>(stream.size())};
            inbox.at(message.claim).places.push_back(place);
            published.insert(place);
        }
        for (const auto& claim : split.voided) inbox.at(claim).is_void = true;
        for (const auto& claim : split.given_up) inbox.erase(claim);
        for (const auto& [claim, answer] : inbox) REQUIRE((answer.is_void || !answer.places.empty()));
        later = split.later;
        return published;
    }
};

/// The same, told plainly.
struct Reference {
    enum class State { unknown, split, voided };
    std::map<OrderId, State> states;
    std::map<OrderId, std::vector<SellerId>> sellers_of;
    std::map<std::string, std::set<Place>> done;  ///< by what was said, whoever heard it
    Streams streams;

    std::set<Place> apply(const std::vector<Work>& batch, std::vector<std::size_t>& later) {
        std::set<Place> published;
        std::vector<std::size_t> early;
        for (std::size_t i = 0; i < batch.size(); ++i) {
            if (!one(batch[i], published)) early.push_back(i);
        }
        later.clear();
        for (const auto i : early) {
            if (!one(batch[i], published)) later.push_back(i);
        }
        return published;
    }

    bool one(const Work& work, std::set<Place>& published) {
        auto& state = states[work.order_id];
        if (work.kind == WorkKind::ready) {
            if (state == State::voided) return true;
            for (const auto& part : work.order->sellers) sellers_of[work.order_id].push_back(part.seller_id);
            state = State::split;
            tell(work.order_id, "split/ready", sellers_of[work.order_id], published);
            return true;
        }
        if (state == State::unknown && work.kind == WorkKind::cancelled_lines) return false;
        if (state == State::unknown) state = State::voided;
        if (state == State::voided) return true;
        std::vector<SellerId> sellers;
        for (const auto& seller : work.cancelled->sellers) sellers.push_back(seller.seller_id);
        const auto suffix = work.kind == WorkKind::cancelled_whole ? "" : "/" + work.event_id.str();
        tell(work.order_id, "split/cancelled" + suffix, sellers, published);
        return true;
    }

    void tell(const OrderId& order, const std::string& what, const std::vector<SellerId>& sellers,
              std::set<Place>& published) {
        const auto text = said(order, what);
        const auto [places, first] = done.try_emplace(text);
        for (const auto& seller : sellers) {
            if (!first) break;
            const StreamKey key{seller, StreamName("main")};
            streams[key].push_back(text);
            places->second.insert({key, static_cast<std::int64_t>(streams[key].size())});
        }
        published.insert(places->second.begin(), places->second.end());
    }
};

/// Work of a few orders in any order, with repeats.
class Generator {
  public:
    explicit Generator(std::uint32_t seed) : random_(seed) {
        for (int i = 0; i < 12; ++i) make_order(i);
    }

    std::vector<Work> batch() {
        std::vector<Work> works;
        for (auto left = 1 + random_() % 8; left > 0; --left) works.push_back(all_[random_() % all_.size()]);
        return works;
    }

  private:
    void make_order(int index) {
        auto& order = orders_.emplace_back();
        order.order_id = OrderId("o" + std::to_string(index));
        for (const char* seller : {"a", "b", "c"}) {
            if (random_() % 2 == 0) order.sellers.push_back({SellerId(seller), {}, {}, {}});
        }
        if (order.sellers.empty()) order.sellers.push_back({SellerId("d"), {}, {}, {}});
        all_.push_back({WorkKind::ready, order.order_id, {}, &order, nullptr});
        if (random_() % 2 == 0) all_.push_back(cancellation(order, ""));
        for (auto left = random_() % 3; left > 0; --left)
            all_.push_back(cancellation(order, std::to_string(left)));
    }

    Work cancellation(const Order& order, const std::string& event) {
        auto& cancelled = cancellations_.emplace_back();
        cancelled.order_id = order.order_id;
        cancelled.whole = event.empty();
        for (const auto& part : order.sellers) {
            if (cancelled.whole || cancelled.sellers.empty())
                cancelled.sellers.push_back({part.seller_id, {}});
        }
        const auto kind = cancelled.whole ? WorkKind::cancelled_whole : WorkKind::cancelled_lines;
        return {kind, order.order_id, EventId(event), nullptr, &cancelled};
    }

    std::mt19937 random_;
    std::deque<Order> orders_;
    std::deque<message::OrderCancelled> cancellations_;
    std::vector<Work> all_;
};

void check_no_cancellation_first(const Streams& streams) {
    for (const auto& [stream, texts] : streams) {
        std::set<std::string> seen;
        for (const auto& text : texts) {
            CHECK(seen.insert(text).second);
            const auto order = text.substr(0, text.find(' '));
            CHECK(seen.contains(order + " split/ready"));
        }
    }
}

}  // namespace

TEST_CASE("random batches say what one piece of work after the other would say") {
    for (std::uint32_t seed = 1; seed <= 400; ++seed) {
        CAPTURE(seed);
        Generator generator(seed);
        Tables tables;
        Reference reference;
        for (int round = 0; round < 40; ++round) {
            const auto batch = generator.batch();
            std::vector<std::size_t> later, later_expected;
            const auto published = tables.apply(batch, later);
            const auto expected = reference.apply(batch, later_expected);
            REQUIRE(published == expected);
            REQUIRE(later == later_expected);
        }
        REQUIRE(tables.streams == reference.streams);
        check_no_cancellation_first(tables.streams);
    }
}
