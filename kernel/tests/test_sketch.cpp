#include <algorithm>
#include <bit>
#include <cstdint>
#include <random>
#include <vector>

#include "check.hpp"
#include "permute.hpp"
#include "sketch.hpp"

namespace {

using namespace safelight;
using hamming::kHashBytes;
using hamming::kHashWords;

using Bytes = std::vector<std::uint8_t>;

std::vector<Isa> isas() {
    std::vector<Isa> all;
    for (const Isa isa : {Isa::plain, Isa::avx2, Isa::avx512, Isa::neon}) {
        if (isa_supported(isa)) all.push_back(isa);
    }
    return all;
}

}  // namespace

TEST("stored hashes have their bits in another order and come back as they were") {
    Bytes seen(256, 0);
    unsigned stayed = 0;
    for (unsigned bit = 0; bit < 256; ++bit) {
        Bytes hash(kHashBytes, 0), back(kHashBytes, 1);
        hash[bit / 8] = static_cast<std::uint8_t>(1U << (bit % 8));
        std::uint64_t words[kHashWords];
        permute::to_stored(hash.data(), words);
        unsigned ones = 0;
        for (unsigned at = 0; at < 256; ++at) {
            if ((words[at / 64] >> (at % 64) & 1) == 0) continue;
            ++ones;
            ++seen[at];
            stayed += at == bit;
        }
        CHECK(ones == 1);
        permute::from_stored(words, back.data());
        CHECK(back == hash);
    }
    CHECK(seen == Bytes(256, 1));
    CHECK(stayed < 8);
}

TEST("the order of the bits, which is part of the file format, stays") {
    Bytes hash(kHashBytes);
    for (std::size_t i = 0; i < kHashBytes; ++i) hash[i] = static_cast<std::uint8_t>(i * 37 + 5);
    std::uint64_t words[kHashWords];
    permute::to_stored(hash.data(), words);
    const std::uint64_t expected[kHashWords] = {0xf3e51dffa8835847ULL, 0x130f21126b5117a8ULL,
                                                0xad9f8e04aa4c871dULL, 0xf0425232ce5e6e56ULL};
    CHECK(std::equal(words, words + kHashWords, expected));
}

TEST("every instruction set finds the sketches that a slow loop finds") {
    std::mt19937 random(1);
    std::vector<std::uint16_t> sketches(400 + sketch::kStep);
    const std::vector<std::uint32_t> rows(sketches.size());
    for (auto& each : sketches) each = static_cast<std::uint16_t>(random());
    for (std::size_t i = 0; i < 100; ++i) {
        sketches[i * 3] = static_cast<std::uint16_t>(1U << (i % 16));
    }
    for (const Isa isa : isas()) {
        for (std::uint32_t most = 0; most <= 16; ++most) {
            std::vector<sketch::Run> runs;
            std::vector<std::uint32_t> expected;
            for (std::uint32_t first = 0; first < 70; first += 7) {
                for (const std::uint32_t count : {0, 1, 15, 31, 32, 33, 64, 65, 330}) {
                    runs.push_back({first, first + count, most});
                    for (std::uint32_t at = first; at < first + count; ++at) {
                        const int bits = std::popcount(sketches[at] ^ 0x8000U);
                        if (bits <= static_cast<int>(most)) expected.push_back(at);
                    }
                }
            }
            std::vector<std::uint32_t> places, room(sketch::kStep + 5);
            for (sketch::Run* run = runs.data(); run != runs.data() + runs.size();) {
                sketch::Found found{room.data(), 0, room.size(), rows.data()};
                sketch::Ahead ahead;
                ahead.sketches = sketches.data();
                ahead.run = runs.data();
                ahead.end = runs.data() + 3;
                run = sketch::screen_for(isa)(sketches.data(), 0x8000, run,
                                              runs.data() + runs.size(), found, ahead);
                places.insert(places.end(), found.places, found.places + found.count);
            }
            CHECK(places == expected);
        }
    }
}
