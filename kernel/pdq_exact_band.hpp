// One band of rows through the reference's filter, in the vectors of each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu.hpp"
#include "pdq_plan.hpp"

namespace safelight {

constexpr int most_lanes = 16;

// How many pixels lie under a box. Where its mean is not wanted (outside of the picture) the
// length is infinite, or the inverse zero, so that the mean is zero.
struct ExactLength {
    float length;
    float inverse;  // 1 / length, rounded
};

// Where one of the 64 points is known, and the pixels under the box there.
struct ExactPoint {
    int step;
    float length;
};

// What stays the same from band to band. A step is a column of luma; the means of the first box
// are known `box_right` steps later, those of the second one twice that.
struct ExactWork {
    int channels;
    std::ptrdiff_t row_bytes;
    int window;
    int steps;      // a multiple of the lanes
    int ring_mask;  // the rings hold ring_mask + 1 steps of a band: a power of two
    const ExactLength* lengths;  // by step
    const ExactPoint* points;    // 64
    float* first_ring;           // zero at the start of a band, as is the other
    float* second_ring;
    float* sums;   // of the columns, by step
    float* means;  // out: 64 points, each of `lanes` rows
};

struct ExactBand {
    const std::uint8_t* rows[most_lanes];  // pixels; zeros below the picture
    float* kept[most_lanes];               // by step: the row leaving the window, then the new one
    ExactLength lengths[most_lanes];       // of the boxes down the columns
};

struct BandCode {
    int lanes;   // rows in a band
    bool fused;  // means outside of the picture need a zero inverse, and not an infinite length
    void (*run)(const ExactWork&, const ExactBand&);
};

// Throws nothing; the caller has checked that the processor has `isa`.
BandCode band_code(Isa isa);

}  // namespace safelight
