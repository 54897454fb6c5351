// From 64 × 64 values of luma to hash bits and quality, and how sure they are.
#pragma once

#include "pdq_filter.hpp"

namespace safelight {

using Coefficients = std::array<float, 256>;  // 16 × 16, by rows

// The low frequencies 1 to 16 of a discrete cosine transform, summed in the reference's order.
Coefficients low_frequencies(const Plane64& plane);

// How far the reference's values may be from ours. Its box filter keeps running sums in float, and
// each pixel that enters or leaves rounds the sum s by at most half a unit u(s) in its last place,
// of variance u²/12 where the rounding is even. After n pixels the sum is off by a random walk of
// variance 2n u²/12, and the mean under a box of w pixels by that over w². u follows from our own
// plane: s is w times the local mean.
//
// The last box goes down the 64 kept columns. Over the H/64 pixels between two points its walk
// gains the variance v = (H/64)(2/12) u²/w². A cosine of frequency i sums that walk with weights
// whose squares sum to 64²/(π² i²), so the coefficient (i, j) has the variance A/i² with
// A = v 64²/π². The first box down the columns walks as far, but is then averaged over the w of
// the row. The two boxes along the rows give B/j² alike, averaged over the w of the column. In all
//     deviation² = A (1 + 1/w_row) / i² + B (2/w_column) / j².
// Two neighbouring points lie in columns or rows whose walks share nothing; their step is off by
// the difference of two whole walks.
//
// The form is derived; that the roundings are independent is an assumption, and the factors below
// are chosen from measurements. Of 5,200 pictures of 5 to 9,500 pixels a side, photographs erred by
// 11 deviations at most. Constant areas, ramps, stripes and single waves repeat the same rounding:
// large blocks reached 19, stripes 66. Hence 24 deviations; a share of a coefficient's size, since a
// strong wave errs most at its own; and, as the coefficients of plain patterns crowd at the median,
// doubts that grow as the spread falls where half of them are within 12. None of this is a proof:
// 16 deviations covered the 1,343 pictures they were chosen on, and one of the next 723 went beyond
// by a fifth. With 24, the largest error in 508 fresh pictures was 0.9 of its doubt. No hash and no
// quality of these 2,574 differed from the reference's.
struct Doubts {
    Coefficients coefficients;
    float step;  // between two neighbours of the 64 × 64, in percent of the full range
};

// The doubts about a picture of this size, given what our own filter made of it.
Doubts doubts_of(const Plane64& plane, const Coefficients& coefficients, int height, int width);

struct Hashes {
    std::array<PdqHash, 8> dihedral;
    bool sure;  // whether no bit would change if every coefficient moved by its doubt
};

// A bit is 1 where the coefficient is above the 128th smallest. Turning or mirroring a picture
// only changes signs and exchanges rows and columns, so one transform serves all eight.
Hashes hash_bits(const Coefficients& coefficients, const Doubts& doubts);

struct Quality {
    int lowest;
    int highest;
};

// How much the picture changes from point to point, 0 to 100. The steps are rounded to whole
// percents; the doubt about them gives the lowest and the highest quality possible.
Quality quality_of(const Plane64& plane, float step_doubt);

}  // namespace safelight
