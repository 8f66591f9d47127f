// In the place of what else the handlers reach outside: catalogue, digests, metrics, clocks, threads, and the
// end of the program.
#include <chrono>
#include <cstring>
#include <thread>

#include "common/catalogue/catalogue.hpp"
#include "common/crypto/digest.hpp"
#include "common/metrics/metrics.hpp"
#include "common/order/time.hpp"
#include "common/outcome/trouble.hpp"
#include "tests/model/world.hpp"

namespace cartwright {

namespace outcome {

void die_of_bug(const char* expression, const char* file, int line) {
    throw model::Bug{std::string(expression) + " at " + file + ":" + std::to_string(line)};
}

}  // namespace outcome

namespace catalogue {

struct Catalogue::State {};

Catalogue::Catalogue(const Settings&) {}
Catalogue::~Catalogue() = default;

std::unordered_map<Sku, Offers> Catalogue::offers(std::span<const Sku> skus) {
    static const auto nothing = std::make_shared<const std::vector<Offer>>();
    std::unordered_map<Sku, Offers> found;
    for (const auto& sku : skus) {
        const auto known = model::world().offers.find(sku);
        found.emplace(sku, known == model::world().offers.end() ? nothing : known->second);
    }
    return found;
}

std::unordered_map<Sku, Offers> Catalogue::fresh_offers(std::span<const Sku> skus) {
    return offers(skus);
}

std::unordered_map<SellerId, Warehouses> Catalogue::warehouses(std::span<const SellerId> sellers) {
    std::unordered_map<SellerId, Warehouses> found;
    for (const auto& seller : sellers) found.emplace(seller, model::world().warehouses.at(seller));
    return found;
}

}  // namespace catalogue

namespace crypto {

/// Good enough to tell carts apart, and quick.
Sha256 sha256(std::string_view bytes) {
    Sha256 digest{};
    for (std::uint64_t word = 0; word < 4; ++word) {
        std::uint64_t hash = 14'695'981'039'346'656'037ULL + word;
        for (const unsigned char c : bytes) hash = (hash ^ c) * 1'099'511'628'211ULL;
        std::memcpy(digest.data() + word * 8, &hash, 8);
    }
    return digest;
}

std::string hex(std::span<const std::uint8_t> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const auto byte : bytes) {
        text += digits[byte >> 4U];
        text += digits[byte & 15U];
    }
    return text;
}

std::string random_id() {
    return model::world().fresh_id();
}

/// Nobody looks at signatures here.
std::string webhook_signature(std::span<const std::string>, std::string_view, std::int64_t,
                              std::string_view) {
    return {};
}

}  // namespace crypto

namespace metrics {

void Counter::add(double) const {}
double Counter::value() const {
    return 0;
}
void Gauge::set(double) const {}
void Gauge::add(double) const {}
double Gauge::value() const {
    return 0;
}
void Histogram::observe(double) const {}
Counter counter(const std::string&, const std::string&, const Labels&) {
    return {};
}
Gauge gauge(const std::string&, const std::string&, const Labels&) {
    return {};
}
Histogram histogram(const std::string&, const std::string&, const std::vector<double>&, const Labels&) {
    return {};
}
const std::vector<double>& seconds_bounds() {
    static const std::vector<double> bounds{1};
    return bounds;
}

}  // namespace metrics

}  // namespace cartwright

// The linker leads calls of these functions here (--wrap): clocks show the model's time, and a thread that
// the product starts is one more actor of its process.

using cartwright::Timestamp;
using cartwright::model::has_world;
using cartwright::model::world;

namespace {

constexpr auto epoch = std::chrono::sys_days{std::chrono::year{2026} / 1 / 1};

}  // namespace

Timestamp real_now() asm("__real__ZN10cartwright3nowEv");
Timestamp wrapped_now() asm("__wrap__ZN10cartwright3nowEv");
Timestamp wrapped_now() {
    if (!has_world()) return real_now();
    return Timestamp(epoch) + std::chrono::microseconds(world().scheduler.time_us);
}

using SteadyTime = std::chrono::steady_clock::time_point;
SteadyTime real_steady_now() asm("__real__ZNSt6chrono3_V212steady_clock3nowEv");
SteadyTime wrapped_steady_now() asm("__wrap__ZNSt6chrono3_V212steady_clock3nowEv");
SteadyTime wrapped_steady_now() {
    if (!has_world()) return real_steady_now();
    return SteadyTime(std::chrono::microseconds(1'000'000'000 + world().scheduler.time_us));
}

extern "C" {

using StartThread = void (*)();
void __real__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(
    std::thread* self, std::unique_ptr<std::thread::_State>* state, StartThread depend);
void __wrap__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(
    std::thread* self, std::unique_ptr<std::thread::_State>* state, StartThread depend) {
    auto* process = has_world() ? world().scheduler.process() : nullptr;
    if (process == nullptr) {
        return __real__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(
            self, state, depend);
    }
    std::shared_ptr<std::thread::_State> body(state->release());
    world().scheduler.spawn(*process, process->name + "/thread", [body] { body->_M_run(); });
    const std::thread::native_handle_type id = 1;
    std::memcpy(static_cast<void*>(self), &id, sizeof id);
}

void __real__ZNSt6thread4joinEv(std::thread* self);
void __wrap__ZNSt6thread4joinEv(std::thread* self) {
    if (!has_world() || self->native_handle() != 1) return __real__ZNSt6thread4joinEv(self);
    // A process that dies ends its threads first.
    const std::thread::native_handle_type none = 0;
    std::memcpy(static_cast<void*>(self), &none, sizeof none);
}

}  // extern "C"
