// Which of many 256-bit hashes differ from a query in at most `radius` bits.
//
// The innermost loops only, one set for each instruction set; every set gives the same answers.
// Hashes are kept twice: 96 chosen bits of each as three arrays of words, so that one instruction
// looks at many hashes, and all 256 bits in rows. Two random hashes differ in at most 31 of 96
// bits once in 3,000 times, so at small radii the rows are hardly ever read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu.hpp"

namespace safelight::hamming {

inline constexpr unsigned kBits = 256;
inline constexpr std::size_t kHashBytes = kBits / 8;
inline constexpr std::size_t kHashWords = kBits / 64;
inline constexpr std::size_t kPrefixWords = 3;

// From this radius on so many hashes pass the 96-bit screen that reading the rows is faster.
inline constexpr unsigned kFullRadius = 36;

// A run of hashes. Nothing is assumed about alignment beyond that of the words.
struct Rows {
    const std::uint32_t* prefix[kPrefixWords];
    const std::uint64_t* full;  // kHashWords for each hash
    std::size_t count;
};

struct Query {
    std::uint64_t full[kHashWords];
    std::uint32_t prefix[kPrefixWords];
};

struct Hit {
    std::uint32_t row;
    std::uint32_t distance;  // 0 to 256
};

// A hash of 32 bytes with the 96 bits it is screened by.
Query make_query(const std::uint8_t* hash) noexcept;

// One instruction set's loops. Rows are found in ascending order.
struct Kernels {
    using Screen = std::size_t(const Rows& rows, const Query& query, unsigned radius,
                               std::uint32_t* found);
    using Verify = std::size_t(const Rows& rows, const Query& query, unsigned radius,
                               const std::uint32_t* found, std::size_t count, Hit* hits);

    Screen* prefix;  // every row within the radius and some others, by the 96 bits
    Screen* full;    // exactly the rows within the radius
    Verify* verify;  // of the rows found, those within the radius, with their distance

    // The hits among `rows`; `found` and `hits` have room for rows.count. Returns how many.
    std::size_t search(const Rows& rows, const Query& query, unsigned radius,
                       std::uint32_t* found, Hit* hits) const {
        Screen* screen = radius < kFullRadius ? prefix : full;
        return verify(rows, query, radius, found, screen(rows, query, radius, found), hits);
    }
};

// The loops written for `isa`, which this processor must support.
Kernels kernels_for(Isa isa) noexcept;

}  // namespace safelight::hamming
