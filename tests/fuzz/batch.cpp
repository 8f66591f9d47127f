// Members of a batch, one a line: whatever its neighbours are, a member is read as it is read alone.
#include <vector>

#include "tests/fuzz/decoding.hpp"

using namespace cartwright;
using namespace cartwright::fuzz;

namespace {

/// Lines that are events alone.
std::vector<std::string_view> good_lines(codec::Decoder& decoder, std::string_view text) {
    std::vector<std::string_view> good;
    while (!text.empty() && good.size() < limits().members_max) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        const auto alone = decoder.decode(line);
        const bool array = line.find_first_not_of(" \t\r") != std::string_view::npos &&
                           line[line.find_first_not_of(" \t\r")] == '[';
        if (!array && alone.size() == 1 && std::holds_alternative<message::Event>(alone[0].content))
            good.push_back(line);
    }
    return good;
}

/// Valid JSON that is no event, of which a batch must not take notice.
constexpr std::string_view bad_members[] = {"{}", "1e999", R"("}{][")", "[[],{}]", "null"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static codec::Decoder decoder(limits()), other(limits());
    if (size == 0) return 0;
    const auto good = good_lines(decoder, text_of(data + 1, size - 1));
    auto members = good;
    const auto place = members.empty() ? 0 : data[0] % members.size();
    const auto bad = bad_members[data[0] % std::size(bad_members)];
    if (members.size() < limits().members_max)
        members.insert(members.begin() + static_cast<std::ptrdiff_t>(place), bad);
    const auto body = codec::encode_batch(members);
    const auto all = decoder.decode(body);
    property(all.size() == members.size(), "a batch has as many members as were put in");
    for (std::size_t i = 0; i < all.size(); ++i) {
        check_decoded(other, all[i]);
        if (members[i] == bad) continue;
        const auto* event = std::get_if<message::Event>(&all[i].content);
        property(event != nullptr, "a bad member does not spoil its neighbours");
        if (std::holds_alternative<message::SellerMessage>(event->payload)) continue;
        const auto alone = one_event(other, std::string(members[i]));
        property(encoded(*event) == encoded(alone), "a member is what it is alone");
    }
    return 0;
}
