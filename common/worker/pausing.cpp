#include "common/worker/pausing.hpp"

#include <algorithm>

#include "common/outcome/trouble.hpp"

namespace cartwright::worker {
namespace {

constexpr std::chrono::milliseconds pause_min{50};
constexpr std::chrono::milliseconds pause_max{2'000};

}  // namespace

void until_available(const Pausing::Hooks& hooks, const std::function<void()>& work) {
    auto pause = pause_min;
    for (bool paused = false;; paused = true) {
        try {
            work();
            if (paused) hooks.resumed();
            return;
        } catch (const outcome::Unavailable& trouble) {
            hooks.paused(trouble.what());
            if (!hooks.wait(pause)) throw Stopped{};
            pause = std::min(pause * 2, pause_max);
        }
    }
}

Pausing::Pausing(std::unique_ptr<Handler> inner, Hooks hooks)
    : inner_(std::move(inner)), hooks_(std::move(hooks)) {}

Result Pausing::handle(std::span<const Member> batch) {
    Result result;
    until_available(hooks_, [&] { result = inner_->handle(batch); });
    return result;
}

}  // namespace cartwright::worker
