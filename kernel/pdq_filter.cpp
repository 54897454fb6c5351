#include "pdq_filter.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cpu.hpp"

// The loops below are written so that the compiler turns them into vector code. They are compiled
// once for every instruction set: the bodies are inlined into functions that carry a target.
#define SAFELIGHT_INLINE inline __attribute__((always_inline))

namespace safelight {
namespace {

// A strip of a row that is summed while it stays in the nearest cache.
constexpr int strip = 4096;
// 257 × 255 is the largest sum that 16 bits hold.
constexpr float most_weight = 257;
constexpr int cache_line = 64;
constexpr int rows_ahead = 8;

struct Strip {
    const std::uint8_t* pixels;  // of the tent's first row
    std::ptrdiff_t stride;       // from row to row
    int length;
};

using Sums = std::uint16_t;

// Asks for the line of pixels that is needed `rows_ahead` rows later; a hint, never a read.
SAFELIGHT_INLINE void ask_for(const std::uint8_t* row, std::ptrdiff_t stride) {
    const auto address = reinterpret_cast<std::uintptr_t>(row);
    __builtin_prefetch(reinterpret_cast<const void*>(
        address + static_cast<std::uintptr_t>(rows_ahead * stride)));
}

// sums[x] += four rows by their weights, for `count` pixels.
SAFELIGHT_INLINE void add_four(const std::uint8_t* __restrict row, std::ptrdiff_t stride,
                               const Sums (&weights)[4], int count, Sums* __restrict sums) {
    for (int x = 0; x < count; ++x) {
        sums[x] = static_cast<Sums>(sums[x] + row[x] * weights[0] + row[x + stride] * weights[1] +
                                    row[x + 2 * stride] * weights[2] +
                                    row[x + 3 * stride] * weights[3]);
    }
}

// Four rows of a strip. The processor does not foresee the jump from one row's strip to the next
// row's, so we ask for the lines ahead: from main memory that is twice as fast.
SAFELIGHT_INLINE void add_four_rows(const Strip& from, const float* weights,
                                    Sums* __restrict sums) {
    const Sums whole[4] = {static_cast<Sums>(weights[0]), static_cast<Sums>(weights[1]),
                           static_cast<Sums>(weights[2]), static_cast<Sums>(weights[3])};
    int x = 0;
    for (; x + cache_line <= from.length; x += cache_line) {
        for (int i = 0; i < 4; ++i) ask_for(from.pixels + i * from.stride + x, from.stride);
        add_four(from.pixels + x, from.stride, whole, cache_line, sums + x);
    }
    add_four(from.pixels + x, from.stride, whole, from.length - x, sums + x);
}

// out[x] += the sum of `count` rows by their weights, which together are at most `most_weight`.
SAFELIGHT_INLINE void add_whole_rows(const Strip& from, const float* weights, int count,
                                     float* __restrict out) {
    alignas(64) Sums sums[strip] = {};
    Strip rest = from;
    int i = 0;
    for (; i + 4 <= count; i += 4, rest.pixels += 4 * rest.stride) {
        add_four_rows(rest, weights + i, sums);
    }
    for (; i < count; ++i, rest.pixels += rest.stride) {
        const auto weight = static_cast<Sums>(weights[i]);
        const std::uint8_t* __restrict row = rest.pixels;
        for (int x = 0; x < from.length; ++x) {
            sums[x] = static_cast<Sums>(sums[x] + row[x] * weight);
        }
    }
    for (int x = 0; x < from.length; ++x) out[x] += static_cast<float>(sums[x]);
}

SAFELIGHT_INLINE void add_rows(const Strip& from, const float* weights, int count,
                               float* __restrict out) {
    for (int i = 0; i < count; ++i) {
        const std::uint8_t* __restrict row = from.pixels + i * from.stride;
        const float weight = weights[i];
        for (int x = 0; x < from.length; ++x) out[x] += static_cast<float>(row[x]) * weight;
    }
}

// How many of the next rows 16 bits can hold together; 0 when not even one fits.
SAFELIGHT_INLINE int rows_that_fit(const float* weights, int count) {
    float sum = 0;
    int rows = 0;
    while (rows < count && sum + weights[rows] <= most_weight) sum += weights[rows++];
    return rows;
}

// One tent down the rows, over one strip. Whole sums below 2²⁴ are exact in float, so it does not
// matter to the bits where the 16-bit groups end.
SAFELIGHT_INLINE void add_tent(Strip from, const Tent& tent, const float* weights,
                               float* __restrict out) {
    std::memset(out, 0, sizeof(float) * static_cast<std::size_t>(from.length));
    int done = 0;
    while (done < tent.count) {
        const int fit = tent.whole ? rows_that_fit(weights + done, tent.count - done) : 0;
        const int rows = fit > 0 ? fit : 1;
        if (fit > 0) {
            add_whole_rows(from, weights + done, rows, out);
        } else {
            add_rows(from, weights + done, rows, out);
        }
        from.pixels += rows * from.stride;
        done += rows;
    }
}

typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));

SAFELIGHT_INLINE Four load(const float* from) {
    Four out;
    std::memcpy(&out, from, sizeof(out));
    return out;
}

// A dot product as `lanes` partial sums, the upper half of them added to the lower.
SAFELIGHT_INLINE Four four_sums(const float* line, const float* weights, int count) {
    Four low{};
    Four high{};
    for (int i = 0; i < count; i += lanes) {
        low += load(line + i) * load(weights + i);
        high += load(line + i + 4) * load(weights + i + 4);
    }
    return low + high;
}

// The tents along one line, four at a time: their partial sums are turned over and added, always
// in the same order.
SAFELIGHT_INLINE void sum_across(const float* line, const Plan& columns, float unit,
                                 float* __restrict out) {
    for (std::size_t i = 0; i < columns.tents.size(); i += 4) {
        Four sums[4];
        for (std::size_t k = 0; k < 4; ++k) {
            const Tent& tent = columns.tents[i + k];
            const float* weights = columns.weights.data() + tent.weights;
            sums[k] = four_sums(line + tent.first, weights, tent.count);
        }
        const Four a = __builtin_shufflevector(sums[0], sums[1], 0, 4, 1, 5);
        const Four b = __builtin_shufflevector(sums[0], sums[1], 2, 6, 3, 7);
        const Four c = __builtin_shufflevector(sums[2], sums[3], 0, 4, 1, 5);
        const Four d = __builtin_shufflevector(sums[2], sums[3], 2, 6, 3, 7);
        const Four first = __builtin_shufflevector(a, c, 0, 1, 4, 5);
        const Four second = __builtin_shufflevector(a, c, 2, 3, 6, 7);
        const Four third = __builtin_shufflevector(b, d, 0, 1, 4, 5);
        const Four fourth = __builtin_shufflevector(b, d, 2, 3, 6, 7);
        const Four all = ((first + third) + (second + fourth)) * unit;
        std::memcpy(out + i, &all, sizeof(all));
    }
}

SAFELIGHT_INLINE void filter_all(const Plane& plane, const Plan& rows, const Plan& columns,
                                 float* __restrict line, float* __restrict out) {
    const float unit = rows.unit * columns.unit;
    for (const Tent& down : rows.tents) {
        const float* weights = rows.weights.data() + down.weights;
        for (int x = 0; x < plane.row_bytes(); x += strip) {
            const Strip from{plane.row(down.first) + x, plane.row_bytes(),
                             std::min(strip, plane.row_bytes() - x)};
            add_tent(from, down, weights, line + x);
        }
        sum_across(line, columns, unit, out);
        out += pdq_points;
    }
}

using Filter = void (*)(const Plane&, const Plan&, const Plan&, float*, float*);

void filter_plain(const Plane& plane, const Plan& rows, const Plan& columns, float* line,
                  float* out) {
    filter_all(plane, rows, columns, line, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void filter_avx2(const Plane& plane, const Plan& rows,
                                                 const Plan& columns, float* line, float* out) {
    filter_all(plane, rows, columns, line, out);
}
#endif

Filter choose_filter() {
    switch (active_isa()) {
#if defined(__x86_64__)
        case Isa::avx2:
        case Isa::avx512: return filter_avx2;  // bound by memory: wider registers win nothing
#endif
        default: return filter_plain;  // on aarch64 plain code is NEON code
    }
}

}  // namespace

Plane64 filter_plane(const Plane& plane, const Plan& rows, const Plan& columns) {
    static const Filter filter = choose_filter();
    std::vector<float> line(static_cast<std::size_t>(plane.row_bytes()) + lanes);
    Plane64 out;
    filter(plane, rows, columns, line.data(), out.data());
    return out;
}

}  // namespace safelight
