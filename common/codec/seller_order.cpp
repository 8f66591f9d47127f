#include "common/codec/seller_order.hpp"

#include <nlohmann/json.hpp>

#include "common/message/event.hpp"
#include "common/text/utf8.hpp"

namespace cartwright::codec {

std::variant<RoutedOrder, std::string> read_routed_order(const std::string& json) {
    try {
        const auto event = nlohmann::json::parse(json);
        if (event.at("type") != message::type::seller_order)
            return "it is no " + std::string(message::type::seller_order) + " event";
        const auto& data = event.at("data");
        RoutedOrder order;
        order.seller = event.at("sellerid");
        order.stream = event.at("stream");
        order.region = data.value("region", "");
        order.channel = data.at("channel");
        order.currency = data.at("currency");
        order.tags = data.value("tags", std::vector<std::string>{});
        order.value_minor = data.at("total_minor");
        for (const auto& line : data.at("lines")) {
            order.skus.push_back(line.at("sku"));
            order.categories.push_back(line.value("category", ""));
            for (const auto& allocation : line.value("allocations", nlohmann::json::array()))
                order.warehouses.push_back(allocation.at("warehouse"));
        }
        return order;
    } catch (const nlohmann::json::exception& error) {
        return text::utf8_text(error.what(), 300);  // it quotes the text, however long
    }
}

}  // namespace cartwright::codec
