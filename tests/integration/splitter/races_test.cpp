// Several splitters at once on the same orders.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <exception>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "tests/integration/splitter/streams.hpp"
#include "tests/support/rounds.hpp"
#include "workers/splitter/splitter.hpp"

using namespace cartwright;
using namespace cartwright::tests;

namespace {

/// Every message that anybody published, by its id; the same id always has the same bytes.
class Published {
  public:
    void add(const worker::Result& result) {
        Mail mail;
        mail.add(result.outgoing);
        const std::lock_guard lock(mutex_);
        for (const auto& member : mail.members()) {
            const auto& id = member.event.envelope.id.str();
            const auto [found, added] = bodies_.try_emplace(id, member.raw);
            if (!added && found->second != member.raw) ++differing_;
        }
    }
    std::size_t size() const { return bodies_.size(); }
    int differing() const { return differing_; }

  private:
    std::mutex mutex_;
    std::map<std::string, std::string> bodies_;
    int differing_ = 0;
};

/// Runs `work(splitter, handler, random)` on so many threads; nothing may be thrown, not even for a deadlock.
template <class Work>
void on_threads(int count, const Work& work) {
    std::vector<std::thread> threads;
    std::mutex mutex;
    std::string trouble;
    for (int splitter = 0; splitter < count; ++splitter) {
        threads.emplace_back([&, splitter] {
            splitter::Handler handler(worker_session("splitter", false), routing::fixed_rules(),
                                      splitter::Config{});
            std::mt19937 random(static_cast<unsigned>(splitter) + 1);
            try {
                work(splitter, handler, random);
            } catch (const std::exception& error) {
                const std::lock_guard lock(mutex);
                trouble = error.what();
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(trouble == "");
}

/// No stream has a gap, and its row says where it ends.
void check_streams() {
    CHECK(number("select count(*) from seller_stream s where last_assigned <> (select count(*) from "
                 "seller_message m "
                 "where m.seller_id = s.seller_id and m.stream = s.stream) or last_assigned <> (select "
                 "max(number) from "
                 "seller_message m where m.seller_id = s.seller_id and m.stream = s.stream)") == 0);
    CHECK(number("select count(*) from (select 1 from seller_message group by seller_id, order_id, kind "
                 "having count(*) > 1) repeated") == 0);
}

std::vector<std::string> some_sellers(std::mt19937& random) {
    std::vector<std::string> sellers;
    for (const char* seller : {"a", "b", "c", "d", "e"}) {
        if (random() % 2 == 0) sellers.emplace_back(seller);
    }
    if (sellers.empty()) sellers.emplace_back("f");
    return sellers;
}

}  // namespace

TEST_CASE("the same orders in two batches on two splitters at once are numbered once") {
    const int rounds = rounds_or(2'500);
    empty_tables();
    Published published;
    std::barrier start(2);
    std::atomic<bool> failed = false;
    std::size_t sellers_told = 0;
    on_threads(2, [&](int splitter, splitter::Handler& handler, std::mt19937& random) {
        std::mt19937 same(99);
        for (int round = 0; round < rounds && !failed; ++round) {
            std::vector<worker::Member> batch;
            for (int i = 0; i < 3; ++i) {
                const auto sellers = some_sellers(same);
                if (splitter == 0) sellers_told += sellers.size();
                batch.push_back(ready("o" + std::to_string(round) + "-" + std::to_string(i), sellers));
            }
            std::shuffle(batch.begin(), batch.end(), random);
            start.arrive_and_wait();
            try {
                published.add(handler.handle(batch));
            } catch (...) {
                failed = true;
                start.arrive_and_drop();
                throw;
            }
        }
    });
    check_streams();
    CHECK(published.differing() == 0);
    CHECK(published.size() == sellers_told);
    CHECK(number("select count(*) from seller_message") == static_cast<std::int64_t>(sellers_told));
    CHECK(number("select count(*) from inbox where answer is null") == 0);
}

TEST_CASE("an order and its cancellation at once: the seller hears of both, in that order, or of neither") {
    const int rounds = rounds_or(1'500);
    empty_tables();
    std::barrier start(2);
    on_threads(2, [&](int splitter, splitter::Handler& handler, std::mt19937& random) {
        for (int round = 0; round < rounds; ++round) {
            const auto order = "o" + std::to_string(round);
            const std::vector<std::string> sellers{"a", "b"};
            const std::vector batch{splitter == 0 ? ready(order, sellers) : cancelled(order, sellers)};
            start.arrive_and_wait();
            if (round % 2 == splitter) std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
            handler.handle(batch);
        }
    });
    const auto count_of = [&](const std::string& messages) {
        return number(
            "select count(*) from inbox i where item = 'split/ready' and (select count(*) from "
            "seller_message m "
            "where m.order_id = i.id) = " +
            messages);
    };
    check_streams();
    CHECK(count_of("0") + count_of("4") == rounds);
    CHECK(count_of("0") > 0);
    CHECK(count_of("4") > 0);
    CHECK(
        number(
            "select count(*) from seller_message c join seller_message o using (seller_id, stream, order_id) "
            "where c.kind like '%cancellation%' and o.kind like '%order%' and c.number < o.number") == 0);
    CHECK(number("select count(*) from seller_message where kind like '%cancellation%'") ==
          2 * count_of("4"));

    // Everything comes again, the other way round: nothing changes.
    const auto before = number("select count(*) from seller_message");
    splitter::Handler handler(worker_session("splitter", false), routing::fixed_rules(), splitter::Config{});
    for (int round = 0; round < rounds; round += 50) {
        std::vector<worker::Member> batch;
        for (int i = round; i < round + 50; ++i) {
            batch.push_back(cancelled("o" + std::to_string(i), {"a", "b"}));
            batch.push_back(ready("o" + std::to_string(i), {"a", "b"}));
        }
        handler.handle(batch);
    }
    CHECK(number("select count(*) from seller_message") == before);
}

TEST_CASE("four splitters on shuffled, overlapping batches of hot sellers never deadlock") {
    const int rounds = rounds_or(150);
    empty_tables();
    Published published;
    on_threads(4, [&](int, splitter::Handler& handler, std::mt19937& random) {
        for (int round = 0; round < rounds; ++round) {
            std::vector<worker::Member> batch;
            for (int i = 0; i < 40; ++i) {
                const auto which = random() % 3'000;
                std::mt19937 sellers(static_cast<unsigned>(which));
                const auto order = "o" + std::to_string(which);
                const auto told = some_sellers(sellers);
                switch (random() % 8) {
                    case 0:
                        batch.push_back(cancelled(order, told));
                        break;
                    case 1:
                        batch.push_back(cancelled(order, {told.front()}, "e1"));
                        break;
                    default:
                        batch.push_back(ready(order, told));
                }
            }
            published.add(handler.handle(batch));
        }
    });
    CHECK(published.differing() == 0);
    CHECK(number("select count(*) from seller_stream s where last_assigned <> (select count(*) from "
                 "seller_message m "
                 "where m.seller_id = s.seller_id and m.stream = s.stream)") == 0);
    CHECK(number("select count(*) from seller_message c where kind like '%cancellation%' and not exists "
                 "(select from "
                 "seller_message o where o.seller_id = c.seller_id and o.stream = c.stream and o.order_id = "
                 "c.order_id "
                 "and o.kind like '%order%' and o.number < c.number)") == 0);
}
