#include "tests/integration/splitter/streams.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <variant>

#include "common/codec/decode.hpp"

namespace cartwright::tests {

using postgres::Rows;
using postgres::Session;
using postgres::Transaction;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    if (value != nullptr) return value;
    fmt::print(stderr, "{} is not set; scripts/test --integration sets it\n", name);
    std::exit(1);
}

std::unique_ptr<Session> worker_session(const std::string& program, bool durable) {
    auto url = variable(program == "router" ? "ROUTER_POSTGRES_URL" : "SPLITTER_POSTGRES_URL");
    if (!durable) url += "?options=-c%20synchronous_commit%3Doff";
    return std::make_unique<Session>(postgres::Settings{url, "streams-test", 0});
}

std::vector<std::string> sql(const std::string& statements) {
    static Session session({variable("POSTGRES_ADMIN_URL"), "streams-test-admin", 3});
    std::vector<std::string> texts;
    session.transaction([&](Transaction& transaction) {
        texts.clear();
        const auto rows = transaction.execute_script(statements);
        for (std::size_t row = 0; row < rows.size(); ++row) texts.emplace_back(rows.text(row, 0));
    });
    return texts;
}

std::int64_t number(const std::string& query) {
    return std::stoll(sql(query).at(0));
}

void empty_tables() {
    sql("truncate inbox, seller_stream, seller_message, seller_delivery, seller_switch, seller_void, "
        "rules_version");
}

worker::Member ready(const std::string& order, const std::vector<std::string>& sellers) {
    worker::Member member;
    member.event.envelope = {
        EventId(order + "/ready"), std::string(message::type::order_ready), "test", {}, {}};
    message::OrderPlaced placed;
    placed.order.order_id = OrderId(order);
    placed.order.currency = "BRL";
    placed.order.placed_at = from_rfc3339("2026-03-01T12:00:00Z");
    for (const auto& seller : sellers) {
        OrderLine line{LineId("1 " + seller), Sku("sku"), "toys", 1, 1'990, {{WarehouseId("main"), 1}}};
        placed.order.sellers.push_back({SellerId(seller), "SP", {}, {line}});
    }
    member.event.payload = std::move(placed);
    return member;
}

worker::Member cancelled(const std::string& order, const std::vector<std::string>& sellers,
                         const std::string& event) {
    worker::Member member;
    const auto id = order + "/cancelled" + (event.empty() ? "" : "/" + event);
    member.event.envelope = {EventId(id),
                             std::string(message::type::order_cancelled),
                             "test",
                             from_rfc3339("2026-03-01T13:00:00Z"),
                             {}};
    message::OrderCancelled cancellation{OrderId(order), "test", event.empty(), {}};
    for (const auto& seller : sellers) {
        cancellation.sellers.push_back({SellerId(seller), {{LineId("1 " + seller), Sku("sku"), 1}}});
    }
    member.event.payload = std::move(cancellation);
    return member;
}

void Mail::add(const std::vector<amqp::Outgoing>& messages) {
    codec::Decoder decoder{{}};
    for (const auto& message : messages) {
        const auto& body = bodies_.emplace_back(message.body);
        for (auto& one : decoder.decode(body)) {
            worker::Member member;
            member.event = std::get<message::Event>(std::move(one.content));
            member.raw = one.raw;
            members_.push_back(std::move(member));
        }
    }
}

std::vector<std::string> verdicts(const worker::Result& result) {
    static const char* const names[] = {"done", "park", "later", "again"};
    std::vector<std::string> texts;
    for (const auto& verdict : result.verdicts) texts.emplace_back(names[verdict.index()]);
    return texts;
}

std::string plan_of(const postgres::Statement& statement, const std::string& arguments, bool generic,
                    const std::string& before) {
    const bool router = std::string_view(statement.name).starts_with("router_");
    const auto session = worker_session(router ? "router" : "splitter");
    std::string plan;
    session->transaction([&](Transaction& transaction) {
        if (!before.empty()) transaction.execute_script(before);
        transaction.execute_script(
            fmt::format("set local plan_cache_mode = force_{}_plan; prepare explained as {}",
                        generic ? "generic" : "custom", statement.sql));
        const auto rows = transaction.execute_script("explain execute explained(" + arguments + ")");
        for (std::size_t row = 0; row < rows.size(); ++row) plan += std::string(rows.text(row, 0)) + "\n";
        transaction.execute_script("deallocate explained");
    });
    return plan;
}

bool follows_the_array(const std::string& plan, const std::string& index) {
    const auto has = [&](const std::string& text) { return plan.find(text) != std::string::npos; };
    return has("Nested Loop") && has("Index Scan using " + index) && !has("Hash") && !has("Merge") &&
           !has("Seq Scan") && !has("Sort") && !has("Bitmap");
}

std::string text_array(const std::string& prefix, int count) {
    std::string text = "'{";
    for (int i = 0; i < count; ++i) text += fmt::format("{}\"{}{:05}\"", i == 0 ? "" : ",", prefix, i);
    return text + "}'";
}

std::string repeated_array(const std::string& value, int count) {
    std::string text = "'{";
    for (int i = 0; i < count; ++i) text += (i == 0 ? "" : ",") + value;
    return text + "}'";
}

}  // namespace cartwright::tests
