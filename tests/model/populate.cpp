// What a schedule begins with: a small market, its stock, rules, a fleet, and what its clients will send.
#include <algorithm>

#include "common/codec/encode.hpp"
#include "tests/model/world.hpp"

namespace cartwright::model {
namespace {

using message::Movement;
using message::MovementKind;

constexpr auto epoch = std::chrono::sys_days{std::chrono::year{2026} / 1 / 1};
constexpr std::string_view main_warehouse = "main";
constexpr std::string_view other_warehouse = "west";

routing::Destination endpoint(const std::string& name, const std::string& fallback) {
    routing::Destination destination;
    destination.name = name;
    destination.kind = routing::Destination::Kind::endpoint;
    destination.endpoint.url = "http://receiver/" + name;
    destination.endpoint.total_timeout = std::chrono::seconds(1);
    if (!fallback.empty()) destination.fallback = routing::Fallback{fallback, std::chrono::seconds(3)};
    return destination;
}

const std::vector<std::shared_ptr<const routing::Rules>>& all_rules() {
    static const std::vector<std::shared_ptr<const routing::Rules>> rules{
        rules_to("v1", "shared", "", false), rules_to("v2", "own", "", true),
        rules_to("v3", "e1", "shared", false), rules_to("v4", "e2", "", true),
        rules_to("v5", "e1", "own", true)};
    return rules;
}

void send(World& world, const char* queue, const std::string& id, std::string_view type,
          const message::Payload& payload, const std::string& reply_to) {
    message::Envelope envelope;
    envelope.id = EventId(id);
    envelope.type = std::string(type);
    envelope.source = "client";
    envelope.time = Timestamp(epoch);
    Letter letter;
    letter.body = codec::encode_event(envelope, codec::encode_data(payload));
    letter.reply_to = reply_to;
    letter.label = id;
    world.to_send.push_back({queue, std::move(letter)});
}

class Populating {
  public:
    explicit Populating(World& world) : world_(world), random_(world.random), kind_(random_.below(100)) {}

    void operator()() {
        make_catalogue();
        make_stock();
        make_faults();
        make_fleet();
        make_carts();
        make_movements();
        make_cancellations();
        repeat_some();
        for (auto i = world_.to_send.size(); i > 1; --i)
            std::swap(world_.to_send[i - 1], world_.to_send[random_.below(i)]);
    }

  private:
    void make_catalogue();
    void make_stock();
    void make_faults();
    void make_fleet();
    void make_carts();
    void make_movements();
    Movement movement();
    void make_cancellations();
    void repeat_some();
    Timestamp some_time() { return Timestamp(epoch) - std::chrono::seconds(random_.between(1, 3'600)); }
    std::string answer_address() {
        return random_.per_cent(60) ? fmt::format("client/{}", ++addresses_) : std::string();
    }

    World& world_;
    Random& random_;
    const std::size_t kind_;
    const bool narrow_ = kind_ < 25;                  ///< little stock, carts that wait: everybody meets
    const bool calling_ = kind_ >= 25 && kind_ < 45;  ///< few are short; many messages for one endpoint
    std::vector<catalogue::Offer> offers_;
    std::vector<Cart> carts_;
    std::int64_t addresses_ = 0, events_ = 0;
};

void Populating::make_catalogue() {
    const auto sellers = random_.between(1, narrow_ || calling_ ? 1 : 3);
    const auto skus = random_.between(narrow_ ? 1 : 2, narrow_ ? 2 : 4);
    for (std::int64_t s = 1; s <= sellers; ++s) {
        auto named = std::make_shared<std::vector<WarehouseId>>();
        named->emplace_back(std::string(main_warehouse));
        if (random_.per_cent(50)) named->emplace_back(std::string(other_warehouse));
        world_.warehouses.emplace(SellerId(fmt::format("s{}", s)), named);
    }
    for (std::int64_t k = 1; k <= skus; ++k) {
        auto of_sku = std::make_shared<std::vector<catalogue::Offer>>();
        const auto surely = random_.between(1, sellers);
        for (std::int64_t s = 1; s <= sellers; ++s) {
            if (s != surely && random_.per_cent(50)) continue;
            catalogue::Offer offer;
            offer.seller_id = SellerId(fmt::format("s{}", s));
            offer.sku = Sku(fmt::format("k{}", k));
            offer.price_minor = 100 * random_.between(1, 3);
            offer.currency = "BRL";
            offer.active = !random_.per_cent(3);
            offer.seller_active = true;
            of_sku->push_back(offer);
            offers_.push_back(std::move(offer));
        }
        world_.offers.emplace(Sku(fmt::format("k{}", k)), of_sku);
    }
}

void Populating::make_stock() {
    for (const auto& offer : offers_) {
        if (random_.per_cent(narrow_ ? 60 : 25)) continue;
        for (const auto& warehouse : *world_.warehouses.at(offer.seller_id)) {
            if (random_.per_cent(75))
                add_stock(world_, offer.seller_id.str(), offer.sku.str(), warehouse.str(),
                          random_.between(0, calling_ ? 9 : 4));
        }
    }
}

/// Each schedule has some kinds of trouble and not others, so that none always hides another.
void Populating::make_faults() {
    auto& faults = world_.faults;
    const auto some = [&](unsigned most) {
        return random_.per_cent(50) ? 0U : static_cast<unsigned>(random_.between(1, most));
    };
    faults.deaths = some(8);
    faults.cuts = some(8);
    faults.freezes = some(6);
    faults.rule_changes = some(20);
    faults.offers = some(10);
    faults.database = some(8);
    faults.nacks = some(20);
    faults.seller_queues = some(30);
    faults.endpoints = some(60);
    if (calling_) {
        faults.freezes = static_cast<unsigned>(random_.between(2, 12));
        faults.endpoints = static_cast<unsigned>(random_.between(10, 60));
    }
    world_.broker.reach = random_.below(4) + 1;
}

void Populating::make_fleet() {
    const auto& rules = all_rules();
    const auto first = rules[calling_ ? 2 + random_.below(rules.size() - 2) : random_.below(rules.size())];
    const auto add = [&](Program::Kind kind, const char* name, std::int64_t count) {
        for (std::int64_t i = 1; i <= count; ++i)
            add_program(world_, kind, fmt::format("{}{}", name, i), first);
    };
    add(Program::Kind::reserver, "reserver", random_.between(1, 2));
    add(Program::Kind::splitter, "splitter", random_.between(1, 2));
    add(Program::Kind::router, "router", calling_ ? 2 : random_.between(1, 2));
}

void Populating::make_carts() {
    const auto count = random_.between(calling_ ? 4 : 2, 6);
    for (std::int64_t i = 1; i <= count; ++i) {
        Cart cart;
        cart.order_id = OrderId(fmt::format("o{}", i));
        cart.channel = "web";
        cart.currency = "BRL";
        cart.paid = !random_.per_cent(8);
        constexpr ShortagePolicy policies[] = {ShortagePolicy::all_or_nothing, ShortagePolicy::partial,
                                               ShortagePolicy::hold, ShortagePolicy::hold};
        cart.policy = policies[narrow_ ? random_.between(1, 3) : random_.below(4)];
        cart.placed_at = some_time();
        const auto lines = random_.between(1, calling_ ? 1 : 3);
        for (std::int64_t line = 1; line <= lines; ++line) {
            const auto& offer = offers_[random_.below(offers_.size())];
            CartLine wanted;
            wanted.line_id = LineId(fmt::format("l{}", line));
            wanted.sku = offer.sku;
            if (random_.per_cent(60)) wanted.seller_id = offer.seller_id;
            wanted.quantity = random_.between(1, 3);
            cart.lines.push_back(std::move(wanted));
        }
        add_cart(world_, cart, answer_address());
        carts_.push_back(cart);
        if (!random_.per_cent(6)) continue;
        cart.channel = "another";
        add_cart(world_, cart, answer_address());
    }
}

Movement Populating::movement() {
    Movement movement;
    movement.occurred_at = some_time();
    const auto kind = random_.below(100);
    const auto& offer = offers_[random_.below(offers_.size())];
    movement.seller_id = offer.seller_id;
    movement.quantity = random_.between(1, 4);
    if (kind < 70 || narrow_) {
        movement.kind = kind < 50 || kind >= 70 ? MovementKind::receipt
                        : kind < 60             ? MovementKind::count
                                                : MovementKind::adjustment;
        movement.sku = offer.sku;
        const auto& named = *world_.warehouses.at(offer.seller_id);
        movement.warehouse = named[random_.below(named.size())];
        if (movement.kind == MovementKind::adjustment) {
            movement.reason = "found";
            if (random_.per_cent(50)) movement.quantity = -movement.quantity;
        }
        return movement;
    }
    constexpr MovementKind kinds[] = {MovementKind::dispatch, MovementKind::release, MovementKind::restock};
    movement.kind = kinds[random_.below(3)];
    const auto& cart = carts_[random_.below(carts_.size())];
    const auto& line = cart.lines[random_.below(cart.lines.size())];
    movement.order_id = cart.order_id;
    movement.line_id = line.line_id;
    if (line.seller_id) movement.seller_id = *line.seller_id;
    movement.quantity = random_.between(1, line.quantity);
    return movement;
}

void Populating::make_movements() {
    const auto count = random_.between(calling_ ? 0 : 1, calling_ ? 1 : 5);
    for (std::int64_t i = 0; i < count; ++i) {
        message::StockMoved moved;
        moved.movements.push_back(movement());
        if (random_.per_cent(25)) {
            const auto second = movement();
            const auto& first = moved.movements.front();
            const bool another_place = first.sku != second.sku || first.warehouse != second.warehouse;
            if (another_place) moved.movements.push_back(second);
        }
        add_movement(world_, fmt::format("m{}", ++events_), moved);
    }
}

void Populating::make_cancellations() {
    for (const auto& cart : carts_) {
        if (!random_.per_cent(35)) continue;
        const auto times = random_.per_cent(35) ? 2 : 1;
        for (int i = 0; i < times; ++i) {
            message::OrderCancellation cancellation;
            cancellation.order_id = cart.order_id;
            cancellation.reason = "changed my mind";
            if (cart.paid && random_.per_cent(30)) {
                const auto& line = cart.lines[random_.below(cart.lines.size())];
                cancellation.lines.push_back({line.line_id, random_.between(1, line.quantity)});
            }
            add_cancellation(world_, fmt::format("c{}", ++events_), cancellation);
        }
    }
}

/// Clients that got no confirm, or none in time, send again.
void Populating::repeat_some() {
    const auto count = world_.to_send.size();
    for (std::size_t i = 0; i < count; ++i) {
        if (random_.per_cent(25)) world_.to_send.push_back(world_.to_send[i]);
    }
}

}  // namespace

/// All destinations everywhere; seller s1 goes to `destination`.
std::shared_ptr<const routing::Rules> rules_to(const std::string& version, const std::string& destination,
                                               const std::string& fallback, bool two_streams) {
    routing::RuleSet set;
    set.version = version;
    for (const auto* name : {"shared", "own"}) {
        routing::Destination queue;
        queue.name = name;
        queue.kind = queue.name == "own" ? routing::Destination::Kind::own_queue
                                         : routing::Destination::Kind::shared_queue;
        set.destinations.emplace(name, queue);
    }
    for (const auto* name : {"e1", "e2"}) set.destinations.emplace(name, endpoint(name, fallback));
    if (destination != "shared") {
        routing::DeliveryRule rule;
        rule.name = "to " + destination;
        rule.match.seller = {{"s1", false}};
        rule.destination = destination;
        set.deliveries.push_back(rule);
    }
    if (two_streams) {
        routing::StreamRule rule;
        rule.name = "fast";
        rule.match.sku = {{"k1", false}};
        rule.stream = StreamName("fast");
        set.streams.push_back(rule);
    }
    return std::make_shared<const routing::Rules>(std::move(set));
}

void add_cart(World& world, const Cart& cart, const std::string& reply_to) {
    world.promises.sent(cart, reply_to);
    send(world, "reserver.carts", cart.order_id.str() + "/submitted", message::type::cart_submitted,
         message::CartSubmitted{cart}, reply_to);
}

void add_movement(World& world, const std::string& event_id, const message::StockMoved& moved) {
    world.promises.sent(event_id, moved);
    send(world, "reserver.movements", event_id, message::type::stock_moved, moved, {});
}

void add_cancellation(World& world, const std::string& event_id,
                      const message::OrderCancellation& cancellation) {
    world.promises.sent(event_id, cancellation);
    send(world, "reserver.movements", event_id, message::type::order_cancellation, cancellation, {});
}

Program& add_program(World& world, Program::Kind kind, const std::string& name,
                     std::shared_ptr<const routing::Rules> rules) {
    auto& program = *world.programs.emplace_back(std::make_unique<Program>());
    program.kind = kind;
    program.process.name = name;
    program.rules = std::move(rules);
    return program;
}

void add_stock(World& world, const std::string& seller, const std::string& sku, const std::string& warehouse,
               Number units) {
    PositionRow row;
    row.on_hand = units;
    row.version = units > 0 ? 1 : 0;
    if (units > 0) {
        world.database.events.put({seller, sku, warehouse, 1},
                                  {"receipt", units, 0, 0, "the beginning", std::nullopt, Timestamp(epoch)});
    }
    world.database.positions.put({seller, sku, warehouse}, row);
}

void populate(World& world) {
    Populating{world}();
}

std::shared_ptr<const routing::Rules> some_rules(Random& random) {
    const auto& rules = all_rules();
    return rules[random.below(rules.size())];
}

}  // namespace cartwright::model
