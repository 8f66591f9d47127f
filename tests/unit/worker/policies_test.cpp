#include <doctest/doctest.h>

#include <functional>

#include "common/outcome/trouble.hpp"
#include "common/worker/member_by_member.hpp"
#include "common/worker/pausing.hpp"

using namespace cartwright;
using namespace cartwright::worker;

namespace {

struct Scripted : Handler {
    std::function<Result(std::span<const Member>)> script;
    explicit Scripted(std::function<Result(std::span<const Member>)> what) : script(std::move(what)) {}
    Result handle(std::span<const Member> batch) override { return script(batch); }
};

Member member(const char* id) {
    Member one;
    one.event.envelope.id = EventId(id);
    return one;
}

Result all_done(std::span<const Member> batch) {
    Result result;
    for (const auto& one : batch) {
        result.verdicts.emplace_back(outcome::Done{});
        amqp::Outgoing message;
        message.message_id = one.event.envelope.id.str();
        result.outgoing.push_back(message);
    }
    return result;
}

bool has(std::span<const Member> batch, const char* id) {
    for (const auto& one : batch) {
        if (one.event.envelope.id.str() == id) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("a refused batch is done member by member, and only the bad one is parked") {
    MemberByMember policy(std::make_unique<Scripted>([](std::span<const Member> batch) {
        if (has(batch, "bad")) throw outcome::Refused("22P05");
        return all_done(batch);
    }));
    const std::vector<Member> batch{member("a"), member("bad"), member("c")};
    const auto result = policy.handle(batch);
    REQUIRE(result.verdicts.size() == 3);
    CHECK(std::holds_alternative<outcome::Done>(result.verdicts[0]));
    REQUIRE(std::holds_alternative<outcome::Park>(result.verdicts[1]));
    CHECK(std::get<outcome::Park>(result.verdicts[1]).reason == "refused_by_database");
    CHECK(std::holds_alternative<outcome::Done>(result.verdicts[2]));
    CHECK(result.outgoing.size() == 2);
}

TEST_CASE("what can be retried is retried, then one by one, then goes to the ladder") {
    int calls = 0;
    MemberByMember recovers(std::make_unique<Scripted>([&](std::span<const Member> batch) {
        if (++calls < 3) throw outcome::Retry("deadlock");
        return all_done(batch);
    }));
    const std::vector<Member> batch{member("a"), member("stuck")};
    CHECK(recovers.handle(batch).outgoing.size() == 2);
    CHECK(calls == 3);
    MemberByMember stuck(std::make_unique<Scripted>([&](std::span<const Member> members) {
        if (has(members, "stuck")) throw outcome::Retry("lock time limit");
        return all_done(members);
    }));
    const auto result = stuck.handle(batch);
    CHECK(std::holds_alternative<outcome::Done>(result.verdicts[0]));
    CHECK(std::holds_alternative<outcome::Later>(result.verdicts[1]));
}

TEST_CASE("a try that fails for another reason than a server that is away says so") {
    int begun = 0, answered = 0;
    const MemberByMember::Hooks hooks{[&] { ++begun; }, [&] { ++answered; }};
    int calls = 0;
    MemberByMember policy(std::make_unique<Scripted>([&](std::span<const Member> batch) {
                              if (++calls == 1) throw outcome::Retry("lock time limit");
                              if (calls == 2) throw outcome::Unavailable("no route to host");
                              if (has(batch, "bad")) throw outcome::Refused("22P05");
                              return all_done(batch);
                          }),
                          batch_retries_max, hooks);
    const std::vector<Member> good{member("a")}, bad{member("bad")};
    CHECK_THROWS_AS(policy.handle(good), outcome::Unavailable);
    CHECK(begun == 2);
    CHECK(answered == 1);
    policy.handle(good);
    CHECK(answered == 1);
    policy.handle(bad);
    CHECK(begun == 4);
    CHECK(answered == 2);
}

TEST_CASE("a server that is away pauses the lane and charges nobody") {
    int calls = 0;
    std::string why;
    int resumed = 0;
    Pausing::Hooks hooks{[&](const std::string& text) { why = text; }, [&] { ++resumed; },
                         [](std::chrono::milliseconds) { return true; }};
    Pausing policy(std::make_unique<Scripted>([&](std::span<const Member> batch) {
                       if (++calls < 4) throw outcome::Unavailable("no route to host");
                       return all_done(batch);
                   }),
                   hooks);
    const std::vector<Member> batch{member("a")};
    CHECK(std::holds_alternative<outcome::Done>(policy.handle(batch).verdicts[0]));
    CHECK(calls == 4);
    CHECK(why == "no route to host");
    CHECK(resumed == 1);
}

TEST_CASE("a pause ends when the lane has to stop") {
    Pausing::Hooks hooks{[](const std::string&) {}, [] {}, [](std::chrono::milliseconds) { return false; }};
    Pausing policy(std::make_unique<Scripted>(
                       [](std::span<const Member>) -> Result { throw outcome::Unavailable("away"); }),
                   hooks);
    const std::vector<Member> batch{member("a")};
    CHECK_THROWS_AS(policy.handle(batch), Stopped);
}
