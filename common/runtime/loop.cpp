#include "common/runtime/loop.hpp"

#include <fmt/format.h>
#include <uv.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <exception>
#include <iterator>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "common/outcome/trouble.hpp"

namespace cartwright::runtime {

namespace {

struct Signal {
    uv_signal_t handle{};
    std::function<void(int)> work;
    Loop* owner = nullptr;
};

void must(int code) {
    CARTWRIGHT_ASSERT(code == 0);
}

std::uint64_t positive(std::chrono::milliseconds time) {
    return static_cast<std::uint64_t>(std::max<std::chrono::milliseconds::rep>(time.count(), 1));
}

}  // namespace

struct Timer::State {
    uv_timer_t handle{};
    std::function<void()> work;
    std::unordered_set<Timer::State*>* open_timers = nullptr;
    std::function<void(const std::function<void()>&)> guarded;
    bool repeats = false;
    bool open = true;
    std::shared_ptr<State> self;  // keeps the handle until libuv lets go of it

    void close() {
        if (!std::exchange(open, false)) return;
        open_timers->erase(this);
        uv_close(reinterpret_cast<uv_handle_t*>(&handle), [](uv_handle_t* closed) {
            auto* state = static_cast<Timer::State*>(closed->data);
            // What the function holds may hold this timer.
            const std::function<void()> released = std::move(state->work);
            const std::shared_ptr<Timer::State> last = std::move(state->self);
        });
    }
};

void Timer::cancel() {
    if (state_ != nullptr) state_->close();
}

bool Timer::active() const {
    return state_ != nullptr && state_->open;
}

struct DirectoryWatch::State {
    uv_fs_event_t handle{};
    std::function<void(const std::string&)> work;
    std::function<void(const std::function<void()>&)> guarded;
};

DirectoryWatch::~DirectoryWatch() {
    if (state_ == nullptr) return;
    uv_close(reinterpret_cast<uv_handle_t*>(&state_->handle),
             [](uv_handle_t* closed) { delete static_cast<DirectoryWatch::State*>(closed->data); });
}

DirectoryWatch::DirectoryWatch(DirectoryWatch&& other) noexcept
    : state_(std::exchange(other.state_, nullptr)) {}

DirectoryWatch& DirectoryWatch::operator=(DirectoryWatch&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
}

struct Loop::State {
    uv_loop_t loop{};
    uv_async_t wake{};
    std::mutex mutex;
    std::vector<std::function<void()>> posted;  // under the mutex
    bool stop_wanted = false;                   // under the mutex
    std::exception_ptr failure;
    std::unordered_set<Timer::State*> timers;
    std::vector<std::unique_ptr<Signal>> signals;

    // An exception must not unwind through libuv: it is kept for `run`.
    void guarded(const std::function<void()>& work) {
        try {
            work();
        } catch (...) {
            failure = std::current_exception();
            uv_stop(&loop);
        }
    }

    void drain() {
        std::vector<std::function<void()>> taken;
        {
            const std::lock_guard lock(mutex);
            taken.swap(posted);
            if (stop_wanted) uv_stop(&loop);
        }
        auto next = taken.begin();
        while (next != taken.end() && failure == nullptr) guarded(*next++);
        if (next == taken.end()) return;
        // One has thrown: the others wait for the next run.
        const std::lock_guard lock(mutex);
        posted.insert(posted.begin(), std::make_move_iterator(next), std::make_move_iterator(taken.end()));
        uv_async_send(&wake);
    }

    Timer start_timer(std::chrono::milliseconds delay, bool repeats, std::function<void()> work);
};

Timer Loop::State::start_timer(std::chrono::milliseconds delay, bool repeats, std::function<void()> work) {
    auto timer = std::make_shared<Timer::State>();
    timer->work = std::move(work);
    timer->open_timers = &timers;
    timer->guarded = [this](const std::function<void()>& call) { guarded(call); };
    timer->repeats = repeats;
    timer->self = timer;
    timer->handle.data = timer.get();
    must(uv_timer_init(&loop, &timer->handle));
    timers.insert(timer.get());
    uv_update_time(&loop);  // else work that took long would make the timer early
    const auto fire = [](uv_timer_t* handle) {
        auto* state = static_cast<Timer::State*>(handle->data);
        state->guarded(state->work);
        if (!state->repeats) state->close();
    };
    must(uv_timer_start(&timer->handle, fire, positive(delay), repeats ? positive(delay) : 0));
    return Timer(std::move(timer));
}

Loop::Loop() : state_(std::make_unique<State>()) {
    std::signal(SIGPIPE, SIG_IGN);
    if (const int code = uv_loop_init(&state_->loop); code != 0) {
        throw outcome::StartupError(
            fmt::format("cannot make an event loop: {}; raise the limit of open files", uv_strerror(code)));
    }
    state_->wake.data = state_.get();
    must(uv_async_init(&state_->loop, &state_->wake,
                       [](uv_async_t* handle) { static_cast<State*>(handle->data)->drain(); }));
}

Loop::~Loop() {
    while (!state_->timers.empty()) (*state_->timers.begin())->close();
    for (const auto& signal : state_->signals)
        uv_close(reinterpret_cast<uv_handle_t*>(&signal->handle), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&state_->wake), nullptr);
    // A server that is still open would be used after the loop is gone.
    uv_walk(
        &state_->loop, [](uv_handle_t* handle, void*) { CARTWRIGHT_ASSERT(uv_is_closing(handle) != 0); },
        nullptr);
    uv_run(&state_->loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&state_->loop));
}

void Loop::run() {
    uv_run(&state_->loop, UV_RUN_DEFAULT);
    {
        const std::lock_guard lock(state_->mutex);
        state_->stop_wanted = false;
    }
    if (state_->failure != nullptr) std::rethrow_exception(std::exchange(state_->failure, nullptr));
}

void Loop::stop() {
    {
        const std::lock_guard lock(state_->mutex);
        state_->stop_wanted = true;
    }
    uv_async_send(&state_->wake);
}

void Loop::post(std::function<void()> work) {
    {
        const std::lock_guard lock(state_->mutex);
        state_->posted.push_back(std::move(work));
    }
    uv_async_send(&state_->wake);
}

Timer Loop::every(std::chrono::milliseconds period, std::function<void()> work) {
    return state_->start_timer(period, true, std::move(work));
}

Timer Loop::after(std::chrono::milliseconds delay, std::function<void()> work) {
    return state_->start_timer(delay, false, std::move(work));
}

void Loop::on_signal(const std::vector<int>& signals, const std::function<void(int)>& work) {
    for (const int number : signals) {
        auto signal = std::make_unique<Signal>();
        signal->work = work;
        signal->owner = this;
        signal->handle.data = signal.get();
        must(uv_signal_init(&state_->loop, &signal->handle));
        must(uv_signal_start(
            &signal->handle,
            [](uv_signal_t* handle, int caught) {
                const auto* received = static_cast<Signal*>(handle->data);
                received->owner->state_->guarded([received, caught] { received->work(caught); });
            },
            number));
        state_->signals.push_back(std::move(signal));
    }
}

DirectoryWatch Loop::watch(const std::string& directory, std::function<void(const std::string&)> work) {
    auto* watch = new DirectoryWatch::State;
    watch->handle.data = watch;
    watch->work = std::move(work);
    watch->guarded = [this](const std::function<void()>& call) { state_->guarded(call); };
    must(uv_fs_event_init(&state_->loop, &watch->handle));
    const auto changed = [](uv_fs_event_t* handle, const char* name, int, int) {
        auto* state = static_cast<DirectoryWatch::State*>(handle->data);
        const std::string text = name == nullptr ? "" : name;
        state->guarded([state, &text] { state->work(text); });
    };
    DirectoryWatch result(watch);
    if (uv_fs_event_start(&watch->handle, changed, directory.c_str(), 0) == 0) return result;
    return DirectoryWatch();
}

uv_loop_s* Loop::native() {
    return &state_->loop;
}

}  // namespace cartwright::runtime
