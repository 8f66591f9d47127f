#include "tests/model/broker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace cartwright::model {

Queue& Broker::queue(const std::string& name) {
    auto& queue = queues_[name];
    queue.name = name;
    return queue;
}

void Broker::put(const std::string& name, Letter letter) {
    queue(name).letters.push_back(std::move(letter));
}

bool Broker::has_any(const Queues& queues) const {
    return std::any_of(queues.begin(), queues.end(), [&](const Queue* queue) {
        return std::any_of(queue->letters.begin(), queue->letters.end(),
                           [&](const Letter& letter) { return letter.due_us <= scheduler_.time_us; });
    });
}

std::int64_t Broker::next_due_us(const Queues& queues) const {
    auto next = never_us;
    for (const auto* queue : queues) {
        for (const auto& letter : queue->letters) next = std::min(next, letter.due_us);
    }
    return next;
}

std::optional<Delivered> Broker::take(const Queues& queues, Process& process) {
    std::vector<std::pair<Queue*, std::size_t>> at_hand;
    for (auto* queue : queues) {
        std::size_t seen = 0;
        for (std::size_t i = 0; i < queue->letters.size() && seen < reach; ++i) {
            if (queue->letters[i].due_us > scheduler_.time_us) continue;
            at_hand.emplace_back(queue, i);
            ++seen;
        }
    }
    if (at_hand.empty()) return std::nullopt;
    const auto& [queue, place] = at_hand[random_.below(at_hand.size())];
    Delivered delivered{++last_tag_, process.connection, queue, std::move(queue->letters[place])};
    queue->letters.erase(queue->letters.begin() + static_cast<std::ptrdiff_t>(place));
    given_.emplace(delivered.tag, Given{&process, delivered});
    return delivered;
}

void Broker::acknowledge(const Delivered& delivered, const Process& process) {
    if (delivered.connection == process.connection) given_.erase(delivered.tag);
}

void Broker::cut(Process& process) {
    ++process.connection;
    for (auto at = given_.begin(); at != given_.end();) {
        if (at->second.process != &process) {
            ++at;
            continue;
        }
        auto& delivered = at->second.delivered;
        delivered.letter.redelivered = true;
        ++delivered.letter.delivery_count;
        auto* queue = delivered.queue;
        queue->letters.push_front(std::move(delivered.letter));
        at = given_.erase(at);
    }
}

bool Broker::empty() const {
    return given_.empty() && std::all_of(queues_.begin(), queues_.end(),
                                         [](const auto& one) { return one.second.letters.empty(); });
}

std::string Broker::contents() const {
    std::string text;
    for (const auto& [name, queue] : queues_) {
        for (const auto& letter : queue.letters) text += fmt::format(" {} in {}", letter.label, name);
    }
    for (const auto& [tag, given] : given_)
        text += fmt::format(" {} unacknowledged at {}", given.delivered.letter.label, given.process->name);
    return text;
}

}  // namespace cartwright::model
