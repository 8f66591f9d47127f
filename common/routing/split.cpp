#include "common/routing/split.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "common/outcome/trouble.hpp"

namespace cartwright::routing {
namespace {

constexpr std::string_view void_text = "void";

/// What the batch knows of an order while it goes along.
struct Known {
    enum class State { unknown, numbered, voided } state = State::unknown;
    std::map<SellerId, StreamName> streams;
};

class Splitter {
  public:
    Splitter(std::span<const Work> batch, const std::set<ClaimKey>& won,
             const std::map<ClaimKey, Answer>& stored, const Rules& rules)
        : batch_(batch), won_(won), stored_(stored), rules_(rules) {}

    Split run() {
        for (std::size_t i = 0; i < batch_.size(); ++i) one(i);
        for (const auto index : early_) cancelled(index, known(batch_[index].order_id), Turn::last);
        return std::move(split_);
    }

  private:
    enum class Turn { first, last };
    void one(std::size_t index);
    void ready(std::size_t index, Known& known);
    void cancelled(std::size_t index, Known& known, Turn turn);
    void number_cancellation(std::size_t index, const Known& known);
    Known& known(const OrderId& order_id);
    void repeat(const ClaimKey& claim);

    std::span<const Work> batch_;
    const std::set<ClaimKey>& won_;
    const std::map<ClaimKey, Answer>& stored_;
    const Rules& rules_;
    std::map<OrderId, Known> orders_;
    std::set<ClaimKey> used_;         ///< won claims whose work is done
    std::vector<std::size_t> early_;  ///< partial cancellations before which nothing is known of their order
    Split split_;
};

Known& Splitter::known(const OrderId& order_id) {
    const auto [found, added] = orders_.try_emplace(order_id);
    if (!added) return found->second;
    const auto stored = stored_.find(ready_claim(order_id));
    if (stored == stored_.end()) return found->second;
    found->second.state = stored->second.is_void ? Known::State::voided : Known::State::numbered;
    for (const auto& place : stored->second.places) {
        found->second.streams.emplace(place.stream.seller_id, place.stream.stream);
    }
    return found->second;
}

/// What is stored is said again; what this batch has numbered itself is on its way already.
void Splitter::repeat(const ClaimKey& claim) {
    const auto stored = stored_.find(claim);
    if (stored == stored_.end()) return;
    split_.repeats.insert(stored->second.places.begin(), stored->second.places.end());
}

void Splitter::one(std::size_t index) {
    auto& order = known(batch_[index].order_id);
    if (batch_[index].kind == WorkKind::ready) return ready(index, order);
    cancelled(index, order, Turn::first);
}

void Splitter::ready(std::size_t index, Known& known) {
    const auto& work = batch_[index];
    const auto claim = ready_claim(work.order_id);
    if (known.state != Known::State::unknown) return repeat(claim);
    CARTWRIGHT_ASSERT(won_.contains(claim));
    known.state = Known::State::numbered;
    for (std::size_t seller = 0; seller < work.order->sellers.size(); ++seller) {
        const auto& part = work.order->sellers[seller];
        auto choice = rules_.choose_stream(*work.order, part);
        known.streams.emplace(part.seller_id, choice.stream);
        split_.messages.push_back({index,
                                   seller,
                                   {part.seller_id, std::move(choice.stream)},
                                   claim,
                                   choice.rule == nullptr ? std::string() : choice.rule->name});
    }
    // An order without sellers has nothing to number; its claim is answered all the same.
    if (work.order->sellers.empty()) split_.voided.insert(claim);
}

void Splitter::cancelled(std::size_t index, Known& known, Turn turn) {
    const auto& work = batch_[index];
    const auto claim = claim_of(work);
    if (known.state == Known::State::unknown && work.kind == WorkKind::cancelled_lines) {
        // Its order may stand further behind in the batch.
        if (turn == Turn::first) return early_.push_back(index);
        split_.later.push_back(index);
        if (won_.contains(claim)) split_.given_up.insert(claim);
        return;
    }
    if (!won_.contains(claim) || !used_.insert(claim).second) return repeat(claim);
    if (known.state == Known::State::unknown) {
        CARTWRIGHT_ASSERT(won_.contains(ready_claim(work.order_id)));
        known.state = Known::State::voided;
        split_.voided.insert(ready_claim(work.order_id));
    }
    if (known.state == Known::State::voided) {
        split_.voided.insert(claim);
        return;
    }
    number_cancellation(index, known);
}

/// In the stream that is stored with the order, never chosen anew.
void Splitter::number_cancellation(std::size_t index, const Known& known) {
    const auto claim = claim_of(batch_[index]);
    const auto& sellers = batch_[index].cancelled->sellers;
    bool some = false;
    for (std::size_t seller = 0; seller < sellers.size(); ++seller) {
        const auto stream = known.streams.find(sellers[seller].seller_id);
        if (stream == known.streams.end()) continue;
        split_.messages.push_back({index, seller, {stream->first, stream->second}, claim, {}});
        some = true;
    }
    if (!some) split_.voided.insert(claim);
}

}  // namespace

std::string to_text(const Answer& answer) {
    if (answer.is_void) return std::string(void_text);
    std::string text;
    for (const auto& place : answer.places) {
        text += fmt::format(FMT_COMPILE("{}\t{}\t{}\n"), place.stream.seller_id.str(),
                            place.stream.stream.str(), place.number);
    }
    return text;
}

Answer answer_from(std::string_view text) {
    if (text == void_text) return {true, {}};
    Answer answer;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        CARTWRIGHT_ASSERT(line.size() < text.size());
        const auto first = line.find('\t');
        const auto second = line.find('\t', first + 1);
        CARTWRIGHT_ASSERT(first != std::string_view::npos && second != std::string_view::npos);
        Place place{{SellerId(std::string(line.substr(0, first))),
                     StreamName(std::string(line.substr(first + 1, second - first - 1)))},
                    0};
        const auto number = line.substr(second + 1);
        const auto read = std::from_chars(number.data(), number.data() + number.size(), place.number);
        CARTWRIGHT_ASSERT(read.ec == std::errc{});
        answer.places.push_back(std::move(place));
        text.remove_prefix(line.size() + 1);
    }
    return answer;
}

ClaimKey ready_claim(const OrderId& order_id) {
    return {order_id, ready_item};
}

ClaimKey claim_of(const Work& work) {
    if (work.kind == WorkKind::ready) return ready_claim(work.order_id);
    if (work.kind == WorkKind::cancelled_whole) return {work.order_id, "split/cancelled"};
    return {work.order_id, fmt::format("split/cancelled/{}", work.event_id)};
}

std::set<ClaimKey> claims_of(std::span<const Work> batch) {
    std::set<ClaimKey> claims;
    for (const auto& work : batch) {
        claims.insert(claim_of(work));
        if (work.kind == WorkKind::cancelled_whole) claims.insert(ready_claim(work.order_id));
    }
    return claims;
}

Split split(std::span<const Work> batch, const std::set<ClaimKey>& won,
            const std::map<ClaimKey, Answer>& stored, const Rules& rules) {
    return Splitter(batch, won, stored, rules).run();
}

}  // namespace cartwright::routing
