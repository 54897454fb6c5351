// From 64 × 64 values of luma to hash bits and quality, and how sure they are.
#pragma once

#include "pdq_filter.hpp"

namespace safelight {

using Coefficients = std::array<float, 256>;  // 16 × 16, by rows

// The low frequencies 1 to 16 of a discrete cosine transform, summed in the reference's order.
Coefficients low_frequencies(const Plane64& plane);

struct Hashes {
    std::array<PdqHash, 8> dihedral;
    // Whether no bit would change if every coefficient moved by as much as the reference's rounding
    // errors are trusted to reach.
    bool sure;
};

// A bit is 1 where the coefficient is above the 128th smallest. Turning or mirroring a picture
// only changes signs and exchanges rows and columns, so one transform serves all eight.
Hashes hash_bits(const Coefficients& coefficients);

struct Quality {
    int lowest;
    int highest;
};

// How much the picture changes from point to point, 0 to 100. The steps are rounded to whole
// percents; `slack` percent either way gives the lowest and the highest quality possible.
Quality quality_of(const Plane64& plane, float slack);

}  // namespace safelight
