// A small generator whose numbers are the same everywhere (xoshiro256** over splitmix64, as published at
// https://prng.di.unimi.it): a seed stands for one schedule on every machine.
#pragma once

#include <array>
#include <cstdint>

namespace cartwright::model {

class Random {
  public:
    explicit Random(std::uint64_t seed) {
        for (auto& word : state_) {
            seed += 0x9e3779b97f4a7c15ULL;
            auto mixed = seed;
            mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9ULL;
            mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebULL;
            word = mixed ^ (mixed >> 31U);
        }
    }

    std::uint64_t next() {
        const auto rotate = [](std::uint64_t x, unsigned by) { return (x << by) | (x >> (64U - by)); };
        const auto result = rotate(state_[1] * 5, 7) * 9;
        const auto shifted = state_[1] << 17U;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = rotate(state_[3], 45);
        return result;
    }

    /// From 0 to below `bound`, which is not 0.
    std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }
    /// Both ends are included.
    std::int64_t between(std::int64_t least, std::int64_t most) {
        return least + static_cast<std::int64_t>(below(static_cast<std::size_t>(most - least + 1)));
    }
    bool per_cent(unsigned chance) { return next() % 100 < chance; }
    bool per_mille(unsigned chance) { return next() % 1000 < chance; }

  private:
    std::array<std::uint64_t, 4> state_{};
};

}  // namespace cartwright::model
