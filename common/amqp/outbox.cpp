#include "common/amqp/outbox.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "common/amqp/backoff.hpp"

namespace cartwright::amqp {
namespace {

constexpr std::chrono::seconds probe_time{1};
/// How long a message that must be sent alone keeps others waiting, or waits for the answers to others: a
/// queue without a leader may not answer for a long time.
constexpr std::chrono::seconds alone_time{5};

std::string address(const Outgoing& message) {
    return fmt::format("exchange {}, key {}", message.exchange.empty() ? "(default)" : message.exchange,
                       message.routing_key);
}

}  // namespace

Outbox::Outbox(PublisherLimits limits, Statistics& statistics)
    : limits_(limits),
      statistics_(statistics),
      window_(limits.window_messages_max, limits.window_bytes_max),
      random_(std::random_device{}()) {}

void Outbox::add(std::vector<Outgoing> messages, std::function<void()> on_confirmed, TimePoint now) {
    auto group = std::make_shared<Group>();
    group->on_confirmed = std::move(on_confirmed);
    for (auto& message : messages) {
        auto letter = std::make_unique<Letter>();
        letter->message = std::move(message);
        letter->group = group;
        letter->ordinal = ++ordinal_;
        letter->accepted_at = now;
        if (!letter->best_effort()) ++group->open;
        ready_.push_back(std::move(letter));
    }
    if (group->open == 0 && group->on_confirmed) callbacks_.push_back(std::move(group->on_confirmed));
}

void Outbox::add(const std::shared_ptr<OrderedRun>& run, std::vector<Outgoing> messages, TimePoint now) {
    for (std::size_t position = 0; position < messages.size(); ++position) {
        if (!open_) {
            run->answer(position, Confirm::unsent);
            continue;
        }
        auto letter = std::make_unique<Letter>();
        letter->message = std::move(messages[position]);
        letter->run = run;
        letter->position = position;
        letter->ordinal = ++ordinal_;
        letter->accepted_at = now;
        ready_.push_back(std::move(letter));
    }
}

void Outbox::channel_opened(TimePoint now) {
    open_ = true;
    exclusive_until_ = now + probe_time;
}

/// Empties the window; what may be sent again is returned.
std::vector<LetterPointer> Outbox::take_unanswered() {
    open_ = false;
    std::vector<LetterPointer> again;
    for (auto& letter : window_.take_all()) {
        if (letter->run) {
            letter->run->answer(letter->position, Confirm::unknown);
        } else if (letter->best_effort()) {
            lose();
        } else {
            again.push_back(std::move(letter));
        }
    }
    drop_queued_runs();
    return again;
}

/// A run is never continued on another channel: what was in flight may be missing there.
void Outbox::drop_queued_runs() {
    std::erase_if(ready_, [](const LetterPointer& letter) {
        if (!letter->run) return false;
        letter->run->answer(letter->position, Confirm::unsent);
        return true;
    });
}

void Outbox::put_in_front(std::vector<LetterPointer> letters) {
    std::sort(letters.begin(), letters.end(),
              [](const auto& one, const auto& other) { return one->ordinal < other->ordinal; });
    ready_.insert(ready_.begin(), std::make_move_iterator(letters.begin()),
                  std::make_move_iterator(letters.end()));
}

void Outbox::connection_lost() {
    put_in_front(take_unanswered());
}

void Outbox::channel_lost(TimePoint now, const std::string& why) {
    const auto* newest = window_.newest();
    const auto* blamed = newest && (newest->alone || window_.size() == 1) ? newest : nullptr;
    auto again = take_unanswered();
    for (auto& letter : again) letter->alone = true;
    const auto found =
        std::find_if(again.begin(), again.end(), [&](const auto& letter) { return letter.get() == blamed; });
    if (found != again.end()) {
        trouble_ = fmt::format("{}: {}", address(blamed->message), why);
        back_off(std::move(*found), now);
        again.erase(found);
    }
    put_in_front(std::move(again));
}

bool Outbox::may_go(const Letter& letter, TimePoint now) const {
    if (window_.size() == 0) return true;
    if (now < exclusive_until_) return false;
    if (letter.alone && now < window_.oldest()->sent_at + alone_time) return false;
    return window_.has_room(letter.bytes());
}

/// True when the letter need not be sent any more; it is then settled.
bool Outbox::is_void(Letter& letter, TimePoint now) {
    if (letter.run) return !letter.run->begin(letter.position);
    if (!letter.best_effort() || now - letter.accepted_at < limits_.best_effort_timeout) return false;
    lose();
    return true;
}

void Outbox::take_due(TimePoint now) {
    std::vector<LetterPointer> due;
    while (!backing_off_.empty() && backing_off_.begin()->first <= now) {
        due.push_back(std::move(backing_off_.begin()->second));
        backing_off_.erase(backing_off_.begin());
    }
    if (!due.empty()) put_in_front(std::move(due));
}

const Outgoing* Outbox::start_next(TimePoint now) {
    if (!open_) return nullptr;
    take_due(now);
    while (!ready_.empty() && may_go(*ready_.front(), now)) {
        auto letter = std::move(ready_.front());
        ready_.pop_front();
        if (is_void(*letter, now)) continue;
        letter->sent_at = now;
        if (letter->alone) exclusive_until_ = now + alone_time;
        const auto* message = &letter->message;
        window_.add(std::move(letter));
        ++statistics_.published;
        return message;
    }
    return nullptr;
}

void Outbox::answered(std::uint64_t number, bool multiple, Confirm confirm, TimePoint now) {
    std::vector<Answered> settled;
    window_.answer(number, multiple, confirm, settled);
    if (settled.empty()) return;
    exclusive_until_ = now;
    // What one answer refuses is due at one time, so that it is sent again in one burst and in its order.
    jitter_ = std::uniform_real_distribution<double>(0.5, 1.0)(random_);
    for (auto& one : settled) settle(std::move(one), now);
}

void Outbox::settle(Answered answered, TimePoint now) {
    auto& letter = *answered.letter;
    if (answered.confirm == Confirm::refused) ++statistics_.nacked;
    if (answered.confirm == Confirm::accepted) count_confirm(letter, now);
    if (letter.run) {
        letter.run->answer(letter.position, answered.confirm);
    } else if (answered.confirm == Confirm::accepted) {
        confirmed(letter);
    } else if (letter.best_effort()) {
        lose();
    } else {
        if (answered.confirm == Confirm::refused)
            trouble_ =
                fmt::format("{}: refused (a queue is full or without a leader)", address(letter.message));
        back_off(std::move(answered.letter), now);
    }
}

void Outbox::count_confirm(const Letter& letter, TimePoint now) {
    const auto latency = std::chrono::duration_cast<std::chrono::microseconds>(now - letter.sent_at).count();
    const auto& bounds = Statistics::confirm_latency_ms_bounds;
    const auto bound = std::find_if(bounds.begin(), bounds.end(), [&](auto ms) {
        return static_cast<std::uint64_t>(latency) <= ms * 1'000;
    });
    ++statistics_.confirmed;
    ++statistics_.confirm_latency_counts[static_cast<std::size_t>(bound - bounds.begin())];
    statistics_.confirm_latency_us += static_cast<std::uint64_t>(latency);
}

void Outbox::confirmed(Letter& letter) {
    if (letter.attempts > 0 && --refused_ == 0) trouble_.clear();
    if (letter.best_effort()) return;
    auto& group = *letter.group;
    if (--group.open == 0 && group.on_confirmed) callbacks_.push_back(std::move(group.on_confirmed));
}

void Outbox::back_off(LetterPointer letter, TimePoint now) {
    const auto delay = doubled(limits_.retry_delay_min, limits_.retry_delay_max, letter->attempts);
    if (letter->attempts++ == 0) ++refused_;
    const auto due = now + std::chrono::duration_cast<std::chrono::milliseconds>(delay * jitter_);
    backing_off_.emplace(due, std::move(letter));
}

void Outbox::returned(const Outgoing& message, const std::string& why) {
    const auto* letter = window_.mark_returned(message);
    if (letter == nullptr) {
        ++statistics_.returned_unmatched;
        return;
    }
    ++statistics_.returned;
    if (!letter->run && !letter->best_effort())
        trouble_ = fmt::format("{}: returned, no queue takes it ({})", address(letter->message), why);
}

void Outbox::expire(TimePoint now) {
    const auto given_up = [&](const Letter& letter) {
        if (letter.run) return letter.run->left();
        return letter.best_effort() && now - letter.accepted_at >= limits_.best_effort_timeout;
    };
    for (auto& letter : window_.take_if(given_up))
        if (!letter->run) lose();
    std::erase_if(ready_, [&](const LetterPointer& letter) {
        if (!given_up(*letter)) return false;
        if (!letter->run) lose();
        return true;
    });
}

std::optional<Outbox::TimePoint> Outbox::next_due(TimePoint now) const {
    std::optional<TimePoint> due;
    const auto consider = [&](TimePoint time) { due = due ? std::min(*due, time) : time; };
    if (!open_) return due;
    if (!backing_off_.empty()) consider(backing_off_.begin()->first);
    if (ready_.empty() || window_.size() == 0) return due;
    if (exclusive_until_ > now) consider(exclusive_until_);
    const auto end_of_wait = window_.oldest()->sent_at + alone_time;
    if (ready_.front()->alone && end_of_wait > now) consider(end_of_wait);
    return due;
}

std::vector<std::function<void()>> Outbox::take_callbacks() {
    return std::exchange(callbacks_, {});
}

void Outbox::update_gauges(TimePoint now) {
    statistics_.unconfirmed = static_cast<std::int64_t>(window_.size());
    statistics_.waiting = static_cast<std::int64_t>(ready_.size() + backing_off_.size());
    const auto* oldest = window_.oldest();
    const auto age = oldest ? now - oldest->sent_at : Clock::duration::zero();
    statistics_.unconfirmed_age_ms = std::chrono::duration_cast<std::chrono::milliseconds>(age).count();
}

}  // namespace cartwright::amqp
