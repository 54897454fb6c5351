#include "pdq.hpp"

#include <stdexcept>
#include <string>

#include "pdq_bits.hpp"
#include "pdq_exact.hpp"
#include "pdq_filter.hpp"

namespace safelight {
namespace {

void check_side(const char* name, int side) {
    if (side < 1 || side > pdq_largest_side) {
        throw std::invalid_argument(std::string(name) + " is " + std::to_string(side) +
                                    " pixels; it must be 1 to " + std::to_string(pdq_largest_side));
    }
}

void check_plane(const Plane& plane) {
    check_side("height", plane.height);
    check_side("width", plane.width);
    if (plane.channels != 1 && plane.channels != 3) {
        throw std::invalid_argument("a plane has 1 or 3 channels, not " +
                                    std::to_string(plane.channels));
    }
}

bool is_too_small(int height, int width) {
    return height < pdq_smallest_side || width < pdq_smallest_side;
}

Plane64 fast_plane(const Plane& plane) {
    const Plan columns = make_plan(plane.width, 1);
    return filter_plane(plane, make_plan(plane.height, 1),
                        plane.channels == 3 ? plan_for_rgb(columns) : columns);
}

// The hash and the quality of these very values.
Pdq as_they_are(const Plane64& plane) {
    return {hash_bits(low_frequencies(plane), {}).dihedral, quality_of(plane, 0).lowest, false};
}

Pdq pdq_by_reference(const Plane& plane) {
    Pdq out = as_they_are(exact_plane(plane));
    out.recomputed = true;
    if (plane.height == pdq_points && plane.width == pdq_points) {
        // The reference filters this size for its turned hashes, and not for the upright one.
        const Pdq upright = as_they_are(unfiltered_plane(plane));
        out.dihedral[0] = upright.dihedral[0];
        out.quality = upright.quality;
    }
    return out;
}

}  // namespace

Pdq pdq_of(const Plane& plane) {
    check_plane(plane);
    if (is_too_small(plane.height, plane.width)) return {};
    const Plane64 filtered = fast_plane(plane);
    const Coefficients coefficients = low_frequencies(filtered);
    const Doubts doubts = doubts_of(filtered, coefficients, plane.height, plane.width);
    const Hashes hashes = hash_bits(coefficients, doubts);
    const Quality quality = quality_of(filtered, doubts.step);
    if (!hashes.sure || quality.lowest != quality.highest) {
        return pdq_by_reference(plane);
    }
    return {hashes.dihedral, quality.lowest, false};
}

Pdq pdq_of_scaled(const Plane& grey, int full_height, int full_width, int eighths) {
    check_plane(grey);
    check_side("full height", full_height);
    check_side("full width", full_width);
    if (eighths != 1 && eighths != 2 && eighths != 4 && eighths != 8) {
        throw std::invalid_argument("eighths is " + std::to_string(eighths) +
                                    "; it must be 1, 2, 4 or 8");
    }
    const int block = 8 / eighths;
    const int height = (full_height + block - 1) / block;
    const int width = (full_width + block - 1) / block;
    if (grey.channels != 1 || grey.height != height || grey.width != width) {
        throw std::invalid_argument("the scaled plane must be " + std::to_string(height) +
                                    " rows by " + std::to_string(width) + " columns of grey");
    }
    if (eighths == 8) return pdq_of(grey);
    if (is_too_small(full_height, full_width)) return {};
    return as_they_are(
        filter_plane(grey, make_plan(full_height, block), make_plan(full_width, block)));
}

}  // namespace safelight
