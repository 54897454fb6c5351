// The slow path: the reference's own arithmetic, operation by operation, in its order.
//
// The reference keeps running sums in float and so carries rounding errors that depend on the order
// of every addition. Where a hash bit hangs on them, only the same order gives the same bit.
#pragma once

#include "cpu.hpp"
#include "pdq_filter.hpp"

namespace safelight {

// Luma as the reference's Python computes it: double arithmetic, rounded to float.
void luma_row(const std::uint8_t* pixels, int width, int channels, float* out);

// The 64 × 64 values of luma that the reference's filter gives, bit for bit.
Plane64 exact_plane(const Plane& plane);

// The same with one instruction set, which this processor must have; for tests.
Plane64 exact_plane(const Plane& plane, Isa isa);

// The luma of a picture of 64 × 64 pixels; the reference hashes this one without a filter.
Plane64 unfiltered_plane(const Plane& plane);

}  // namespace safelight
