#include "common/postgres/append_first.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace cartwright;
using postgres::AppendFirst;

namespace {

/// Work that is refused when it appends, where a row is there.
struct Work {
    bool there = false;
    std::vector<bool> appended;
    void operator()(bool append) {
        appended.push_back(append);
        if (append && there) throw postgres::Duplicate("23505");
    }
};

}  // namespace

TEST_CASE("claims are appended until one is there already, and then inserted for a while") {
    AppendFirst append_first;
    Work work;
    const auto run = [&] { append_first.run([&](bool append) { work(append); }); };
    run();
    CHECK(work.appended == std::vector{true});
    work.there = true;
    run();
    CHECK(work.appended == std::vector{true, true, false});
    work.there = false;
    run();
    CHECK(work.appended == std::vector{true, true, false, false});
}

TEST_CASE("after that they are appended again") {
    AppendFirst append_first(std::chrono::milliseconds(0));
    Work work;
    work.there = true;
    for (int i = 0; i < 2; ++i) append_first.run([&](bool append) { work(append); });
    CHECK(work.appended == std::vector{true, false, true, false});
}

TEST_CASE("what is there although it was inserted is nobody's to mend") {
    AppendFirst append_first;
    const auto broken = [](bool) { throw postgres::Duplicate("23505"); };
    CHECK_THROWS_AS(append_first.run(broken), outcome::Refused);
}
