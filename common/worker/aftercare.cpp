#include "common/worker/aftercare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <random>
#include <set>

#include "common/amqp/topology.hpp"
#include "common/log/log.hpp"
#include "common/order/time.hpp"
#include "common/worker/packing.hpp"

namespace cartwright::worker {
namespace {

constexpr std::string_view attempt_header = "x-attempt";
constexpr std::string_view first_failed_header = "x-first-failed-at";
constexpr std::string_view error_header = "x-error";
constexpr std::string_view broker_count_header = "x-delivery-count";
constexpr std::string_view deaths_header = "x-death";
/// More than anybody waits for.
constexpr std::int64_t attempts_counted_max = 1'000'000'000;
/// A detail is for people; a header has to fit a frame.
constexpr std::size_t detail_bytes_max = 2'000;
/// Likewise of the names that a detail tells.
constexpr std::size_t names_bytes_max = 500;

const amqp::HeaderValue* find(const amqp::Headers& headers, std::string_view name) {
    const auto found = std::find_if(headers.begin(), headers.end(),
                                    [&](const auto& header) { return header.first == name; });
    return found == headers.end() ? nullptr : &found->second;
}

amqp::Outgoing copy_of(const Troubled& troubled) {
    const auto& delivery = troubled.delivery;
    amqp::Outgoing copy;
    copy.body = std::string(troubled.body);
    copy.content_type = troubled.one_of_many ? amqp::json_event : delivery.content_type;
    copy.content_encoding = delivery.content_encoding;
    copy.message_id = troubled.one_of_many || delivery.message_id.empty()
                          ? message_id_of(std::string(troubled.id))
                          : delivery.message_id;
    copy.type = troubled.one_of_many || delivery.type.empty() ? std::string(troubled.type) : delivery.type;
    copy.reply_to = delivery.reply_to;
    copy.correlation_id = delivery.correlation_id;
    for (const auto& header : delivery.headers) {
        const bool of_an_earlier_end = header.first.starts_with("x-parked-") || header.first == deaths_header;
        if (header.first != broker_count_header && !of_an_earlier_end) copy.headers.push_back(header);
    }
    return copy;
}

void set(amqp::Headers& headers, std::string_view name, amqp::HeaderValue value) {
    std::erase_if(headers, [&](const auto& header) { return header.first == name; });
    headers.emplace_back(std::string(name), std::move(value));
}

std::string shortened(std::string_view text) {
    return std::string(text.substr(0, detail_bytes_max));
}

/// Headers may fill a frame by themselves: then the largest of the sender's give way to ours. Names those
/// that do.
std::string make_room(amqp::Headers& headers, std::size_t bytes_wanted) {
    std::vector<std::pair<std::size_t, std::string>> by_size;
    std::size_t bytes = bytes_wanted;
    for (const auto& [name, value] : headers) {
        by_size.emplace_back(amqp::header_bytes(name, value), name);
        bytes += by_size.back().first;
    }
    std::sort(by_size.begin(), by_size.end(), std::greater<>{});
    std::set<std::string> left_out;
    std::string names;
    for (const auto& [size, name] : by_size) {
        if (bytes <= amqp::headers_bytes_max) break;
        bytes -= size;
        left_out.insert(name);
        if (names.size() < names_bytes_max) names += (names.empty() ? "" : ", ") + name;
    }
    std::erase_if(headers, [&](const auto& header) { return left_out.contains(header.first); });
    return names;
}

/// What does not fit is left out, which the detail tells.
void add_headers(amqp::Outgoing& copy, amqp::Headers ours, std::string_view detail_name,
                 std::string_view detail) {
    std::size_t bytes = detail_name.size() + detail_bytes_max + names_bytes_max + 512;
    for (const auto& [name, value] : ours) bytes += amqp::header_bytes(name, value);
    const auto left_out = make_room(copy.headers, bytes);
    for (auto& [name, value] : ours) set(copy.headers, name, std::move(value));
    auto text = shortened(detail);
    if (!left_out.empty()) text += fmt::format("; headers left out for want of room: {}", left_out);
    set(copy.headers, detail_name, std::move(text));
}

}  // namespace

amqp::Outgoing parked(const std::string& worker, const Troubled& troubled, std::string_view reason,
                      std::string_view detail) {
    auto copy = copy_of(troubled);
    copy.exchange = "parking";
    copy.routing_key = worker;
    add_headers(copy,
                {{"x-parked-reason", std::string(reason)},
                 {"x-parked-worker", worker},
                 {"x-parked-queue", troubled.delivery.queue},
                 {"x-parked-at", to_rfc3339(now())},
                 {"x-parked-attempts", troubled.attempts}},
                "x-parked-detail", detail);
    return copy;
}

amqp::Outgoing for_ladder(const std::string& worker, const LadderSettings& ladder, const Troubled& troubled,
                          std::string_view detail) {
    auto copy = copy_of(troubled);
    const auto rungs = amqp::rung_names(worker, ladder.rungs);
    auto rung = std::min(static_cast<std::size_t>(troubled.attempts), rungs.size() - 1);
    static thread_local std::minstd_rand random{std::random_device{}()};
    if (rung > 0 && random() % 4 == 0) --rung;
    copy.exchange = "retry";
    copy.routing_key = rungs[rung];
    // Whoever was not on the ladder yet says nothing about it.
    amqp::Headers ours{{std::string(attempt_header), troubled.attempts + 1}};
    const auto* before = troubled.attempts == 0 ? nullptr : find(copy.headers, first_failed_header);
    ours.emplace_back(first_failed_header, before == nullptr ? to_rfc3339(now()) : *before);
    add_headers(copy, std::move(ours), error_header, detail);
    return copy;
}

std::int64_t attempts_of(const amqp::Delivery& delivery) {
    const auto& workers = amqp::workers_with_ladder();
    const bool from_ladder = std::any_of(workers.begin(), workers.end(), [&](const std::string& worker) {
        return delivery.queue == amqp::retry_queue(worker);
    });
    if (!from_ladder) return 0;
    const auto* value = find(delivery.headers, attempt_header);
    const auto* number = value == nullptr ? nullptr : std::get_if<std::int64_t>(value);
    return number == nullptr ? 0 : std::clamp<std::int64_t>(*number, 0, attempts_counted_max);
}

std::optional<amqp::Outgoing> answer(const std::string& reply_to, const std::string& correlation_id,
                                     std::string_view type, std::string event) {
    if (reply_to.empty()) return std::nullopt;
    if (amqp::belongs_to_fleet(reply_to)) {
        log::warn("answer_refused", {{"reply_to", reply_to}, {"why", "it names a queue of the fleet"}});
        return std::nullopt;
    }
    amqp::Outgoing reply;
    reply.routing_key = reply_to;
    reply.body = std::move(event);
    reply.type = std::string(type);
    reply.correlation_id = correlation_id;
    reply.effort = amqp::Effort::best_effort;
    return reply;
}

}  // namespace cartwright::worker
