#include "common/worker/member_by_member.hpp"

#include <iterator>
#include <string_view>
#include <utility>

#include "common/log/log.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::worker {

MemberByMember::MemberByMember(std::unique_ptr<Handler> inner, int retries_max)
    : MemberByMember(std::move(inner), retries_max, Hooks{}) {}

MemberByMember::MemberByMember(std::unique_ptr<Handler> inner, int retries_max, Hooks hooks)
    : inner_(std::move(inner)), retries_max_(retries_max), hooks_(std::move(hooks)) {}

Result MemberByMember::handle(std::span<const Member> batch) {
    for (int retry = 0;; ++retry) {
        hooks_.begins();
        try {
            auto result = inner_->handle(batch);
            CARTWRIGHT_ASSERT(result.verdicts.size() == batch.size());
            return result;
        } catch (const outcome::Refused& trouble) {
            hooks_.answered();
            log::warn("batch_refused",
                      {{"members", batch.size()}, {"why", std::string_view(trouble.what())}});
            if (batch.size() > 1) return one_by_one(batch);
            return {{outcome::Park{"refused_by_database", trouble.what()}}, {}};
        } catch (const outcome::Retry& trouble) {
            hooks_.answered();
            log::warn("batch_again", {{"members", batch.size()}, {"why", std::string_view(trouble.what())}});
            if (retry < retries_max_) continue;
            if (batch.size() > 1) return one_by_one(batch);
            return {{outcome::Later{trouble.what()}}, {}};
        }
    }
}

Result MemberByMember::one_by_one(std::span<const Member> batch) {
    Result all;
    for (const auto& member : batch) {
        auto one = handle(std::span(&member, 1));
        all.verdicts.push_back(std::move(one.verdicts.front()));
        std::move(one.outgoing.begin(), one.outgoing.end(), std::back_inserter(all.outgoing));
    }
    return all;
}

}  // namespace cartwright::worker
