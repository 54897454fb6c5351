#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "check.hpp"
#include "hamming.hpp"

namespace {

using namespace safelight;
using hamming::kHashBytes;

using Bytes = std::vector<std::uint8_t>;

Bytes random_hashes(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    Bytes hashes(count * kHashBytes);
    for (auto& byte : hashes) byte = static_cast<std::uint8_t>(random());
    return hashes;
}

void flip(std::uint8_t* hash, unsigned bits, unsigned seed) {
    std::vector<unsigned> places(256);
    for (unsigned i = 0; i < 256; ++i) places[i] = i;
    std::shuffle(places.begin(), places.end(), std::mt19937(seed));
    for (unsigned i = 0; i < bits; ++i) {
        hash[places[i] / 8] ^= static_cast<std::uint8_t>(1U << (places[i] % 8));
    }
}

unsigned slow_distance(const std::uint8_t* a, const std::uint8_t* b) {
    unsigned distance = 0;
    for (std::size_t i = 0; i < kHashBytes; ++i) {
        for (unsigned bits = a[i] ^ b[i]; bits != 0; bits &= bits - 1) ++distance;
    }
    return distance;
}

std::vector<Isa> isas() {
    std::vector<Isa> all;
    for (const Isa isa : {Isa::plain, Isa::avx2, Isa::avx512, Isa::neon}) {
        if (isa_supported(isa)) all.push_back(isa);
    }
    return all;
}

// Hashes in the layout the kernels read, of exactly as many rows, so that ASan sees any overrun.
struct Columns {
    explicit Columns(const Bytes& hashes) : full(hashes.size() / 8) {
        for (std::size_t at = 0; at < hashes.size(); at += kHashBytes) {
            const hamming::Query query = hamming::make_query(hashes.data() + at);
            for (int i = 0; i < 3; ++i) prefix[i].push_back(query.prefix[i]);
        }
        for (auto& words : prefix) words.shrink_to_fit();
        if (!hashes.empty()) std::memcpy(full.data(), hashes.data(), hashes.size());
    }
    hamming::Rows rows() const {
        return {{prefix[0].data(), prefix[1].data(), prefix[2].data()}, full.data(), prefix[0].size()};
    }
    std::vector<std::uint32_t> prefix[3];
    std::vector<std::uint64_t> full;
};

}  // namespace

TEST("the 96 screening bits are 96 different bits of the hash") {
    Bytes hash(kHashBytes, 0);
    unsigned used = 0;
    for (unsigned bit = 0; bit < 256; ++bit) {
        std::fill(hash.begin(), hash.end(), 0);
        hash[bit / 8] = static_cast<std::uint8_t>(1U << (bit % 8));
        const hamming::Query query = hamming::make_query(hash.data());
        int ones = 0;
        for (const std::uint32_t word : query.prefix) ones += __builtin_popcount(word);
        CHECK(ones <= 1);
        used += static_cast<unsigned>(ones);
    }
    CHECK(used == 96);
}

TEST("every instruction set finds what a slow loop finds, at every radius and count of rows") {
    for (const std::size_t count : {0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 63, 64, 65, 127, 200}) {
        const Bytes query = random_hashes(1, 7);
        Bytes hashes = random_hashes(count, 8);
        for (std::size_t i = 0; i < count; i += 2) {  // every other row lies near the query
            std::memcpy(hashes.data() + i * kHashBytes, query.data(), kHashBytes);
            flip(hashes.data() + i * kHashBytes, static_cast<unsigned>(i * 37 % 257), 9);
        }
        const Columns columns(hashes);
        std::vector<std::uint32_t> rows(count);
        std::vector<hamming::Hit> hits(count);
        for (const Isa isa : isas()) {
            for (unsigned radius = 0; radius <= 256; ++radius) {
                const std::size_t found =
                    hamming::kernels_for(isa).search(columns.rows(), hamming::make_query(query.data()),
                                                     radius, rows.data(), hits.data());
                std::size_t n = 0;
                for (std::uint32_t row = 0; row < count; ++row) {
                    const unsigned distance =
                        slow_distance(hashes.data() + row * kHashBytes, query.data());
                    if (distance > radius) continue;
                    CHECK(n < found && hits[n].row == row && hits[n].distance == distance);
                    ++n;
                }
                CHECK(n == found);
            }
        }
    }
}

TEST("both screens agree on each instruction set") {
    const Bytes hashes = random_hashes(3000, 1), query = random_hashes(1, 2);
    const Columns columns(hashes);
    std::vector<std::uint32_t> found(3000);
    std::vector<hamming::Hit> hits(3000), others(3000);
    const hamming::Query wanted = hamming::make_query(query.data());
    for (const Isa isa : isas()) {
        const hamming::Kernels kernels = hamming::kernels_for(isa);
        for (const unsigned radius : {0U, 31U, 96U, 128U, 256U}) {
            std::size_t n = kernels.prefix(columns.rows(), wanted, radius, found.data());
            n = kernels.verify(columns.rows(), wanted, radius, found.data(), n, hits.data());
            const std::size_t m = kernels.full(columns.rows(), wanted, radius, found.data());
            CHECK(n == m);
            for (std::size_t i = 0; i < n; ++i) CHECK(hits[i].row == found[i]);
        }
    }
}
