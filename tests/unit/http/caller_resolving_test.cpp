// Names that take long to resolve. curl asks the system in a thread for each; here the system's answer is
// ours.
#include <dlfcn.h>
#include <netdb.h>

#include <condition_variable>
#include <memory>
#include <string_view>

#include "raw_server.hpp"

using namespace raw_server;

namespace {

/// Names that begin with "stalls" are resolved when `over` says so.
struct Resolver {
    std::mutex mutex;
    std::condition_variable changed;
    bool over = false;
    int waiting = 0;

    void wait() {
        std::unique_lock lock(mutex);
        ++waiting;
        changed.notify_all();
        changed.wait(lock, [this] { return over; });
        --waiting;
        changed.notify_all();
    }
    void begin() {
        const std::lock_guard lock(mutex);
        over = false;
    }
    bool waits_for(int count) {
        std::unique_lock lock(mutex);
        return changed.wait_for(lock, 20s, [&] { return waiting == count; });
    }
    void end() {
        {
            const std::lock_guard lock(mutex);
            over = true;
            changed.notify_all();
        }
        CHECK(waits_for(0));
    }
};

Resolver& resolver() {
    static Resolver one;
    return one;
}

}  // namespace

extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** result) {
    if (name != nullptr && std::string_view(name).starts_with("stalls")) {
        resolver().wait();
        return EAI_AGAIN;
    }
    using Function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
    static const auto system = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "getaddrinfo"));
    return system(name, service, hints, result);
}

TEST_CASE("a name that is never resolved holds up nobody, not even when its time is over") {
    resolver().begin();
    RawServer server([](const std::string&) { return answer(200); });
    Caller caller(10);
    auto stalled = to("http://stalls.invalid/");
    stalled.connect_timeout = 100ms;
    caller.start(1, stalled);
    caller.run(1ms);
    REQUIRE(resolver().waits_for(1));
    const auto begun = std::chrono::steady_clock::now();
    int quick = 0;
    bool ended = false;
    while (!ended || quick < 20) {
        if (caller.in_flight() == (ended ? 0 : 1)) caller.start(2, to(server.url()));
        for (const auto& result : caller.run(1s)) {
            if (result.id == 2) {
                CHECK(result.status == 200);
                ++quick;
            } else {
                CHECK(result.end == CallEnd::unsent);
                CHECK(result.trouble.starts_with("stalls.invalid: "));
                ended = true;
            }
        }
    }
    CHECK(std::chrono::steady_clock::now() - begun < 10s);
    CHECK(resolver().waits_for(1));
    resolver().end();
}

TEST_CASE("a caller can go while a name is being resolved") {
    resolver().begin();
    auto caller = std::make_unique<Caller>(10);
    caller->start(1, to("http://stalls.invalid/"));
    caller->run(1ms);
    REQUIRE(resolver().waits_for(1));
    caller.reset();
    CHECK(resolver().waits_for(1));
    resolver().end();
}
