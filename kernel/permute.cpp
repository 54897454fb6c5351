#include "permute.hpp"

#include <array>
#include <cstring>

namespace safelight::permute {
namespace {

using hamming::kBits;
using hamming::kHashBytes;
using hamming::kHashWords;

using Order = std::array<std::uint8_t, kBits>;

constexpr std::uint64_t kSeed = 0x5afe11967ULL;

constexpr std::uint64_t splitmix64(std::uint64_t& state) {
    state += 0x9e3779b97f4a7c15ULL;
    std::uint64_t x = state;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

// Bit i of a hash (bit i % 8 of byte i / 8) becomes bit order[i] of the stored words.
constexpr Order make_order() {
    Order order{};
    for (unsigned i = 0; i < kBits; ++i) order[i] = static_cast<std::uint8_t>(i);
    std::uint64_t state = kSeed;
    for (unsigned i = kBits - 1; i > 0; --i) {
        const auto j = static_cast<unsigned>(splitmix64(state) % (i + 1));
        const std::uint8_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    return order;
}

constexpr Order inverse(const Order& order) {
    Order back{};
    for (unsigned i = 0; i < kBits; ++i) back[order[i]] = static_cast<std::uint8_t>(i);
    return back;
}

// Where the bits of each value of each half byte go: 64 words ORed make a permutation. 32 KiB.
struct Table {
    static constexpr unsigned kPieces = kBits / 4;
    alignas(64) std::uint64_t at[kPieces][16][kHashWords]{};
};

constexpr Table make_table(const Order& order) {
    Table table;
    for (unsigned bit = 0; bit < kBits; ++bit) {
        for (unsigned value = 0; value < 16; ++value) {
            if ((value >> (bit % 4) & 1) == 0) continue;
            table.at[bit / 4][value][order[bit] / 64] |= std::uint64_t{1} << (order[bit] % 64);
        }
    }
    return table;
}

constexpr Table kToStored = make_table(make_order());
constexpr Table kFromStored = make_table(inverse(make_order()));

void apply(const Table& table, const std::uint8_t* bytes, std::uint64_t* words) noexcept {
    std::uint64_t sum[kHashWords] = {};
    for (std::size_t i = 0; i < kHashBytes; ++i) {
        const std::uint64_t* low = table.at[2 * i][bytes[i] & 15U];
        const std::uint64_t* high = table.at[2 * i + 1][bytes[i] >> 4];
        for (std::size_t word = 0; word < kHashWords; ++word) sum[word] |= low[word] | high[word];
    }
    std::memcpy(words, sum, kHashBytes);
}

}  // namespace

void to_stored(const std::uint8_t* hash, std::uint64_t* words) noexcept {
    apply(kToStored, hash, words);
}

void from_stored(const std::uint64_t* words, std::uint8_t* hash) noexcept {
    std::uint8_t bytes[kHashBytes];
    std::memcpy(bytes, words, kHashBytes);
    std::uint64_t original[kHashWords];
    apply(kFromStored, bytes, original);
    std::memcpy(hash, original, kHashBytes);
}

}  // namespace safelight::permute
