// The event loop of a process: timers, signals, and work that other threads hand in.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

struct uv_loop_s;

namespace cartwright::runtime {

/// Refers to a timer; dropping it does not stop the timer. Loop's thread; harmless after the loop is gone.
class Timer {
  public:
    struct State;
    Timer() = default;
    explicit Timer(std::shared_ptr<State> state) : state_(std::move(state)) {}
    /// The function is not called again; calling this twice is fine, also from the function itself.
    void cancel();
    bool active() const;

  private:
    std::shared_ptr<State> state_;
};

/// Tells of changes to a directory's entries until it is destroyed, on the loop's thread.
class DirectoryWatch {
  public:
    struct State;
    DirectoryWatch() = default;
    explicit DirectoryWatch(State* state) : state_(state) {}
    ~DirectoryWatch();
    DirectoryWatch(DirectoryWatch&& other) noexcept;
    DirectoryWatch& operator=(DirectoryWatch&& other) noexcept;
    /// False where the directory could not be watched.
    bool active() const { return state_ != nullptr; }

  private:
    State* state_ = nullptr;  ///< outlives the watch until the loop has closed its handle
};

/// Functions given to a loop run on the thread that called `run`. What one of them throws stops the loop and
/// leaves `run`. Everything but `post` and `stop` is called on that thread (or before it runs). Ignores
/// SIGPIPE for the whole process: a peer that hangs up is an error code, not the end.
class Loop {
  public:
    Loop();
    /// Closes what is still open, without calling any function again. Servers on this loop are destroyed
    /// before it.
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// Until `stop`. May be called again afterwards.
    void run();

    /// Any thread. The running (or else the next) `run` returns soon; what was posted before still runs.
    void stop();

    /// Any thread, never blocks. Runs in the order of posting. The caller bounds what it posts.
    void post(std::function<void()> work);

    Timer every(std::chrono::milliseconds period, std::function<void()> work);
    Timer after(std::chrono::milliseconds delay, std::function<void()> work);

    /// The function gets the signal's number. A signal may have several functions.
    void on_signal(const std::vector<int>& signals, const std::function<void(int)>& work);

    /// The function gets the name of the entry that was made, changed, renamed or removed. Inactive when
    /// there is no such directory. Destroyed before the loop.
    DirectoryWatch watch(const std::string& directory, std::function<void(const std::string& name)> work);

    uv_loop_s* native();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cartwright::runtime
