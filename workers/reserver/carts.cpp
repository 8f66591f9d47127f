#include "workers/reserver/carts.hpp"

#include <algorithm>
#include <map>
#include <set>

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
    bool first = true;
    bool well_shaped = false;
    std::vector<Rejection> rejections;
    std::vector<Candidates> candidates;  ///< one a line; who may serve it
};

struct Batch {
    std::vector<Item> items;
    OffersBySku offers;
    Ranks ranks;
};

Batch gather(std::span<const worker::Member> members, const CartLimits& limits) {
    Batch batch;
    std::set<OrderId> seen;
    for (const auto& member : members) {
        auto& item = batch.items.emplace_back();
        item.member = &member;
        const auto* submitted = std::get_if<message::CartSubmitted>(&member.event.payload);
        if (submitted == nullptr) continue;
        item.cart = &submitted->cart;
        item.hash = crypto::hex(crypto::sha256(codec::canonical_cart(*item.cart)));
        item.first = seen.insert(item.cart->order_id).second;
        item.rejections = check_shape(*item.cart, limits);
        item.well_shaped = item.rejections.empty();
    }
    return batch;
}

bool to_be_checked(const Item& item) {
    return item.cart != nullptr && item.first && item.well_shaped;
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

/// Against the catalogue's cache; a rejection is decided on a fresh read.
void check(Batch& batch, catalogue::Catalogue& catalogue) {
    std::set<Sku> skus;
    for (const auto& item : batch.items) {
        if (!to_be_checked(item)) continue;
        for (const auto& line : item.cart->lines) skus.insert(line.sku);
    }
    const std::vector<Sku> wanted(skus.begin(), skus.end());
    batch.offers = catalogue.offers(wanted);
    if (const auto doubtful = check_all(batch); !doubtful.empty()) {
        for (auto& [sku, offers] : catalogue.fresh_offers(doubtful))
            batch.offers.insert_or_assign(sku, offers);
        check_all(batch);
    }
    std::set<SellerId> sellers;
    for (const auto& item : batch.items) {
        for (const auto& candidates : item.candidates) {
            for (const auto* offer : candidates) sellers.insert(offer->seller_id);
        }
    }
    const std::vector<SellerId> ranked(sellers.begin(), sellers.end());
    batch.ranks = catalogue.warehouses(ranked);
}

Timestamp placed_at(const Item& item) {
    if (item.cart->placed_at) return *item.cart->placed_at;
    return item.member->event.envelope.time.value_or(now());
}

/// Of carts that ask for stock, sorted and without repeats.
std::vector<OfferKey> offers_of(const Batch& batch) {
    std::vector<const catalogue::Offer*> named;
    for (const auto& item : batch.items) {
        if (!item.first || !item.rejections.empty()) continue;
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

std::vector<const OrderDemand*> demands_of(const std::vector<Placing>& placings) {
    std::vector<const OrderDemand*> demands;
    demands.reserve(placings.size());
    for (const auto& placing : placings) demands.push_back(&placing.demand);
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
          telling_(config) {}

    worker::Result operator()();

  private:
    void place_all();
    const catalogue::Offer* choose(const Candidates& candidates, const Sku& sku, std::int64_t quantity) const;
    std::vector<NewOrder> new_orders() const;
    void claim();
    void reserve();
    void write_changed_states(const std::map<OrderId, OrderState>& inserted);
    void write_held();
    void read_repeated();
    outcome::Verdict tell(const Item& item, std::set<OfferKey>& to_ring);

    Transaction& transaction_;
    const Batch& batch_;
    const bool append_claims_;
    codec::Decoder& decoder_;
    Taking taking_;
    Telling telling_;
    std::vector<const Item*> placed_items_;  ///< those that ask for stock, in order of arrival
    std::vector<Placing> placings_;          ///< one each
    std::map<OrderId, OrderState> states_;   ///< of carts that this batch decides
    std::set<OrderId> claimed_;
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
    taking_.read(offers_of(batch_));
    for (const auto& item : batch_.items) {
        if (item.cart == nullptr || !item.first) continue;
        if (!item.rejections.empty()) {
            states_.emplace(item.cart->order_id, rejected(item.cart->order_id, item.rejections));
            continue;
        }
        Candidates chosen;
        for (std::size_t i = 0; i < item.cart->lines.size(); ++i) {
            const auto& line = item.cart->lines[i];
            chosen.push_back(choose(item.candidates[i], line.sku, line.quantity));
        }
        placed_items_.push_back(&item);
        placings_.push_back(place(*item.cart, chosen, placed_at(item), item.cart->channel));
    }
}

/// In order of their ids.
std::vector<NewOrder> Run::new_orders() const {
    std::vector<NewOrder> orders;
    for (const auto& item : batch_.items) {
        if (item.cart == nullptr || !item.first) continue;
        const auto& state = states_.at(item.cart->order_id);
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
        for (const auto& order : orders) add(rows, order);
        transaction_.append(query::new_orders, rows);
        for (const auto& order : orders) claimed_.insert(OrderId(std::string(order.order_id)));
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
    for (std::size_t i = 0; i < rows.size(); ++i) claimed_.insert(OrderId(std::string(rows.text(i, 0))));
}

void Run::reserve() {
    const auto by_policy = [](std::span<const stock::Demand> demands, stock::Shelf& shelf) {
        return stock::allocate(demands, shelf);
    };
    auto demands = demands_of(placings_);
    auto planned = taking_.plan(demands, by_policy);
    for (std::size_t i = 0; i < placings_.size(); ++i) {
        states_.insert_or_assign(placings_[i].order.order_id, outcome_of(placings_[i], planned[i], taking_));
    }
    const auto before = states_;
    claim();
    const auto is_lost = [&](const Placing& placing) { return !claimed_.contains(placing.order.order_id); };
    const bool some_lost = std::erase_if(placings_, is_lost) > 0;
    if (some_lost) {
        demands = demands_of(placings_);
        planned = taking_.plan(demands, by_policy);
    }
    const auto decisions = taking_.take(demands, by_policy, planned);
    for (std::size_t i = 0; i < placings_.size(); ++i) {
        if (!some_lost && decisions[i] == planned[i]) continue;
        states_.insert_or_assign(placings_[i].order.order_id,
                                 outcome_of(placings_[i], decisions[i], taking_));
    }
    write_changed_states(before);
}

void Run::write_changed_states(const std::map<OrderId, OrderState>& inserted) {
    Array ids, states, answers, filled_by;
    for (const auto& order_id : claimed_) {
        const auto& state = states_.at(order_id);
        const auto& was = inserted.at(order_id);
        if (state.state == was.state && state.answer == was.answer) continue;
        ids.add(order_id.str());
        states.add(state.state);
        answers.add(state.answer);
        filled_by.add_null();
    }
    if (ids.size() == 0) return;
    const auto rows =
        transaction_.run(query::decide_orders, {ids.str(), states.str(), answers.str(), filled_by.str()});
    CARTWRIGHT_ASSERT(rows.affected() == ids.size());
}

void Run::write_held() {
    std::set<std::pair<OfferKey, OrderId>> lines;
    for (const auto& placing : placings_) {
        if (states_.at(placing.order.order_id).state != "pending") continue;
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
        if (item.cart != nullptr && !claimed_.contains(item.cart->order_id))
            repeated.insert(item.cart->order_id);
    }
    if (!repeated.empty()) stored_ = read_orders(transaction_, repeated);
}

outcome::Verdict Run::tell(const Item& item, std::set<OfferKey>& to_ring) {
    if (item.cart == nullptr) {
        return outcome::Park{"unknown_type", "the carts queue takes cartwright.cart.submitted.v1 only"};
    }
    const auto& order_id = item.cart->order_id;
    const auto& traceparent = item.member->event.envelope.traceparent;
    if (claimed_.contains(order_id)) {
        const auto& state = states_.at(order_id);
        if (!item.first) {
            const auto same = [&](const Item& other) {
                return other.first && other.cart != nullptr && other.cart->order_id == order_id;
            };
            const auto first = std::find_if(batch_.items.begin(), batch_.items.end(), same);
            if (first->hash != item.hash)
                return outcome::Park{"id_conflict", "another cart had this order_id before"};
        } else {
            telling_.order(state, traceparent);
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
