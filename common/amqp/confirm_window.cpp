#include "common/amqp/confirm_window.hpp"

#include <algorithm>
#include <utility>

namespace cartwright::amqp {
namespace {

bool same_address(const Outgoing& one, const Outgoing& other) {
    return one.message_id == other.message_id && one.routing_key == other.routing_key &&
           one.exchange == other.exchange;
}

bool same_content(const Outgoing& one, const Outgoing& other) {
    return one.correlation_id == other.correlation_id && one.reply_to == other.reply_to &&
           one.type == other.type && one.headers == other.headers && one.body == other.body;
}

}  // namespace

ConfirmWindow::ConfirmWindow(std::size_t messages_max, std::size_t bytes_max)
    : messages_max_(messages_max), bytes_max_(bytes_max) {}

bool ConfirmWindow::has_room(std::size_t bytes) const {
    return count_ == 0 || (count_ < messages_max_ && bytes_ + bytes <= bytes_max_);
}

const Letter* ConfirmWindow::oldest() const {
    return slots_.empty() ? nullptr : slots_.front().letter.get();
}

const Letter* ConfirmWindow::newest() const {
    return slots_.empty() ? nullptr : slots_.back().letter.get();
}

std::uint64_t ConfirmWindow::add(LetterPointer letter) {
    ++count_;
    bytes_ += letter->bytes();
    slots_.push_back({std::move(letter), false});
    return first_ + slots_.size() - 1;
}

LetterPointer ConfirmWindow::settle(Slot& slot) {
    --count_;
    bytes_ -= slot.letter->bytes();
    return std::move(slot.letter);
}

void ConfirmWindow::drop_settled_front() {
    while (!slots_.empty() && !slots_.front().letter) {
        slots_.pop_front();
        ++first_;
    }
}

void ConfirmWindow::answer(std::uint64_t number, bool multiple, Confirm confirm, std::vector<Answered>& out) {
    const auto end = first_ + slots_.size();
    if (multiple && number == 0) number = end - 1;
    if (number < first_ || number >= end) return;
    for (auto at = multiple ? first_ : number; at <= number; ++at) {
        auto& slot = slots_[at - first_];
        if (!slot.letter) continue;
        const bool returned = slot.returned && confirm == Confirm::accepted;
        out.push_back({settle(slot), returned ? Confirm::returned : confirm});
    }
    drop_settled_front();
}

const Letter* ConfirmWindow::mark_returned(const Outgoing& returned) {
    Slot* found = nullptr;
    std::uint64_t found_number = 0;
    for (auto at = std::max(first_, returned_ + 1); at < first_ + slots_.size(); ++at) {
        auto& slot = slots_[at - first_];
        if (!slot.letter || !slot.letter->message.mandatory) continue;
        if (!same_address(slot.letter->message, returned)) continue;
        const bool exact = same_content(slot.letter->message, returned);
        if (exact || found == nullptr) {
            found = &slot;
            found_number = at;
        }
        if (exact) break;
    }
    if (found == nullptr) return nullptr;
    found->returned = true;
    returned_ = found_number;
    return found->letter.get();
}

std::vector<LetterPointer> ConfirmWindow::take_if(const std::function<bool(const Letter&)>& condition) {
    std::vector<LetterPointer> taken;
    for (auto& slot : slots_)
        if (slot.letter && condition(*slot.letter)) taken.push_back(settle(slot));
    drop_settled_front();
    return taken;
}

std::vector<LetterPointer> ConfirmWindow::take_all() {
    auto taken = take_if([](const Letter&) { return true; });
    slots_.clear();
    first_ = 1;
    returned_ = 0;
    return taken;
}

}  // namespace cartwright::amqp
