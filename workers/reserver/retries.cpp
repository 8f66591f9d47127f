#include "workers/reserver/retries.hpp"

#include <iterator>

namespace cartwright::reserver {

RetryHandler::RetryHandler(std::unique_ptr<worker::Handler> carts, std::unique_ptr<worker::Handler> movements,
                           std::unique_ptr<worker::Handler> fill)
    : carts_(std::move(carts)), movements_(std::move(movements)), fill_(std::move(fill)) {}

worker::Handler& RetryHandler::handler_of(const worker::Member& member) {
    const auto& payload = member.event.payload;
    if (std::holds_alternative<message::StockFill>(payload)) return *fill_;
    if (std::holds_alternative<message::CartSubmitted>(payload)) return *carts_;
    return *movements_;
}

worker::Result RetryHandler::handle(std::span<const worker::Member> batch) {
    worker::Result all;
    for (std::size_t begin = 0; begin < batch.size();) {
        auto& handler = handler_of(batch[begin]);
        auto end = begin + 1;
        while (end < batch.size() && &handler_of(batch[end]) == &handler) ++end;
        auto some = handler.handle(batch.subspan(begin, end - begin));
        std::move(some.verdicts.begin(), some.verdicts.end(), std::back_inserter(all.verdicts));
        std::move(some.outgoing.begin(), some.outgoing.end(), std::back_inserter(all.outgoing));
        begin = end;
    }
    return all;
}

}  // namespace cartwright::reserver
