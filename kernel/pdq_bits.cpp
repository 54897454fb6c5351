#include "pdq_bits.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

namespace safelight {
namespace {

constexpr int side = 16;
constexpr float deviations = 24;
constexpr float step_deviations = 10;
constexpr float own_share = 4e-6F;     // of a coefficient's own size
constexpr float own_rounding = 1e-4F;  // of our own sums in float, and of the transform's
constexpr float photo_spread = 12;     // of photographs' coefficients, with few exceptions

using Row = std::array<float, pdq_points>;

struct CosineTable {
    std::array<std::array<float, pdq_points>, side> by_frequency;
    std::array<std::array<float, side>, pdq_points> by_point;
};

// Frequencies 1 to 16; the reference keeps the scale in float and the rest in double.
CosineTable make_cosine_table() {
    CosineTable table;
    const float scale = static_cast<float>(std::sqrt(2.0 / pdq_points));
    for (int i = 0; i < side; ++i) {
        for (int j = 0; j < pdq_points; ++j) {
            const double angle = std::numbers::pi / 2.0 / pdq_points * (i + 1) * (2 * j + 1);
            const auto value = static_cast<float>(double{scale} * std::cos(angle));
            table.by_frequency[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] = value;
            table.by_point[static_cast<std::size_t>(j)][static_cast<std::size_t>(i)] = value;
        }
    }
    return table;
}

// out[0 … 15] = the sum over k of weights[k] × rows[k × stride …], in the order of k.
void weighted_sum(const float* rows, std::size_t stride, const Row& weights, float* out) {
    float sums[side] = {};
    for (std::size_t k = 0; k < pdq_points; ++k) {
        const float* __restrict row = rows + k * stride;
        for (std::size_t j = 0; j < side; ++j) sums[j] += weights[k] * row[j];
    }
    std::copy(sums, sums + side, out);
}

// The signs that turning or mirroring changes: of even columns, of even rows, or of every second
// coefficient like the black squares of a board.
enum Turns { none, columns, rows, both };

struct Family {
    Turns turns;
    int straight;    // the orientation with these signs
    int transposed;  // the one with these signs whose rows and columns are then exchanged
};

constexpr std::array<Family, 4> families = {{
    {none, 0, 6},
    {columns, 5, 1},
    {both, 2, 7},
    {rows, 4, 3},
}};

bool is_turned(Turns turns, int row, int column) {
    switch (turns) {
        case columns: return column % 2 == 0;
        case rows: return row % 2 == 0;
        case both: return (row + column) % 2 == 1;
        case none: break;
    }
    return false;
}

Coefficients with_signs(const Coefficients& coefficients, Turns turns) {
    Coefficients out;
    for (int k = 0; k < side * side; ++k) {
        const float value = coefficients[static_cast<std::size_t>(k)];
        out[static_cast<std::size_t>(k)] = is_turned(turns, k / side, k % side) ? -value : value;
    }
    return out;
}

// Integers in the order of the floats, so that comparing them is cheap.
std::array<std::int32_t, 256> ordered_keys(const Coefficients& values) {
    std::array<std::int32_t, 256> keys;
    for (std::size_t k = 0; k < values.size(); ++k) {
        const auto bits = std::bit_cast<std::int32_t>(values[k] + 0.0F);  // -0 becomes 0
        keys[k] = bits ^ ((bits >> 31) & 0x7fffffff);
    }
    return keys;
}

float value_of_key(std::int32_t key) {
    return std::bit_cast<float>(key ^ ((key >> 31) & 0x7fffffff));
}

int count_below(const std::array<std::int32_t, 256>& keys, std::int32_t bound) {
    int count = 0;
    for (const std::int32_t key : keys) count += key < bound ? 1 : 0;
    return count;
}

// The 128th smallest value: the bits of its key are found from the top, each by counting.
float middle_of(const Coefficients& values) {
    const auto keys = ordered_keys(values);
    std::uint32_t found = 0;  // offset by 2³¹, so that bits can be set from the top
    for (std::uint32_t bit = 0x80000000U; bit != 0; bit >>= 1) {
        const auto bound = static_cast<std::int32_t>((found | bit) ^ 0x80000000U);
        if (count_below(keys, bound) < 128) found |= bit;
    }
    return value_of_key(static_cast<std::int32_t>(found ^ 0x80000000U));
}

// Whether exactly half of the values are above the middle, and no two doubts meet across it.
bool is_clear_cut(const Coefficients& values, float middle, const Coefficients& doubts) {
    float highest_below = -std::numeric_limits<float>::infinity();
    float lowest_above = std::numeric_limits<float>::infinity();
    int above = 0;
    for (std::size_t k = 0; k < values.size(); ++k) {
        const bool is_above = values[k] > middle;
        const float doubt = doubts[k] + own_share * std::fabs(values[k]);
        above += is_above ? 1 : 0;
        highest_below = std::max(highest_below, is_above ? highest_below : values[k] + doubt);
        lowest_above = std::min(lowest_above, is_above ? values[k] - doubt : lowest_above);
    }
    return above == 128 && highest_below < lowest_above;
}

void set_bit(PdqHash& hash, int row, int column) {
    const int place = 255 - (row * side + column);
    hash[static_cast<std::size_t>(place / 8)] |= static_cast<std::uint8_t>(0x80 >> (place % 8));
}

// Sets the bits of both orientations of a family; returns whether they are sure.
bool hash_family(const Coefficients& coefficients, const Family& family,
                 const Coefficients& doubts, Hashes& out) {
    const Coefficients values = with_signs(coefficients, family.turns);
    const float middle = middle_of(values);
    PdqHash& straight = out.dihedral[static_cast<std::size_t>(family.straight)];
    PdqHash& transposed = out.dihedral[static_cast<std::size_t>(family.transposed)];
    for (int k = 0; k < side * side; ++k) {
        if (values[static_cast<std::size_t>(k)] <= middle) continue;
        set_bit(straight, k / side, k % side);
        set_bit(transposed, k % side, k / side);
    }
    return is_clear_cut(values, middle, doubts);
}

// How far half of the coefficients are from their median; above zero.
float spread_of(const Coefficients& coefficients) {
    const float middle = middle_of(coefficients);
    Coefficients away;
    for (std::size_t k = 0; k < away.size(); ++k) away[k] = std::fabs(coefficients[k] - middle);
    return std::max(1e-6F, middle_of(away));
}

// The mean square of the unit in the last place of window × luma.
float mean_square_unit(const Plane64& plane, float window) {
    std::array<float, pdq_points> sums{};
    for (std::size_t i = 0; i < plane.size(); i += pdq_points) {
        for (std::size_t j = 0; j < pdq_points; ++j) {
            const auto bits = std::bit_cast<std::uint32_t>(window * plane[i + j]);
            const float unit = std::bit_cast<float>(bits & 0x7f800000U) * 0x1p-23F;
            sums[j] += unit * unit;
        }
    }
    float sum = 0;
    for (const float one : sums) sum += one;
    return sum / static_cast<float>(plane.size());
}

// A of the derivation: the variance that a box along `size` pixels gives to frequency 1.
float walk_of(const Plane64& plane, int size) {
    constexpr float weight = pdq_points / (6 * std::numbers::pi_v<float> * std::numbers::pi_v<float>);
    const auto window = static_cast<float>(box_window(size));
    return weight * static_cast<float>(size) * mean_square_unit(plane, window) / (window * window);
}

// The deviation of a step in percent of the full range, from the sum of both walks' A: the whole
// walk has the variance A π²/64, a difference of two of them twice that.
float step_deviation(float walks) {
    constexpr float share = 2 * std::numbers::pi_v<float> * std::numbers::pi_v<float> / pdq_points;
    return std::sqrt(share * walks) * 100 / 255;
}

struct StepSums {
    int lowest = 0;
    int highest = 0;

    // Adds the steps from a[i] to b[i], each in percent of the full range, in the reference's
    // arithmetic, and cut to a whole number.
    void add(const float* a, const float* b, int count, float doubt) {
        for (int i = 0; i < count; ++i) {
            const float size = std::fabs(((a[i] - b[i]) * 100) / 255);
            lowest += static_cast<int>(std::max(0.0F, size - doubt));
            highest += static_cast<int>(size + doubt);
        }
    }
};

}  // namespace

Coefficients low_frequencies(const Plane64& plane) {
    static const CosineTable table = make_cosine_table();
    Coefficients out{};
    for (std::size_t i = 0; i < side; ++i) {
        Row down;
        for (std::size_t j = 0; j < pdq_points; j += side) {
            weighted_sum(plane.data() + j, pdq_points, table.by_frequency[i], down.data() + j);
        }
        weighted_sum(table.by_point[0].data(), side, down, out.data() + i * side);
    }
    return out;
}

Doubts doubts_of(const Plane64& plane, const Coefficients& coefficients, int height, int width) {
    const float tall = static_cast<float>(box_window(height));
    const float wide = static_cast<float>(box_window(width));
    const float down = walk_of(plane, height) * (1 + 1 / wide);
    const float across = walk_of(plane, width) * 2 / tall;
    const float repeats = std::max(1.0F, photo_spread / spread_of(coefficients));
    Doubts doubts{{}, own_rounding + repeats * step_deviations * step_deviation(down + across)};
    for (int k = 0; k < side * side; ++k) {
        const auto row = static_cast<float>(k / side + 1);
        const auto column = static_cast<float>(k % side + 1);
        doubts.coefficients[static_cast<std::size_t>(k)] =
            own_rounding +
            repeats * deviations * std::sqrt(down / (row * row) + across / (column * column));
    }
    return doubts;
}

Hashes hash_bits(const Coefficients& coefficients, const Doubts& doubts) {
    Hashes out{{}, true};
    for (const Family& family : families) {
        const bool sure = hash_family(coefficients, family, doubts.coefficients, out);
        out.sure = out.sure && sure;
    }
    return out;
}

Quality quality_of(const Plane64& plane, float step_doubt) {
    StepSums sums;
    for (std::size_t i = 0; i < pdq_points; ++i) {
        const float* row = plane.data() + i * pdq_points;
        sums.add(row, row + 1, pdq_points - 1, step_doubt);
        if (i + 1 < pdq_points) sums.add(row, row + pdq_points, pdq_points, step_doubt);
    }
    return {std::min(100, sums.lowest / 90), std::min(100, sums.highest / 90)};
}

}  // namespace safelight
