// What the broker's management API answers.
#include <string>

#include "common/codec/management.hpp"
#include "common/outcome/trouble.hpp"
#include "tests/fuzz/property.hpp"

using namespace cartwright;
using namespace cartwright::fuzz;

namespace {

template <class Read>
void check(Read read, const std::string& json) {
    try {
        read(json);
    } catch (const outcome::Refused& error) {
        check_complaint(error.what(), 600);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string json(text_of(data, size));
    check(codec::read_exchanges, json);
    check(codec::read_queues, json);
    check(codec::read_bindings, json);
    check(
        [](const std::string& text) {
            for (const auto& policy : codec::read_policies(text))
                property(!codec::policy_body(policy).empty(), "a policy that was read can be written");
        },
        json);
    return 0;
}
