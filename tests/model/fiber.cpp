#include "tests/model/fiber.hpp"

#include <cxxabi.h>
#include <ucontext.h>

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

// g++ says it with a macro, clang with a feature.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CARTWRIGHT_ADDRESS_SANITIZER 1
#endif
#if __has_feature(thread_sanitizer)
#define CARTWRIGHT_THREAD_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define CARTWRIGHT_ADDRESS_SANITIZER 1
#endif
#if defined(__SANITIZE_THREAD__)
#define CARTWRIGHT_THREAD_SANITIZER 1
#endif

#if defined(CARTWRIGHT_ADDRESS_SANITIZER)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(CARTWRIGHT_THREAD_SANITIZER)
#include <sanitizer/tsan_interface.h>
#endif

#if defined(__x86_64__) && !defined(CARTWRIGHT_THREAD_SANITIZER)
#define CARTWRIGHT_QUICK_SWITCH 1

// swapcontext asks the kernel for the signal mask every time: this does not. Saves what a function has to
// keep, notes the stack, takes up the other one.
extern "C" void cartwright_model_switch(void** from, void* to);
asm(R"(
.text
.globl cartwright_model_switch
.type cartwright_model_switch, @function
cartwright_model_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size cartwright_model_switch, .-cartwright_model_switch
)");
#endif

namespace cartwright::model {
namespace {

#if defined(CARTWRIGHT_ADDRESS_SANITIZER) || defined(CARTWRIGHT_THREAD_SANITIZER)
constexpr std::size_t stack_bytes = 1024 * 1024;
#else
constexpr std::size_t stack_bytes = 256 * 1024;
#endif

using Stack = std::unique_ptr<char[]>;

std::vector<Stack>& spare_stacks() {
    static thread_local std::vector<Stack> stacks;
    return stacks;
}

Stack take_stack() {
    auto& spare = spare_stacks();
    if (spare.empty()) return Stack(new char[stack_bytes]);
    auto stack = std::move(spare.back());
    spare.pop_back();
    return stack;
}

/// The C++ runtime keeps the exceptions that are being handled per thread: each fiber has its own.
struct Exceptions {
    void* caught = nullptr;
    unsigned int uncaught = 0;
};

void exchange_exceptions(Exceptions& with) {
    auto* globals = reinterpret_cast<Exceptions*>(abi::__cxa_get_globals());
    std::swap(*globals, with);
}

}  // namespace

struct Fiber::State {
    std::function<void()> body;
    Stack stack;
#if defined(CARTWRIGHT_QUICK_SWITCH)
    void* own = nullptr;
    void* outside = nullptr;
#else
    ucontext_t own{}, outside{};
#endif
    Exceptions exceptions;
    bool ended = false;
#if defined(CARTWRIGHT_ADDRESS_SANITIZER)
    void* own_fake = nullptr;
    void* outside_fake = nullptr;
    const void* outside_bottom = nullptr;
    std::size_t outside_size = 0;
#endif
#if defined(CARTWRIGHT_THREAD_SANITIZER)
    void* own_thread = __tsan_create_fiber(0);
    void* outside_thread = nullptr;
#endif

    void enter() {
#if defined(CARTWRIGHT_ADDRESS_SANITIZER)
        __sanitizer_start_switch_fiber(&outside_fake, stack.get(), stack_bytes);
#endif
#if defined(CARTWRIGHT_THREAD_SANITIZER)
        outside_thread = __tsan_get_current_fiber();
        __tsan_switch_to_fiber(own_thread, 0);
#endif
        exchange_exceptions(exceptions);
        switch_stacks(outside, own);
        exchange_exceptions(exceptions);
#if defined(CARTWRIGHT_ADDRESS_SANITIZER)
        __sanitizer_finish_switch_fiber(outside_fake, nullptr, nullptr);
#endif
    }

    void arrived() {
#if defined(CARTWRIGHT_ADDRESS_SANITIZER)
        __sanitizer_finish_switch_fiber(own_fake, &outside_bottom, &outside_size);
#endif
    }

    void leave() {
#if defined(CARTWRIGHT_ADDRESS_SANITIZER)
        __sanitizer_start_switch_fiber(ended ? nullptr : &own_fake, outside_bottom, outside_size);
#endif
#if defined(CARTWRIGHT_THREAD_SANITIZER)
        __tsan_switch_to_fiber(outside_thread, 0);
#endif
        switch_stacks(own, outside);
        arrived();
    }

    void run() {
        arrived();
        body();
        ended = true;
        leave();
    }

#if defined(CARTWRIGHT_QUICK_SWITCH)
    static inline thread_local State* entering = nullptr;
    static void begin() { entering->run(); }

    void prepare() {
        const auto top = reinterpret_cast<std::uintptr_t>(stack.get() + stack_bytes) & ~std::uintptr_t{15};
        auto* words = reinterpret_cast<std::uintptr_t*>(top) - 8;
        std::memset(words, 0, 8 * sizeof *words);
        words[6] = reinterpret_cast<std::uintptr_t>(&State::begin);  // above six saved registers
        own = words;
    }
    void switch_stacks(void*& from, void*& to) {
        entering = this;
        cartwright_model_switch(&from, to);
    }
#else
    static void begin(unsigned int low, unsigned int high) {
        const auto address = static_cast<std::uintptr_t>(low) | (static_cast<std::uintptr_t>(high) << 32U);
        reinterpret_cast<State*>(address)->run();
    }

    void prepare() {
        getcontext(&own);
        own.uc_stack.ss_sp = stack.get();
        own.uc_stack.ss_size = stack_bytes;
        own.uc_link = nullptr;
        const auto address = reinterpret_cast<std::uintptr_t>(this);
        makecontext(&own, reinterpret_cast<void (*)()>(&State::begin), 2,
                    static_cast<unsigned int>(address & 0xffffffffU),
                    static_cast<unsigned int>(address >> 32U));
    }
    static void switch_stacks(ucontext_t& from, ucontext_t& to) { swapcontext(&from, &to); }
#endif
};

Fiber::Fiber(std::function<void()> body) : state_(std::make_unique<State>()) {
    state_->body = std::move(body);
    state_->stack = take_stack();
    state_->prepare();
}

Fiber::~Fiber() {
#if defined(CARTWRIGHT_THREAD_SANITIZER)
    __tsan_destroy_fiber(state_->own_thread);
#endif
    spare_stacks().push_back(std::move(state_->stack));
}

void Fiber::resume() {
    state_->enter();
}

void Fiber::give_way() {
    state_->leave();
}

bool Fiber::ended() const {
    return state_->ended;
}

}  // namespace cartwright::model
