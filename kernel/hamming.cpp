#include "hamming.hpp"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace safelight::hamming {
namespace {

// Bodies that must be compiled for the instruction set of the function they are used in.
#define SAFELIGHT_INLINE [[gnu::always_inline]] inline

// ---- Plain C++, which the compiler turns into what every processor of the family has ----

SAFELIGHT_INLINE std::uint32_t ones(std::uint32_t x) {
    x -= (x >> 1) & 0x55555555U;
    x = (x & 0x33333333U) + ((x >> 2) & 0x33333333U);
    x = (x + (x >> 4)) & 0x0f0f0f0fU;
    x += x >> 8;
    return (x + (x >> 16)) & 0x3fU;
}

SAFELIGHT_INLINE std::uint32_t prefix_distance(const Rows& rows, const Query& query,
                                               std::size_t row) {
    return ones(rows.prefix[0][row] ^ query.prefix[0]) +
           ones(rows.prefix[1][row] ^ query.prefix[1]) +
           ones(rows.prefix[2][row] ^ query.prefix[2]);
}

SAFELIGHT_INLINE std::uint32_t full_distance(const Rows& rows, const Query& query,
                                             std::size_t row) {
    const std::uint64_t* hash = rows.full + row * kHashWords;
    int distance = 0;
    for (std::size_t i = 0; i < kHashWords; ++i) {
        distance += __builtin_popcountll(hash[i] ^ query.full[i]);
    }
    return static_cast<std::uint32_t>(distance);
}

// Rows [from, count), one at a time: the ends that fill no register.
SAFELIGHT_INLINE std::size_t screen_rest(const Rows& rows, const Query& query, unsigned radius,
                                         std::size_t from, std::uint32_t* found, std::size_t n) {
    for (std::size_t row = from; row < rows.count; ++row) {
        found[n] = static_cast<std::uint32_t>(row);
        n += prefix_distance(rows, query, row) <= radius;
    }
    return n;
}

SAFELIGHT_INLINE std::size_t full_rest(const Rows& rows, const Query& query, unsigned radius,
                                       std::size_t from, std::uint32_t* found, std::size_t n) {
    for (std::size_t row = from; row < rows.count; ++row) {
        found[n] = static_cast<std::uint32_t>(row);
        n += full_distance(rows, query, row) <= radius;
    }
    return n;
}

SAFELIGHT_INLINE std::size_t verify_found(const Rows& rows, const Query& query, unsigned radius,
                                          const std::uint32_t* found, std::size_t count,
                                          Hit* hits) {
    std::size_t n = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t distance = full_distance(rows, query, found[i]);
        hits[n] = {found[i], distance};
        n += distance <= radius;
    }
    return n;
}

// Adds the rows whose bit is set in `mask`, bit 0 standing for `row`.
SAFELIGHT_INLINE std::size_t add_set_bits(std::uint64_t mask, std::size_t row,
                                          std::uint32_t* found, std::size_t n) {
    for (; mask != 0; mask &= mask - 1) {
        found[n++] = static_cast<std::uint32_t>(row) +
                     static_cast<std::uint32_t>(__builtin_ctzll(mask));
    }
    return n;
}

std::size_t prefix_plain(const Rows& rows, const Query& query, unsigned radius,
                         std::uint32_t* found) {
    constexpr std::size_t kStep = 64;
    std::uint32_t distances[kStep];
    std::size_t n = 0, row = 0;
    for (; row + kStep <= rows.count; row += kStep) {
        // Two loops, so that the compiler can use vectors in the first.
        for (std::size_t i = 0; i < kStep; ++i) distances[i] = prefix_distance(rows, query, row + i);
        for (std::size_t i = 0; i < kStep; ++i) {
            found[n] = static_cast<std::uint32_t>(row + i);
            n += distances[i] <= radius;
        }
    }
    return screen_rest(rows, query, radius, row, found, n);
}

std::size_t full_plain(const Rows& rows, const Query& query, unsigned radius,
                       std::uint32_t* found) {
    return full_rest(rows, query, radius, 0, found, 0);
}

std::size_t verify_plain(const Rows& rows, const Query& query, unsigned radius,
                         const std::uint32_t* found, std::size_t count, Hit* hits) {
    return verify_found(rows, query, radius, found, count, hits);
}

#if defined(__x86_64__)

// ---- AVX2: the ones of each half byte are looked up with pshufb ----

#define SAFELIGHT_AVX2 [[gnu::target("avx2,popcnt")]]

SAFELIGHT_AVX2 SAFELIGHT_INLINE __m256i ones_of_bytes(__m256i x) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                           0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i lower = _mm256_and_si256(x, low);
    const __m256i upper = _mm256_and_si256(_mm256_srli_epi16(x, 4), low);
    return _mm256_add_epi8(_mm256_shuffle_epi8(table, lower), _mm256_shuffle_epi8(table, upper));
}

SAFELIGHT_AVX2 SAFELIGHT_INLINE __m256i load_xor(const void* at, __m256i with) {
    return _mm256_xor_si256(_mm256_loadu_si256(static_cast<const __m256i*>(at)), with);
}

// One bit for each of 8 rows: whether its 96 bits are within the radius (given plus one).
SAFELIGHT_AVX2 SAFELIGHT_INLINE unsigned near_8(const Rows& rows, std::size_t row,
                                                const __m256i* query, __m256i beyond) {
    __m256i bytes = ones_of_bytes(load_xor(rows.prefix[0] + row, query[0]));
    bytes = _mm256_add_epi8(bytes, ones_of_bytes(load_xor(rows.prefix[1] + row, query[1])));
    bytes = _mm256_add_epi8(bytes, ones_of_bytes(load_xor(rows.prefix[2] + row, query[2])));
    const __m256i pairs = _mm256_maddubs_epi16(bytes, _mm256_set1_epi8(1));
    const __m256i distances = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    const __m256i near = _mm256_cmpgt_epi32(beyond, distances);
    return static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(near)));
}

SAFELIGHT_AVX2 std::size_t prefix_avx2(const Rows& rows, const Query& query, unsigned radius,
                                       std::uint32_t* found) {
    __m256i words[kPrefixWords];
    for (std::size_t i = 0; i < kPrefixWords; ++i) {
        words[i] = _mm256_set1_epi32(static_cast<int>(query.prefix[i]));
    }
    const __m256i beyond = _mm256_set1_epi32(static_cast<int>(radius) + 1);
    std::size_t n = 0, row = 0;
    for (; row + 32 <= rows.count; row += 32) {
        const unsigned mask = near_8(rows, row, words, beyond) |
                              near_8(rows, row + 8, words, beyond) << 8 |
                              near_8(rows, row + 16, words, beyond) << 16 |
                              near_8(rows, row + 24, words, beyond) << 24;
        if (mask != 0) n = add_set_bits(mask, row, found, n);
    }
    return screen_rest(rows, query, radius, row, found, n);
}

// The distances of 4 rows, as four 64-bit numbers.
SAFELIGHT_AVX2 SAFELIGHT_INLINE __m256i distances_4(const std::uint64_t* hashes, __m256i query) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i sums[4];
    for (int i = 0; i < 4; ++i) {
        sums[i] = _mm256_sad_epu8(ones_of_bytes(load_xor(hashes + i * kHashWords, query)), zero);
    }
    const __m256i first = _mm256_add_epi64(_mm256_unpacklo_epi64(sums[0], sums[1]),
                                           _mm256_unpackhi_epi64(sums[0], sums[1]));
    const __m256i second = _mm256_add_epi64(_mm256_unpacklo_epi64(sums[2], sums[3]),
                                            _mm256_unpackhi_epi64(sums[2], sums[3]));
    return _mm256_add_epi64(_mm256_permute2x128_si256(first, second, 0x20),
                            _mm256_permute2x128_si256(first, second, 0x31));
}

SAFELIGHT_AVX2 std::size_t full_avx2(const Rows& rows, const Query& query, unsigned radius,
                                     std::uint32_t* found) {
    const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(query.full));
    const __m256i beyond = _mm256_set1_epi64x(static_cast<long long>(radius) + 1);
    std::size_t n = 0, row = 0;
    for (; row + 4 <= rows.count; row += 4) {
        const __m256i distances = distances_4(rows.full + row * kHashWords, words);
        const __m256i near = _mm256_cmpgt_epi64(beyond, distances);
        const int mask = _mm256_movemask_pd(_mm256_castsi256_pd(near));
        if (mask != 0) n = add_set_bits(static_cast<unsigned>(mask), row, found, n);
    }
    return full_rest(rows, query, radius, row, found, n);
}

SAFELIGHT_AVX2 std::size_t verify_popcnt(const Rows& rows, const Query& query, unsigned radius,
                                         const std::uint32_t* found, std::size_t count,
                                         Hit* hits) {
    return verify_found(rows, query, radius, found, count, hits);
}

// ---- AVX-512: an instruction counts the ones of each word ----

// GCC 12 warns of the "undefined" values inside its own intrinsics (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#define SAFELIGHT_AVX512 \
    [[gnu::target("avx512f,avx512bw,avx512vl,avx512vpopcntdq,popcnt")]]

// A mask as a number. GCC 12 may keep a mask in memory as one or two bytes and read eight of them
// back (seen at -O1 under register pressure); the empty statement makes it a register's value.
SAFELIGHT_INLINE std::uint64_t number_of(std::uint32_t mask) {
    asm("" : "+r"(mask));
    return mask;
}

SAFELIGHT_AVX512 SAFELIGHT_INLINE __m512i ones_of_words(const void* at, __m512i query) {
    return _mm512_popcnt_epi32(_mm512_xor_si512(_mm512_loadu_si512(at), query));
}

SAFELIGHT_AVX512 SAFELIGHT_INLINE std::uint64_t near_16(const Rows& rows, std::size_t row,
                                                        const __m512i* query, __m512i radius) {
    const __m512i distances =
        _mm512_add_epi32(_mm512_add_epi32(ones_of_words(rows.prefix[0] + row, query[0]),
                                          ones_of_words(rows.prefix[1] + row, query[1])),
                         ones_of_words(rows.prefix[2] + row, query[2]));
    return number_of(_mm512_cmple_epu32_mask(distances, radius));
}

SAFELIGHT_AVX512 std::size_t prefix_avx512(const Rows& rows, const Query& query, unsigned radius,
                                           std::uint32_t* found) {
    __m512i words[kPrefixWords];
    for (std::size_t i = 0; i < kPrefixWords; ++i) {
        words[i] = _mm512_set1_epi32(static_cast<int>(query.prefix[i]));
    }
    const __m512i most = _mm512_set1_epi32(static_cast<int>(radius));
    std::size_t n = 0, row = 0;
    for (; row + 64 <= rows.count; row += 64) {
        const std::uint64_t mask = near_16(rows, row, words, most) |
                                   near_16(rows, row + 16, words, most) << 16 |
                                   near_16(rows, row + 32, words, most) << 32 |
                                   near_16(rows, row + 48, words, most) << 48;
        if (mask != 0) n = add_set_bits(mask, row, found, n);
    }
    return screen_rest(rows, query, radius, row, found, n);
}

// The distances of 8 rows, as eight 64-bit numbers.
SAFELIGHT_AVX512 SAFELIGHT_INLINE __m512i distances_8(const std::uint64_t* hashes, __m512i query) {
    __m512i sums[4];  // two rows in each
    for (int i = 0; i < 4; ++i) {
        const __m512i two = _mm512_loadu_si512(hashes + 2 * i * kHashWords);
        sums[i] = _mm512_popcnt_epi64(_mm512_xor_si512(two, query));
    }
    const __m512i first = _mm512_add_epi64(_mm512_unpacklo_epi64(sums[0], sums[1]),
                                           _mm512_unpackhi_epi64(sums[0], sums[1]));
    const __m512i second = _mm512_add_epi64(_mm512_unpacklo_epi64(sums[2], sums[3]),
                                            _mm512_unpackhi_epi64(sums[2], sums[3]));
    const __m512i mixed = _mm512_add_epi64(_mm512_shuffle_i64x2(first, second, 0x88),
                                           _mm512_shuffle_i64x2(first, second, 0xdd));
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 1, 3, 4, 6, 5, 7), mixed);
}

SAFELIGHT_AVX512 std::size_t full_avx512(const Rows& rows, const Query& query, unsigned radius,
                                         std::uint32_t* found) {
    const __m512i words = _mm512_broadcast_i64x4(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(query.full)));
    const __m512i most = _mm512_set1_epi64(radius);
    std::size_t n = 0, row = 0;
    for (; row + 8 <= rows.count; row += 8) {
        const __m512i distances = distances_8(rows.full + row * kHashWords, words);
        const std::uint64_t mask = number_of(_mm512_cmple_epu64_mask(distances, most));
        if (mask != 0) n = add_set_bits(mask, row, found, n);
    }
    return full_rest(rows, query, radius, row, found, n);
}

#pragma GCC diagnostic pop

#elif defined(__aarch64__)

// ---- NEON: an instruction counts the ones of each byte ----

SAFELIGHT_INLINE uint8x16_t ones_of_words(const std::uint32_t* at, uint32x4_t query) {
    return vcntq_u8(vreinterpretq_u8_u32(veorq_u32(vld1q_u32(at), query)));
}

SAFELIGHT_INLINE uint32x4_t near_4(const Rows& rows, std::size_t row, const uint32x4_t* query,
                                   uint32x4_t radius) {
    const uint8x16_t bytes = vaddq_u8(vaddq_u8(ones_of_words(rows.prefix[0] + row, query[0]),
                                               ones_of_words(rows.prefix[1] + row, query[1])),
                                      ones_of_words(rows.prefix[2] + row, query[2]));
    return vcleq_u32(vpaddlq_u16(vpaddlq_u8(bytes)), radius);
}

std::size_t prefix_neon(const Rows& rows, const Query& query, unsigned radius,
                        std::uint32_t* found) {
    uint32x4_t words[kPrefixWords];
    for (std::size_t i = 0; i < kPrefixWords; ++i) words[i] = vdupq_n_u32(query.prefix[i]);
    const uint32x4_t most = vdupq_n_u32(radius);
    std::size_t n = 0, row = 0;
    for (; row + 16 <= rows.count; row += 16) {
        uint32x4_t near[4];
        for (std::size_t i = 0; i < 4; ++i) near[i] = near_4(rows, row + 4 * i, words, most);
        // 16 answers of 32 bits, made narrow: one byte for each row.
        const uint16x8_t first = vcombine_u16(vmovn_u32(near[0]), vmovn_u32(near[1]));
        const uint16x8_t second = vcombine_u16(vmovn_u32(near[2]), vmovn_u32(near[3]));
        const uint8x16_t bytes = vcombine_u8(vmovn_u16(first), vmovn_u16(second));
        if (vmaxvq_u8(bytes) == 0) continue;
        std::uint8_t answers[16];
        vst1q_u8(answers, bytes);
        for (std::size_t i = 0; i < 16; ++i) {
            found[n] = static_cast<std::uint32_t>(row + i);
            n += answers[i] & 1U;
        }
    }
    return screen_rest(rows, query, radius, row, found, n);
}

std::size_t full_neon(const Rows& rows, const Query& query, unsigned radius,
                      std::uint32_t* found) {
    const uint64x2_t low = vld1q_u64(query.full), high = vld1q_u64(query.full + 2);
    std::size_t n = 0;
    for (std::size_t row = 0; row < rows.count; ++row) {
        const std::uint64_t* hash = rows.full + row * kHashWords;
        const uint8x16_t ones =
            vaddq_u8(vcntq_u8(vreinterpretq_u8_u64(veorq_u64(vld1q_u64(hash), low))),
                     vcntq_u8(vreinterpretq_u8_u64(veorq_u64(vld1q_u64(hash + 2), high))));
        found[n] = static_cast<std::uint32_t>(row);
        n += vaddlvq_u8(ones) <= radius;
    }
    return n;
}

#endif

// The 96 bits by which hashes are screened. PDQ lays 16 x 16 DCT coefficients out in rows, and
// neighbours in a row resemble each other; so each word is put together from three (or two) words
// of the hash, taken bit by bit in turn, and all of the hash's rows and columns are represented.
void take_prefix(const std::uint64_t* hash, std::uint32_t* prefix) {
    std::uint32_t words[8];
    std::memcpy(words, hash, kHashBytes);
    constexpr std::uint32_t kFirst = 0x49249249U, kSecond = 0x92492492U, kThird = 0x24924924U;
    prefix[0] = (words[0] & kFirst) | (words[3] & kSecond) | (words[6] & kThird);
    prefix[1] = (words[1] & kFirst) | (words[4] & kSecond) | (words[7] & kThird);
    prefix[2] = (words[2] & kFirst) | (words[5] & ~kFirst);
}

}  // namespace

Query make_query(const std::uint8_t* hash) noexcept {
    Query query;
    std::memcpy(query.full, hash, kHashBytes);
    take_prefix(query.full, query.prefix);
    return query;
}

Kernels kernels_for([[maybe_unused]] Isa isa) noexcept {
#if defined(__x86_64__)
    if (isa == Isa::avx512) return {prefix_avx512, full_avx512, verify_popcnt};
    if (isa == Isa::avx2) return {prefix_avx2, full_avx2, verify_popcnt};
#elif defined(__aarch64__)
    if (isa == Isa::neon) return {prefix_neon, full_neon, verify_plain};
#endif
    return {prefix_plain, full_plain, verify_plain};
}

}  // namespace safelight::hamming
