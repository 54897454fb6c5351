// PDQ: a 256-bit perceptual hash of a picture, in its eight orientations, with a quality.
//
// The reference is the Python package `pdqhash`, which filters at full resolution. On the same
// bytes `pdq_of` gives the same bits and the same quality. How: a fast path evaluates only what the
// hash needs; where its answer is closer to a decision than the reference's own rounding errors
// reach, a slow path repeats the reference's arithmetic in the reference's order (pdq_exact.hpp).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace safelight {

// Rows of `width` pixels without gaps, `channels` bytes each: 3 (red, green, blue) or 1 (grey).
struct Plane {
    const std::uint8_t* pixels;
    int height;
    int width;
    int channels;

    const std::uint8_t* row(int y) const {
        return pixels + static_cast<std::size_t>(y) * static_cast<std::size_t>(row_bytes());
    }
    int row_bytes() const { return width * channels; }
};

using PdqHash = std::array<std::uint8_t, 32>;  // bit 255 first, as hexadecimal text has it

struct Pdq {
    // identity, a quarter turn counter-clockwise, a half turn, three quarters, top and bottom
    // exchanged, left and right exchanged, transposed, transposed along the other diagonal
    std::array<PdqHash, 8> dihedral{};
    int quality = 0;          // 0 to 100
    bool recomputed = false;  // whether the slow path was needed
};

// Both sides of a picture must be this long, or its hash and its quality are zero.
constexpr int pdq_smallest_side = 5;
constexpr int pdq_largest_side = 1 << 22;

// The PDQ of a full-size picture; a grey one hashes as its expansion to r = g = b does.
// Throws std::invalid_argument when a size is out of range.
Pdq pdq_of(const Plane& plane);

// The PDQ of a picture of `full_height` × `full_width` pixels from its grey plane scaled by
// eighths/8 (1, 2, 4 or 8): every sample stands for a block of 8/eighths pixels, and the
// full-resolution filter is summed over the blocks. An approximation, within a few bits.
// Throws std::invalid_argument when the plane's size is not the full size scaled and rounded up.
Pdq pdq_of_scaled(const Plane& grey, int full_height, int full_width, int eighths);

}  // namespace safelight
