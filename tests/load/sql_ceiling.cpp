#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "common/codec/encode.hpp"
#include "common/crypto/digest.hpp"
#include "common/outcome/trouble.hpp"
#include "common/postgres/role_settings.hpp"
#include "common/postgres/session.hpp"
#include "tests/load/ceilings.hpp"
#include "workers/reserver/queries.hpp"
#include "workers/reserver/rows.hpp"
#include "workers/router/queries.hpp"
#include "workers/splitter/queries.hpp"

namespace cartwright::load {
namespace {

using postgres::Array;
using postgres::NewRows;
using postgres::Transaction;

constexpr std::size_t batch_carts = 100;
constexpr const char* warehouse = "main";
constexpr const char* stream = "default";

/// JSON-like text: as many quotation marks as the fleet's.
std::string text_of(std::size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += R"("key":"value 12345",)";
    text.resize(bytes);
    return text;
}

/// A cart with the texts that the fleet stores of it.
struct Stored {
    Cart cart;
    std::string hash, answer;
    std::map<std::string, std::string> message_of_seller;
};

class Bare {
  public:
    Bare(const Mix& mix, std::size_t answer_bytes, std::size_t message_bytes)
        : mix_(mix), answer_(text_of(answer_bytes)), message_(text_of(message_bytes)) {}

    std::vector<Stored> next(Market& market) const;
    void reserve(Transaction& transaction, const std::vector<Stored>& carts) const;
    /// The last number of each seller.
    std::map<std::string, std::int64_t> split(Transaction& transaction,
                                              const std::vector<Stored>& carts) const;
    static void route(Transaction& transaction, const std::map<std::string, std::int64_t>& numbers);

  private:
    struct Position {
        std::int64_t units = 0, events = 0, version = 0;
    };
    using Positions = std::map<std::pair<std::string, std::string>, Position>;
    Positions positions_of(const std::vector<Stored>& carts) const;
    static void take(Transaction& transaction, Positions& positions);
    void write(Transaction& transaction, const std::vector<Stored>& carts, Positions& positions) const;

    Mix mix_;
    std::string answer_, message_;
};

std::vector<Stored> Bare::next(Market& market) const {
    std::vector<Stored> carts;
    for (std::size_t i = 0; i < batch_carts; ++i) {
        Stored stored{market.next(), {}, answer_, {}};
        stored.hash = crypto::hex(crypto::sha256(stored.cart.order_id));
        for (const auto& line : stored.cart.lines)
            stored.message_of_seller.emplace(seller(mix_, line.offer), message_);
        carts.push_back(std::move(stored));
    }
    std::sort(carts.begin(), carts.end(), [](const Stored& left, const Stored& right) {
        return left.cart.order_id < right.cart.order_id;
    });
    return carts;
}

Bare::Positions Bare::positions_of(const std::vector<Stored>& carts) const {
    Positions positions;
    for (const auto& stored : carts) {
        for (const auto& line : stored.cart.lines) {
            auto& position = positions[{seller(mix_, line.offer), sku(line.offer)}];
            position.units += line.quantity;
            ++position.events;
        }
    }
    return positions;
}

void Bare::take(Transaction& transaction, Positions& positions) {
    Array sellers, skus, warehouses, units, events;
    for (const auto& [key, position] : positions) {
        sellers.add(key.first);
        skus.add(key.second);
        warehouses.add(warehouse);
        units.add(position.units);
        events.add(position.events);
    }
    transaction.run(reserver::query::read_positions, {sellers.str(), skus.str()});
    const auto rows =
        transaction.run(reserver::query::take_units,
                        {sellers.str(), skus.str(), warehouses.str(), units.str(), events.str()});
    CARTWRIGHT_ASSERT(rows.size() == positions.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        auto& position = positions.at({std::string(rows.text(i, 0)), std::string(rows.text(i, 1))});
        CARTWRIGHT_ASSERT(rows.integer(i, 7) == position.units);
        position.version = rows.integer(i, 6) - position.events + 1;
    }
}

void Bare::write(Transaction& transaction, const std::vector<Stored>& carts, Positions& positions) const {
    NewRows reservations, events;
    for (const auto& [cart, hash, answer, messages] : carts) {
        std::size_t number = 0;
        for (const auto& line : cart.lines) {
            const PositionKey key{SellerId(seller(mix_, line.offer)), Sku(sku(line.offer)),
                                  WarehouseId(warehouse)};
            const auto line_id = std::to_string(++number);
            add(reservations, reserver::NewReservation{key, cart.order_id, line_id, line.quantity});
            add(events,
                reserver::LedgerRow{.position = key,
                                    .version = positions.at({key.seller_id.str(), key.sku.str()}).version++,
                                    .kind = "reservation",
                                    .deltas = {.reserved = line.quantity},
                                    .cause = cart.order_id,
                                    .order_id = cart.order_id,
                                    .source = "web",
                                    .reason = {},
                                    .occurred_at = "2026-01-01T00:00:00Z"});
        }
    }
    transaction.append(reserver::query::new_reservations, reservations);
    transaction.append(reserver::query::new_events, events);
}

void Bare::reserve(Transaction& transaction, const std::vector<Stored>& carts) const {
    NewRows orders;
    for (const auto& stored : carts)
        add(orders, reserver::NewOrder{stored.cart.order_id, "ready", stored.hash, stored.answer, {}, {}});
    auto positions = positions_of(carts);
    transaction.append(reserver::query::new_orders, orders);
    take(transaction, positions);
    write(transaction, carts, positions);
}

std::map<std::string, std::int64_t> Bare::split(Transaction& transaction,
                                                const std::vector<Stored>& carts) const {
    std::map<std::string, std::int64_t> of_seller;
    for (const auto& stored : carts) {
        for (const auto& message : stored.message_of_seller) ++of_seller[message.first];
    }
    Array sellers, streams, counts;
    for (const auto& [seller_id, count] : of_seller) {
        sellers.add(seller_id);
        streams.add(stream);
        counts.add(count);
    }
    const auto taken =
        transaction.run(splitter::query::take_numbers, {sellers.str(), streams.str(), counts.str()});
    std::map<std::string, std::int64_t> last, next;
    for (std::size_t i = 0; i < taken.size(); ++i) {
        const std::string seller_id(taken.text(i, 0));
        last[seller_id] = taken.integer(i, 2);
        next[seller_id] = taken.integer(i, 2) - of_seller.at(seller_id) + 1;
    }
    NewRows claims, messages;
    for (const auto& stored : carts) {
        std::string answer;
        for (const auto& [seller_id, body] : stored.message_of_seller) {
            const auto number = next[seller_id]++;
            messages.add(seller_id).add(stream).add(number).add(stored.cart.order_id);
            messages.add("cartwright.seller.order.v1").add(body).add_null().end_row();
            answer += fmt::format("{}\t{}\t{}\n", seller_id, stream, number);
        }
        claims.add(stored.cart.order_id).add("split/ready").add(answer).end_row();
    }
    transaction.append(splitter::query::new_claims, claims);
    transaction.append(splitter::query::new_messages, messages);
    return last;
}

void Bare::route(Transaction& transaction, const std::map<std::string, std::int64_t>& numbers) {
    Array sellers, streams, targets, allowances, destinations, wished, next;
    for (const auto& [seller_id, number] : numbers) {
        sellers.add(seller_id);
        streams.add(stream);
        targets.add(number);
        allowances.add(1'000'000);
        destinations.add("shared");
        wished.add("shared");
        next.add_null();
    }
    const auto rows = transaction.run(router::query::claim_streams,
                                      {sellers.str(), streams.str(), targets.str(), allowances.str(),
                                       destinations.str(), wished.str(), next.str()});
    CARTWRIGHT_ASSERT(rows.size() == numbers.size());
}

/// As after the first message of every seller.
void make_streams(Transaction& transaction, const Mix& mix) {
    Array sellers, streams, wished;
    for (std::size_t number = 0; number < mix.sellers; ++number) {
        sellers.add(seller(mix, number));
        streams.add(stream);
        wished.add("shared");
    }
    transaction.run(router::query::insert_streams, {sellers.str(), streams.str(), wished.str()});
}

std::string role_script() {
    std::string script;
    for (const auto& [name, value] : postgres::role_settings)
        script += fmt::format("set {} = '{}';", name, value);
    return script;
}

}  // namespace

double sql_ceiling(const std::string& postgres_url, const Mix& mix, std::uint64_t carts,
                   std::size_t answer_bytes, std::size_t message_bytes) {
    postgres::Settings settings;
    settings.url = postgres_url;
    settings.application_name = "cartwright load";
    postgres::Session session(settings);
    session.transaction([](Transaction& transaction) { transaction.execute_script(role_script()); });
    session.transaction([&](Transaction& transaction) { make_streams(transaction, mix); });
    Market market(mix);
    const Bare bare(mix, answer_bytes, message_bytes);
    std::vector<std::vector<Stored>> batches;
    for (std::uint64_t made = 0; made < carts; made += batch_carts) batches.push_back(bare.next(market));
    const auto begun_at = std::chrono::steady_clock::now();
    for (const auto& batch : batches) {
        std::map<std::string, std::int64_t> numbers;
        session.transaction([&](Transaction& transaction) { bare.reserve(transaction, batch); });
        session.transaction([&](Transaction& transaction) { numbers = bare.split(transaction, batch); });
        session.transaction([&](Transaction& transaction) { Bare::route(transaction, numbers); });
    }
    return static_cast<double>(batches.size() * batch_carts) /
           std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_at).count();
}

}  // namespace cartwright::load
