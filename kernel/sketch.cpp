#include "sketch.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace safelight::sketch {
namespace {

// Bodies that must be compiled for the instruction set of the function they are used in.
#define SAFELIGHT_INLINE [[gnu::always_inline]] inline

// One bit for each of the kStep sketches from `at` on that are still in the run.
SAFELIGHT_INLINE std::uint32_t within(std::size_t at, std::size_t last) {
    return ~std::uint32_t{0} >> (kStep - std::min(kStep, last - at));
}

// Adds the places whose bit is set in `mask`, bit 0 standing for `at`.
SAFELIGHT_INLINE void add_set_bits(std::uint32_t mask, std::size_t at, Found& found) {
    for (; mask != 0; mask &= mask - 1) {
        const std::size_t place = at + static_cast<std::size_t>(__builtin_ctz(mask));
        __builtin_prefetch(found.rows + place);
        found.places[found.count++] = static_cast<std::uint32_t>(place);
    }
}

SAFELIGHT_INLINE bool full(const Found& found) { return found.count + kStep > found.room; }

SAFELIGHT_INLINE Run* stop(Run* run, std::size_t at) {
    run->first = static_cast<std::uint32_t>(at);
    return run;
}

// ---- Plain C++, which the compiler turns into what every processor of the family has ----

// Signed, since SSE2 compares and takes the least of signed 16-bit numbers only.
SAFELIGHT_INLINE std::int16_t ones(std::uint16_t x) {
    x = static_cast<std::uint16_t>(x - ((x >> 1) & 0x5555U));
    x = static_cast<std::uint16_t>((x & 0x3333U) + ((x >> 2) & 0x3333U));
    x = static_cast<std::uint16_t>((x + (x >> 4)) & 0x0f0fU);
    return static_cast<std::int16_t>((x + (x >> 8)) & 0x1fU);
}

SAFELIGHT_INLINE std::uint32_t near_plain(const std::uint16_t* sketches, std::uint16_t query,
                                          std::uint32_t most) {
    std::int16_t distances[kStep];
    std::int16_t least = 16;
    for (std::size_t i = 0; i < kStep; ++i) {
        distances[i] = ones(static_cast<std::uint16_t>(sketches[i] ^ query));
        least = std::min(least, distances[i]);
    }
    std::uint32_t mask = 0;
    if (static_cast<std::uint32_t>(least) > most) return mask;
    for (std::size_t i = 0; i < kStep; ++i) {
        const bool near = static_cast<std::uint32_t>(distances[i]) <= most;
        mask |= static_cast<std::uint32_t>(near) << i;
    }
    return mask;
}

Run* screen_plain(const std::uint16_t* sketches, std::uint16_t query, Run* run, Run* end,
                  Found& found, Ahead& ahead) {
    for (; run != end; ++run) {
        ahead.fetch();
        for (std::size_t at = run->first; at < run->last; at += kStep) {
            if (full(found)) return stop(run, at);
            const std::uint32_t near = near_plain(sketches + at, query, run->most);
            add_set_bits(near & within(at, run->last), at, found);
        }
    }
    return run;
}

#if defined(__x86_64__)

// ---- AVX2: the ones of each half byte are looked up with pshufb ----

#define SAFELIGHT_AVX2 [[gnu::target("avx2,popcnt")]]

// All ones in each of 16 sketches that is near, else zero.
SAFELIGHT_AVX2 SAFELIGHT_INLINE __m256i near_16(const std::uint16_t* sketches, __m256i query,
                                                __m256i beyond) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                           0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i x =
        _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(sketches)), query);
    const __m256i lower = _mm256_shuffle_epi8(table, _mm256_and_si256(x, low));
    const __m256i upper =
        _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), low));
    const __m256i distances =
        _mm256_maddubs_epi16(_mm256_add_epi8(lower, upper), _mm256_set1_epi8(1));
    return _mm256_cmpgt_epi16(beyond, distances);
}

SAFELIGHT_AVX2 SAFELIGHT_INLINE std::uint32_t near_avx2(const std::uint16_t* sketches,
                                                        __m256i query, __m256i beyond) {
    // Packing takes the low halves of both first, then the high ones.
    const __m256i mixed = _mm256_packs_epi16(near_16(sketches, query, beyond),
                                             near_16(sketches + 16, query, beyond));
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_permute4x64_epi64(mixed, 0xd8)));
}

SAFELIGHT_AVX2 Run* screen_avx2(const std::uint16_t* sketches, std::uint16_t query, Run* run,
                                Run* end, Found& found, Ahead& ahead) {
    const __m256i word = _mm256_set1_epi16(static_cast<short>(query));
    for (; run != end; ++run) {
        ahead.fetch();
        const __m256i beyond = _mm256_set1_epi16(static_cast<short>(run->most + 1));
        for (std::size_t at = run->first; at < run->last; at += kStep) {
            if (full(found)) return stop(run, at);
            const std::uint32_t near = near_avx2(sketches + at, word, beyond);
            add_set_bits(near & within(at, run->last), at, found);
        }
    }
    return run;
}

// ---- AVX-512 BITALG: an instruction counts the ones of each sketch ----

#define SAFELIGHT_AVX512 [[gnu::target("avx512f,avx512bw,avx512vl,avx512bitalg,popcnt")]]

// A mask as a number, see number_of() in hamming.cpp.
SAFELIGHT_INLINE std::uint32_t number_of(std::uint32_t mask) {
    asm("" : "+r"(mask));
    return mask;
}

SAFELIGHT_AVX512 Run* screen_avx512(const std::uint16_t* sketches, std::uint16_t query, Run* run,
                                    Run* end, Found& found, Ahead& ahead) {
    const __m512i word = _mm512_set1_epi16(static_cast<short>(query));
    for (; run != end; ++run) {
        ahead.fetch();
        const __m512i most = _mm512_set1_epi16(static_cast<short>(run->most));
        for (std::size_t at = run->first; at < run->last; at += kStep) {
            if (full(found)) return stop(run, at);
            const __m512i x = _mm512_xor_si512(_mm512_loadu_si512(sketches + at), word);
            const std::uint32_t near =
                number_of(_mm512_cmple_epu16_mask(_mm512_popcnt_epi16(x), most));
            add_set_bits(near & within(at, run->last), at, found);
        }
    }
    return run;
}

#elif defined(__aarch64__)

// ---- NEON: an instruction counts the ones of each byte ----

// All ones in each of 8 sketches that is near, else zero.
SAFELIGHT_INLINE uint16x8_t near_8(const std::uint16_t* sketches, uint16x8_t query,
                                   uint16x8_t most) {
    const uint16x8_t x = veorq_u16(vld1q_u16(sketches), query);
    return vcleq_u16(vpaddlq_u8(vcntq_u8(vreinterpretq_u8_u16(x))), most);
}

// One byte for each of 16 sketches, with the bit set that stands for its place among 8.
SAFELIGHT_INLINE uint8x16_t near_16(const std::uint16_t* sketches, uint16x8_t query,
                                    uint16x8_t most) {
    const uint8x8_t places = {1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bytes = vcombine_u8(vmovn_u16(near_8(sketches, query, most)),
                                         vmovn_u16(near_8(sketches + 8, query, most)));
    return vandq_u8(bytes, vcombine_u8(places, places));
}

SAFELIGHT_INLINE std::uint32_t near_neon(const std::uint16_t* sketches, uint16x8_t query,
                                         uint16x8_t most) {
    // Three sums of neighbours gather 8 bytes into one.
    uint8x16_t sums =
        vpaddq_u8(near_16(sketches, query, most), near_16(sketches + 16, query, most));
    sums = vpaddq_u8(sums, sums);
    sums = vpaddq_u8(sums, sums);
    return vgetq_lane_u32(vreinterpretq_u32_u8(sums), 0);
}

Run* screen_neon(const std::uint16_t* sketches, std::uint16_t query, Run* run, Run* end,
                 Found& found, Ahead& ahead) {
    const uint16x8_t word = vdupq_n_u16(query);
    for (; run != end; ++run) {
        ahead.fetch();
        const uint16x8_t most = vdupq_n_u16(static_cast<std::uint16_t>(run->most));
        for (std::size_t at = run->first; at < run->last; at += kStep) {
            if (full(found)) return stop(run, at);
            const std::uint32_t near = near_neon(sketches + at, word, most);
            add_set_bits(near & within(at, run->last), at, found);
        }
    }
    return run;
}

#endif

}  // namespace

Screen* screen_for([[maybe_unused]] Isa isa) noexcept {
#if defined(__x86_64__)
    if (isa == Isa::avx512) return screen_avx512;
    if (isa == Isa::avx2) return screen_avx2;
#elif defined(__aarch64__)
    if (isa == Isa::neon) return screen_neon;
#endif
    return screen_plain;
}

}  // namespace safelight::sketch
