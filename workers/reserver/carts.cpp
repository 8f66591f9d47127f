#include "workers/reserver/carts.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "common/codec/encode.hpp"
#include "common/crypto/digest.hpp"
#include "common/outcome/trouble.hpp"
#include "workers/reserver/checking.hpp"
#include "workers/reserver/placing.hpp"
#include "workers/reserver/queries.hpp"
#include "workers/reserver/rows.hpp"
#include "workers/reserver/stored_orders.hpp"
#include "workers/reserver/taking.hpp"
#include "workers/reserver/telling.hpp"

namespace cartwright::reserver {
namespace {

using postgres::Array;
using postgres::Transaction;
using Candidates = std::vector<const catalogue::Offer*>;

/// A cart on its way. Of several with one order id in a batch the first in order of arrival counts.
struct Item {
    const worker::Member* member = nullptr;
    const Cart* cart = nullptr;
    std::string hash;
    std::size_t first = 0;  ///< index of the first with this order id
    bool is_first = true;
    bool well_shaped = false;
    std::vector<Rejection> rejections;
    std::vector<Candidates> candidates;  ///< one a line; who may serve it
};

struct Batch {
    std::vector<Item> items;
    std::unordered_map<OrderId, std::size_t> by_id;  ///< indices of those that count
    OffersBySku offers;
    std::vector<OfferKey> wanted;  ///< by carts that ask for stock, sorted
    Ranks ranks;
};

Batch gather(std::span<const worker::Member> members, const CartLimits& limits) {
    Batch batch;
    batch.items.reserve(members.size());
    for (const auto& member : members) {
        auto& item = batch.items.emplace_back();
        item.member = &member;
        const auto* submitted = std::get_if<message::CartSubmitted>(&member.event.payload);
        if (submitted == nullptr) continue;
        item.cart = &submitted->cart;
        item.hash = crypto::hex(crypto::sha256(codec::canonical_cart(*item.cart)));
        const auto [found, added] = batch.by_id.try_emplace(item.cart->order_id, batch.items.size() - 1);
        item.first = found->second;
        item.is_first = added;
        item.rejections = check_shape(*item.cart, limits);
        item.well_shaped = item.rejections.empty();
    }
    return batch;
}

bool counts(const Item& item) {
    return item.cart != nullptr && item.is_first;
}

bool to_be_checked(const Item& item) {
    return counts(item) && item.well_shaped;
}

/// The SKUs of carts that would be rejected.
std::vector<Sku> check_all(Batch& batch) {
    std::set<Sku> doubtful;
    for (auto& item : batch.items) {
        if (!to_be_checked(item)) continue;
        auto checked = check_against(*item.cart, batch.offers);
        item.rejections = std::move(checked.reasons);
        item.candidates = std::move(checked.candidates);
        if (item.rejections.empty()) continue;
        for (const auto& line : item.cart->lines) doubtful.insert(line.sku);
    }
    return {doubtful.begin(), doubtful.end()};
}

/// Of carts that ask for stock, sorted and without repeats.
std::vector<OfferKey> offers_of(const Batch& batch) {
    std::vector<const catalogue::Offer*> named;
    for (const auto& item : batch.items) {
        if (!counts(item) || !item.rejections.empty()) continue;
        for (const auto& candidates : item.candidates)
            named.insert(named.end(), candidates.begin(), candidates.end());
    }
    const auto drop_repeats = [](auto& list) {
        std::sort(list.begin(), list.end());
        list.erase(std::unique(list.begin(), list.end()), list.end());
    };
    drop_repeats(named);  // of addresses first, which are far cheaper to compare
    std::vector<OfferKey> offers;
    offers.reserve(named.size());
    for (const auto* offer : named) offers.push_back({offer->seller_id, offer->sku});
    drop_repeats(offers);
    return offers;
}

/// Against the catalogue's cache; a rejection is decided on a fresh read.
void check(Batch& batch, catalogue::Catalogue& catalogue) {
    std::vector<Sku> skus;
    for (const auto& item : batch.items) {
        if (!to_be_checked(item)) continue;
        for (const auto& line : item.cart->lines) skus.push_back(line.sku);
    }
    batch.offers = catalogue.offers(skus);
    if (const auto doubtful = check_all(batch); !doubtful.empty()) {
        for (auto& [sku, offers] : catalogue.fresh_offers(doubtful))
            batch.offers.insert_or_assign(sku, offers);
        check_all(batch);
    }
    batch.wanted = offers_of(batch);
    std::vector<SellerId> sellers;
    for (const auto& offer : batch.wanted)
        if (sellers.empty() || sellers.back() != offer.seller_id) sellers.push_back(offer.seller_id);
    batch.ranks = catalogue.warehouses(sellers);
}

Timestamp placed_at(const Item& item) {
    if (item.cart->placed_at) return *item.cart->placed_at;
    return item.member->event.envelope.time.value_or(now());
}

/// A cart that asks for stock, by its index.
struct Placed {
    std::size_t item;
    Placing placing;
};

std::vector<const OrderDemand*> demands_of(const std::vector<Placed>& placed) {
    std::vector<const OrderDemand*> demands;
    demands.reserve(placed.size());
    for (const auto& one : placed) demands.push_back(&one.placing.demand);
    return demands;
}

/// One run of the transaction.
class Run {
  public:
    Run(Transaction& transaction, const Batch& batch, const Config& config, codec::Decoder& decoder,
        const std::set<OfferKey>& widened, KnownPositions& known, bool append_claims)
        : transaction_(transaction),
          batch_(batch),
          append_claims_(append_claims),
          decoder_(decoder),
          taking_(transaction, batch.ranks, config.default_warehouse, widened, &known),
          telling_(config),
          states_(batch.items.size()),
          claimed_(batch.items.size()) {}

    worker::Result operator()();

  private:
    void place_all();
    const catalogue::Offer* choose(const Candidates& candidates, const Sku& sku, std::int64_t quantity) const;
    std::vector<NewOrder> new_orders() const;
    void claim();
    void reserve();
    void write_states(std::vector<std::size_t> changed);
    void write_held();
    void read_repeated();
    outcome::Verdict tell(const Item& item, std::set<OfferKey>& to_ring);

    Transaction& transaction_;
    const Batch& batch_;
    const bool append_claims_;
    codec::Decoder& decoder_;
    Taking taking_;
    Telling telling_;
    std::vector<Placed> placed_;             ///< in order of arrival
    std::vector<OrderState> states_;         ///< by item, of those that this batch decides
    std::vector<bool> claimed_;              ///< by item
    std::map<OrderId, StoredOrder> stored_;  ///< of carts that were decided before
};

/// The cheapest with enough stock, else the cheapest.
const catalogue::Offer* Run::choose(const Candidates& candidates, const Sku& sku,
                                    std::int64_t quantity) const {
    for (const auto* offer : candidates) {
        if (taking_.available({offer->seller_id, sku}) >= quantity) return offer;
    }
    return candidates.front();
}

void Run::place_all() {
    taking_.read(batch_.wanted);
    placed_.reserve(batch_.items.size());
    for (std::size_t i = 0; i < batch_.items.size(); ++i) {
        const auto& item = batch_.items[i];
        if (!counts(item)) continue;
        if (!item.rejections.empty()) {
            states_[i] = rejected(item.cart->order_id, item.rejections);
            continue;
        }
        Candidates chosen;
        for (std::size_t line = 0; line < item.cart->lines.size(); ++line) {
            const auto& asked = item.cart->lines[line];
            chosen.push_back(choose(item.candidates[line], asked.sku, asked.quantity));
        }
        placed_.push_back({i, place(*item.cart, chosen, placed_at(item), item.cart->channel)});
    }
}

/// In order of their ids.
std::vector<NewOrder> Run::new_orders() const {
    std::vector<NewOrder> orders;
    orders.reserve(batch_.items.size());
    for (std::size_t i = 0; i < batch_.items.size(); ++i) {
        const auto& item = batch_.items[i];
        if (!counts(item)) continue;
        const auto& state = states_[i];
        const bool may_wait = item.cart->policy == ShortagePolicy::hold;
        orders.push_back({state.order_id.str(), state.state, item.hash, state.answer,
                          may_wait ? item.member->reply_to : std::string_view(),
                          item.member->correlation_id});
    }
    std::sort(orders.begin(), orders.end(),
              [](const NewOrder& left, const NewOrder& right) { return left.order_id < right.order_id; });
    return orders;
}

/// Whoever inserts the row decides. The answer that goes in is the planned one; where the locks show
/// otherwise it is corrected before the commit.
void Run::claim() {
    const auto orders = new_orders();
    if (append_claims_) {
        postgres::NewRows rows;
        std::size_t bytes = 0;
        for (const auto& order : orders) bytes += order.answer.size() + row_bytes;
        rows.reserve(bytes);
        for (const auto& order : orders) add(rows, order);
        transaction_.append(query::new_orders, rows);
        for (std::size_t i = 0; i < batch_.items.size(); ++i) claimed_[i] = counts(batch_.items[i]);
        return;
    }
    Array ids, states, hashes, reply_tos, correlation_ids;
    postgres::Texts answers;
    for (const auto& order : orders) {
        ids.add(order.order_id);
        states.add(order.state);
        hashes.add(order.hash);
        answers.add(order.answer);
        if (order.reply_to.empty()) {
            reply_tos.add_null();
            correlation_ids.add_null();
        } else {
            reply_tos.add(order.reply_to);
            correlation_ids.add(order.correlation_id);
        }
    }
    const auto rows = transaction_.run(
        query::claim_orders,
        {ids.str(), states.str(), hashes.str(), answers.str(), reply_tos.str(), correlation_ids.str()});
    for (std::size_t i = 0; i < rows.size(); ++i)
        claimed_[batch_.by_id.at(OrderId(std::string(rows.text(i, 0))))] = true;
}

void Run::reserve() {
    const auto by_policy = [](std::span<const stock::Demand> demands, stock::Shelf& shelf) {
        return stock::allocate(demands, shelf);
    };
    auto demands = demands_of(placed_);
    auto indexed = taking_.indexed(demands);
    auto planned = taking_.plan(indexed, by_policy);
    for (std::size_t i = 0; i < placed_.size(); ++i)
        states_[placed_[i].item] = outcome_of(placed_[i].placing, planned[i], taking_);
    claim();
    const auto is_lost = [&](const Placed& placed) { return !claimed_[placed.item]; };
    const bool some_lost = std::erase_if(placed_, is_lost) > 0;
    if (some_lost) {
        demands = demands_of(placed_);
        indexed = taking_.indexed(demands);
        planned = taking_.plan(indexed, by_policy);
    }
    const auto decisions = taking_.take(demands, indexed, by_policy, planned);
    std::vector<std::size_t> changed;
    for (std::size_t i = 0; i < placed_.size(); ++i) {
        if (!some_lost && decisions[i] == planned[i]) continue;
        auto state = outcome_of(placed_[i].placing, decisions[i], taking_);
        auto& was = states_[placed_[i].item];
        if (state.state == was.state && state.answer == was.answer) continue;
        was = std::move(state);
        changed.push_back(placed_[i].item);
    }
    write_states(std::move(changed));
}

/// Of orders that were inserted with others.
void Run::write_states(std::vector<std::size_t> changed) {
    if (changed.empty()) return;
    std::sort(changed.begin(), changed.end(), [&](std::size_t left, std::size_t right) {
        return states_[left].order_id < states_[right].order_id;
    });
    Array ids, states, answers, filled_by;
    for (const auto item : changed) {
        ids.add(states_[item].order_id.str());
        states.add(states_[item].state);
        answers.add(states_[item].answer);
        filled_by.add_null();
    }
    const auto rows =
        transaction_.run(query::decide_orders, {ids.str(), states.str(), answers.str(), filled_by.str()});
    CARTWRIGHT_ASSERT(rows.affected() == ids.size());
}

void Run::write_held() {
    std::set<std::pair<OfferKey, OrderId>> lines;
    for (const auto& [item, placing] : placed_) {
        if (states_[item].state != "pending") continue;
        for (const auto& line : placing.demand.lines) lines.emplace(line.offer, placing.order.order_id);
    }
    if (lines.empty()) return;
    Array sellers, skus, order_ids;
    for (const auto& [offer, order_id] : lines) {
        sellers.add(offer.seller_id.str());
        skus.add(offer.sku.str());
        order_ids.add(order_id.str());
    }
    transaction_.run(query::insert_held, {sellers.str(), skus.str(), order_ids.str()});
}

void Run::read_repeated() {
    std::set<OrderId> repeated;
    for (const auto& item : batch_.items) {
        if (item.cart != nullptr && !claimed_[item.first]) repeated.insert(item.cart->order_id);
    }
    if (!repeated.empty()) stored_ = read_orders(transaction_, repeated);
}

outcome::Verdict Run::tell(const Item& item, std::set<OfferKey>& to_ring) {
    if (item.cart == nullptr) {
        return outcome::Park{"unknown_type", "the carts queue takes cartwright.cart.submitted.v1 only"};
    }
    const auto& order_id = item.cart->order_id;
    const auto& traceparent = item.member->event.envelope.traceparent;
    if (claimed_[item.first]) {
        const auto& state = states_[item.first];
        if (item.is_first) {
            telling_.order(state, traceparent);
        } else if (batch_.items[item.first].hash != item.hash) {
            return outcome::Park{"id_conflict", "another cart had this order_id before"};
        }
        telling_.answer(*item.member, state);
        return outcome::Done{};
    }
    const auto& stored = stored_.at(order_id);
    if (!stored.hash.empty() && stored.hash != item.hash) {
        return outcome::Park{"id_conflict", "another cart had this order_id before"};
    }
    telling_.order(stored.state, traceparent);
    telling_.answer(*item.member, stored.state);
    if (const auto order = order_of(decoder_, stored.state)) add_offers(*order, to_ring);
    return outcome::Done{};
}

worker::Result Run::operator()() {
    place_all();
    reserve();
    write_held();
    read_repeated();
    worker::Result result;
    std::set<OfferKey> to_ring;
    for (const auto& item : batch_.items) result.verdicts.push_back(tell(item, to_ring));
    for (const auto& changed : taking_.changed()) telling_.position(changed);
    ring_positions(transaction_, to_ring, telling_);
    result.outgoing = telling_.take();
    return result;
}

}  // namespace

CartHandler::CartHandler(std::unique_ptr<postgres::Session> session, catalogue::Catalogue& catalogue,
                         Config config)
    : session_(std::move(session)),
      catalogue_(catalogue),
      config_(std::move(config)),
      decoder_(codec::Limits{}),
      known_(config_.known_positions) {}

worker::Result CartHandler::handle(std::span<const worker::Member> members) {
    auto batch = gather(members, {config_.lines_max, config_.quantity_max});
    check(batch, catalogue_);
    worker::Result result;
    append_first_.run([&](bool append_claims) {
        with_wider_locks(*session_, [&](Transaction& transaction, const std::set<OfferKey>& widened) {
            result = Run(transaction, batch, config_, decoder_, widened, known_, append_claims)();
        });
    });
    return result;
}

}  // namespace cartwright::reserver
