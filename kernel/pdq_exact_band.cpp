#include "pdq_exact_band.hpp"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Vector code is written against the compiler's vector types; these would be broken into small
// pieces in a function without a target, even one inlined later, hence one copy for each target.
//
// Luma. The reference computes 0.299 r + 0.587 g + 0.114 b in double and rounds it to float. With
// the whole number n = 299 r + 587 g + 114 b that is n/1000, rounded once: n/1000 is either a
// multiple of 1/8, which float holds, or further from the middle of two floats (a multiple of
// 2⁻²⁸) than 1/(125 × 2²⁸) > 2⁻³⁵, while the double's error is below 2⁻⁴³. A test tries all colours.
//
// Quotients a/b by whole numbers b ≤ 2¹⁵ without dividing. y is 1/b rounded; q = a·y rounded is
// within 3 units u in its last place of a/b; r = a − b·q is exact: a multiple of u below 2¹⁷ u.
// q + r·y differs from a/b by |r|·|y − 1/b| < 2⁻²² u. The middle of two floats is at least u/4b
// ≥ 2⁻¹⁷ u from a/b, and never equal to it (it has 25 bits, so a multiple of it by b has more than
// a's 24). So rounding q + r·y once, as a fused multiply-add does, gives a/b correctly rounded.
// Nothing underflows: luma is a multiple of 2⁻²⁷, so means and their units stay above 2⁻¹⁰⁶.
namespace safelight {
namespace {

constexpr std::uintptr_t bytes_ahead = 512;
constexpr float most_luma_parts = 1000.0F;
constexpr float luma_part = 1 / most_luma_parts;

#if defined(__x86_64__)

// ---- AVX-512: sixteen rows ----

// GCC 12 takes the registers that intrinsics leave undefined on purpose for a mistake.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

namespace avx512 {

#define EXACT_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,prefer-vector-width=512")))

constexpr int lanes = 16;
constexpr int reach = 64;
typedef __m512 V;

EXACT_TARGET inline V quotient(const V& a, float length, float inverse) {
    const V y = _mm512_set1_ps(inverse);
    const V q = _mm512_mul_ps(a, y);
    return _mm512_fmadd_ps(_mm512_fnmadd_ps(q, _mm512_set1_ps(length), a), y, q);
}

// Sixteen pixels from 48 of the 64 bytes.
EXACT_TARGET inline V luma_rgb(const std::uint8_t* from) {
    const __m512i spread = _mm512_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12);
    const __m512i red_green = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, -1, 1, -1, 3, -1, 4, -1, 6, -1, 7, -1, 9, -1, 10, -1));
    const __m512i blue = _mm512_broadcast_i32x4(
        _mm_setr_epi8(2, -1, -1, -1, 5, -1, -1, -1, 8, -1, -1, -1, 11, -1, -1, -1));
    const __m512i bytes = _mm512_permutexvar_epi32(spread, _mm512_loadu_si512(from));
    const __m512i parts = _mm512_add_epi32(
        _mm512_madd_epi16(_mm512_shuffle_epi8(bytes, red_green), _mm512_set1_epi32(587 << 16 | 299)),
        _mm512_madd_epi16(_mm512_shuffle_epi8(bytes, blue), _mm512_set1_epi32(114)));
    return quotient(_mm512_cvtepi32_ps(parts), most_luma_parts, luma_part);
}

EXACT_TARGET inline V luma_grey(const std::uint8_t* from) {
    return _mm512_cvtepi32_ps(
        _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
}

// Four rows of four by four, in each quarter of the vectors.
EXACT_TARGET inline void turn_quarters(V* rows) {
    const __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(rows[0], rows[1]));
    const __m512d b = _mm512_castps_pd(_mm512_unpackhi_ps(rows[0], rows[1]));
    const __m512d c = _mm512_castps_pd(_mm512_unpacklo_ps(rows[2], rows[3]));
    const __m512d d = _mm512_castps_pd(_mm512_unpackhi_ps(rows[2], rows[3]));
    rows[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
    rows[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
    rows[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
    rows[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
}

EXACT_TARGET inline void turn(V (&rows)[lanes]) {
    for (int k = 0; k < lanes; k += 4) turn_quarters(rows + k);
    for (int k = 0; k < 4; ++k) {
        const V a = _mm512_shuffle_f32x4(rows[k], rows[k + 4], 0x88);
        const V b = _mm512_shuffle_f32x4(rows[k], rows[k + 4], 0xdd);
        const V c = _mm512_shuffle_f32x4(rows[k + 8], rows[k + 12], 0x88);
        const V d = _mm512_shuffle_f32x4(rows[k + 8], rows[k + 12], 0xdd);
        rows[k] = _mm512_shuffle_f32x4(a, c, 0x88);
        rows[k + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        rows[k + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        rows[k + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}

#include "pdq_exact_band.inc"
#undef EXACT_TARGET

}  // namespace avx512

#pragma GCC diagnostic pop

// ---- AVX2 with FMA: eight rows ----

namespace avx2 {

#define EXACT_TARGET __attribute__((target("avx2,fma")))

constexpr int lanes = 8;
constexpr int reach = 32;
typedef __m256 V;

EXACT_TARGET inline V quotient(const V& a, float length, float inverse) {
    const V y = _mm256_set1_ps(inverse);
    const V q = _mm256_mul_ps(a, y);
    return _mm256_fmadd_ps(_mm256_fnmadd_ps(q, _mm256_set1_ps(length), a), y, q);
}

// Eight pixels from 24 of the 32 bytes.
EXACT_TARGET inline V luma_rgb(const std::uint8_t* from) {
    const __m256i spread = _mm256_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6);
    const __m256i red_green = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, -1, 1, -1, 3, -1, 4, -1, 6, -1, 7, -1, 9, -1, 10, -1));
    const __m256i blue = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(2, -1, -1, -1, 5, -1, -1, -1, 8, -1, -1, -1, 11, -1, -1, -1));
    const __m256i bytes = _mm256_permutevar8x32_epi32(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)), spread);
    const __m256i parts = _mm256_add_epi32(
        _mm256_madd_epi16(_mm256_shuffle_epi8(bytes, red_green), _mm256_set1_epi32(587 << 16 | 299)),
        _mm256_madd_epi16(_mm256_shuffle_epi8(bytes, blue), _mm256_set1_epi32(114)));
    return quotient(_mm256_cvtepi32_ps(parts), most_luma_parts, luma_part);
}

EXACT_TARGET inline V luma_grey(const std::uint8_t* from) {
    return _mm256_cvtepi32_ps(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
}

// Four rows of four by four, in each half of the vectors.
EXACT_TARGET inline void turn_halves(V* rows) {
    const __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(rows[0], rows[1]));
    const __m256d b = _mm256_castps_pd(_mm256_unpackhi_ps(rows[0], rows[1]));
    const __m256d c = _mm256_castps_pd(_mm256_unpacklo_ps(rows[2], rows[3]));
    const __m256d d = _mm256_castps_pd(_mm256_unpackhi_ps(rows[2], rows[3]));
    rows[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, c));
    rows[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, c));
    rows[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(b, d));
    rows[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(b, d));
}

EXACT_TARGET inline void turn(V (&rows)[lanes]) {
    turn_halves(rows);
    turn_halves(rows + 4);
    for (int k = 0; k < 4; ++k) {
        const V a = rows[k];
        rows[k] = _mm256_permute2f128_ps(a, rows[k + 4], 0x20);
        rows[k + 4] = _mm256_permute2f128_ps(a, rows[k + 4], 0x31);
    }
}

#include "pdq_exact_band.inc"
#undef EXACT_TARGET

}  // namespace avx2

bool has_fma() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("fma");
}

#endif

// ---- The vectors that every processor of this kind has: four rows ----

namespace plain {

#define EXACT_TARGET

constexpr int lanes = 4;
constexpr int reach = 12;
typedef float V __attribute__((vector_size(16)));

#if defined(__aarch64__)
constexpr bool fused = true;

inline V quotient(const V& a, float length, float inverse) {
    const float32x4_t y = vdupq_n_f32(inverse);
    const float32x4_t q = vmulq_f32(a, y);
    return vfmaq_f32(q, vfmsq_f32(a, q, vdupq_n_f32(length)), y);
}
#else
constexpr bool fused = false;

inline V quotient(const V& a, float length, float) { return a / length; }
#endif

inline float parts_of(const std::uint8_t* pixel) {
    return static_cast<float>(299 * pixel[0] + 587 * pixel[1] + 114 * pixel[2]);
}

inline V luma_rgb(const std::uint8_t* from) {
    const V parts = {parts_of(from), parts_of(from + 3), parts_of(from + 6), parts_of(from + 9)};
    return quotient(parts, most_luma_parts, luma_part);
}

inline V luma_grey(const std::uint8_t* from) {
    return V{static_cast<float>(from[0]), static_cast<float>(from[1]), static_cast<float>(from[2]),
             static_cast<float>(from[3])};
}

inline void turn(V (&rows)[lanes]) {
    const V a = __builtin_shufflevector(rows[0], rows[1], 0, 4, 1, 5);
    const V b = __builtin_shufflevector(rows[0], rows[1], 2, 6, 3, 7);
    const V c = __builtin_shufflevector(rows[2], rows[3], 0, 4, 1, 5);
    const V d = __builtin_shufflevector(rows[2], rows[3], 2, 6, 3, 7);
    rows[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
    rows[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
    rows[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
    rows[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}

#include "pdq_exact_band.inc"
#undef EXACT_TARGET

}  // namespace plain
}  // namespace

BandCode band_code(Isa isa) {
#if defined(__x86_64__)
    if (isa == Isa::avx512) return {avx512::lanes, true, avx512::run_band};
    if (isa == Isa::avx2 && has_fma()) return {avx2::lanes, true, avx2::run_band};
#endif
    (void)isa;
    return {plain::lanes, plain::fused, plain::run_band};
}

}  // namespace safelight
