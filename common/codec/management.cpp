#include "common/codec/management.hpp"

#include <nlohmann/json.hpp>

#include "common/outcome/trouble.hpp"
#include "common/text/utf8.hpp"

namespace cartwright::codec {
namespace {

using Json = nlohmann::json;

constexpr int policy_priority = 10;

/// A dot in a queue's name is any character in a policy's pattern.
std::string exactly(const std::string& name) {
    std::string pattern = "^";
    for (const char c : name) {
        if (c == '.') pattern += '\\';
        pattern += c;
    }
    return pattern + "$";
}

ManagedValues values_of(const Json& object) {
    ManagedValues values;
    for (const auto& [key, value] : object.items()) {
        if (value.is_number_integer()) {
            values.emplace(key, value.get<std::int64_t>());
        } else if (value.is_string()) {
            values.emplace(key, value.get<std::string>());
        } else {
            values.emplace(key, value.dump());
        }
    }
    return values;
}

Json json_of(const ManagedValue& value) {
    return std::visit([](const auto& held) { return Json(held); }, value);
}

template <class Row, class Read>
std::vector<Row> read_list(const std::string& text, const Read& read) {
    try {
        std::vector<Row> rows;
        for (const auto& item : Json::parse(text)) rows.push_back(read(item));
        return rows;
    } catch (const Json::exception& error) {
        throw outcome::Refused(std::string("the management API answered something else than expected: ") +
                               text::utf8_text(error.what(), 300));
    }
}

}  // namespace

std::vector<ManagedExchange> read_exchanges(const std::string& json) {
    return read_list<ManagedExchange>(json, [](const Json& item) {
        return ManagedExchange{item.at("name"), item.at("type"), item.at("durable"),
                               values_of(item.at("arguments"))};
    });
}

std::vector<ManagedQueue> read_queues(const std::string& json) {
    return read_list<ManagedQueue>(json, [](const Json& item) {
        const auto policy = item.find("policy");
        const bool named = policy != item.end() && policy->is_string();
        return ManagedQueue{item.at("name"),
                            item.value("type", "classic"),
                            item.at("durable"),
                            values_of(item.at("arguments")),
                            item.value("messages", std::int64_t{0}),
                            named ? policy->get<std::string>() : std::string{}};
    });
}

std::vector<ManagedBinding> read_bindings(const std::string& json) {
    return read_list<ManagedBinding>(json, [](const Json& item) {
        return ManagedBinding{item.at("source"), item.at("destination"), item.at("routing_key"),
                              item.at("properties_key")};
    });
}

std::vector<ManagedPolicy> read_policies(const std::string& json) {
    return read_list<ManagedPolicy>(json, [](const Json& item) {
        return ManagedPolicy{item.at("name"), item.at("pattern"), item.at("apply-to"), item.at("priority"),
                             values_of(item.at("definition"))};
    });
}

std::vector<ManagedPermission> read_permissions(const std::string& json) {
    return read_list<ManagedPermission>(json, [](const Json& item) {
        return ManagedPermission{item.at("user"), item.at("configure"), item.at("write"), item.at("read")};
    });
}

std::string exchange_body(const std::string& type, const std::string& alternate_exchange) {
    Json arguments = Json::object();
    if (!alternate_exchange.empty()) arguments["alternate-exchange"] = alternate_exchange;
    return Json{{"type", type}, {"durable", true}, {"auto_delete", false}, {"arguments", arguments}}.dump();
}

std::string queue_body() {
    return Json{{"durable", true}, {"auto_delete", false}, {"arguments", {{"x-queue-type", "quorum"}}}}
        .dump();
}

std::string binding_body(const std::string& routing_key) {
    return Json{{"routing_key", routing_key}, {"arguments", Json::object()}}.dump();
}

std::string user_body(const std::string& password) {
    return Json{{"password", password}, {"tags", ""}}.dump();
}

std::string permission_body(const ManagedPermission& permission) {
    return Json{{"configure", permission.configure}, {"write", permission.write}, {"read", permission.read}}
        .dump();
}

ManagedPolicy policy_of(const std::string& queue, const ManagedValues& definition) {
    return {queue, exactly(queue), "queues", policy_priority, definition};
}

std::string policy_body(const ManagedPolicy& policy) {
    Json settings = Json::object();
    for (const auto& [key, value] : policy.definition) settings[key] = json_of(value);
    return Json{{"pattern", policy.pattern},
                {"definition", settings},
                {"priority", policy.priority},
                {"apply-to", policy.apply_to}}
        .dump();
}

std::string list_of(const std::vector<std::vector<std::pair<std::string, ManagedValue>>>& rows) {
    auto list = Json::array();
    for (const auto& row : rows) {
        auto object = nlohmann::ordered_json::object();
        for (const auto& [key, value] : row)
            object[key] = std::visit([](const auto& held) { return Json(held); }, value);
        list.push_back(Json::parse(object.dump(-1, ' ', false, Json::error_handler_t::replace)));
    }
    return list.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace cartwright::codec
