// The reference itself is a Python package: bit for bit equality with it is tested in Python. Here:
// every size and edge under the sanitizers, and the two paths against each other.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "cpu.hpp"
#include "pdq.hpp"
#include "pdq_bits.hpp"
#include "pdq_exact.hpp"
#include "pdq_filter.hpp"
#include "pdq_plan.hpp"

using namespace safelight;

namespace {

struct Size {
    int height;
    int width;
};

// One pixel of box, two, three; sides short of the points; longer than 16 bits can sum.
constexpr Size sizes[] = {{5, 5},     {5, 300},  {300, 5},  {63, 65},    {64, 64},   {128, 129},
                          {129, 128}, {257, 97}, {301, 487}, {32897, 7}, {7, 32897}, {8193, 17}};

// Exactly as long as the picture, so that the sanitizer sees a read beyond it.
std::vector<std::uint8_t> noise(Size size, int channels) {
    std::mt19937 random(static_cast<unsigned>(size.height * 7919 + size.width));
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(size.height * size.width * channels));
    for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(random());
    return pixels;
}

Plane plane_of(const std::vector<std::uint8_t>& pixels, Size size, int channels) {
    return {pixels.data(), size.height, size.width, channels};
}

Plane64 fast_plane(const Plane& plane) {
    const Plan columns = make_plan(plane.width, 1);
    return filter_plane(plane, make_plan(plane.height, 1),
                        plane.channels == 3 ? plan_for_rgb(columns) : columns);
}

Plane64 even_plane(float luma) {
    Plane64 plane;
    plane.fill(luma);
    return plane;
}

// Values of which half are within `spread` of their median.
Coefficients spread_values(float spread) {
    Coefficients values;
    for (int k = 0; k < 256; ++k) values[static_cast<std::size_t>(k)] = spread * static_cast<float>(k - 127) / 64;
    return values;
}

float largest_difference(const Plane64& a, const Plane64& b) {
    float largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::fabs(a[i] - b[i]));
    return largest;
}

int bits_apart(const PdqHash& a, const PdqHash& b) {
    int bits = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        bits += std::popcount(static_cast<unsigned>(a[i] ^ b[i]));
    }
    return bits;
}

}  // namespace

TEST("plain code runs everywhere") {
    CHECK(isa_supported(Isa::plain));
    CHECK(isa_supported(active_isa()));
}

TEST("instruction sets have the names that the variable takes") {
    CHECK(isa_name(Isa::plain) == "plain");
    CHECK(isa_name(Isa::avx2) == "avx2");
    CHECK(isa_name(Isa::avx512) == "avx512");
    CHECK(isa_name(Isa::neon) == "neon");
}

TEST("the box is 1/128 of a side, rounded up, and reaches further to the right") {
    CHECK(box_window(5) == 1);
    CHECK(box_window(128) == 1);
    CHECK(box_window(129) == 2);
    CHECK(box_window(8192) == 64);
    CHECK(box_right(2) == 1 && box_left(2) == 0);
    CHECK(box_right(7) == 3 && box_left(7) == 3);
    CHECK(box_right(8) == 4 && box_left(8) == 3);
}

TEST("a tent in the middle has weights 1, 2, … window, … 2, 1") {
    const Plan plan = make_plan(512, 1);  // a box of 4
    const Tent& tent = plan.tents[32];
    const float wanted[] = {1, 2, 3, 4, 3, 2, 1};
    CHECK(tent.whole && tent.count == 7);
    CHECK(std::equal(wanted, wanted + 7, plan.weights.begin() + static_cast<long>(tent.weights)));
}

TEST("the weights of every tent sum to one, at every block") {
    for (const int size : {5, 63, 64, 127, 129, 1000, 8193, 40000}) {
        for (const int block : {1, 2, 4, 8}) {
            const Plan plan = make_plan(size, block);
            for (const Tent& tent : plan.tents) {
                double sum = 0;
                for (int i = 0; i < tent.count; ++i) {
                    sum += plan.weights[tent.weights + static_cast<std::size_t>(i)];
                }
                CHECK(std::fabs(sum * plan.unit - 1) < 1e-5);
                CHECK(tent.first >= 0 && tent.first + tent.count <= (size + block - 1) / block);
            }
        }
    }
}

TEST("the fast filter gives what the exact filter gives, but for rounding") {
    for (const Size size : sizes) {
        for (const int channels : {1, 3}) {
            const auto pixels = noise(size, channels);
            const Plane plane = plane_of(pixels, size, channels);
            CHECK(largest_difference(fast_plane(plane), exact_plane(plane)) < 0.02F);
        }
    }
}

TEST("white and black pictures neither overflow nor have a quality") {
    for (const Size size : sizes) {
        for (const int value : {0, 255}) {
            const std::vector<std::uint8_t> pixels(
                static_cast<std::size_t>(size.height * size.width * 3),
                static_cast<std::uint8_t>(value));
            const Plane64 plane = fast_plane(plane_of(pixels, size, 3));
            for (const float luma : plane) CHECK(std::fabs(luma - static_cast<float>(value)) < 0.01F);
            CHECK(pdq_of(plane_of(pixels, size, 3)).quality == 0);
        }
    }
}

TEST("a hash has 128 ones") {
    const Size size{301, 487};
    const auto pixels = noise(size, 3);
    const Pdq pdq = pdq_of(plane_of(pixels, size, 3));
    for (const PdqHash& hash : pdq.dihedral) CHECK(bits_apart(hash, PdqHash{}) == 128);
}

TEST("a turned hash is the hash of the turned picture") {
    const Size size{200, 300};
    const auto pixels = noise(size, 1);
    std::vector<std::uint8_t> half_turn(pixels.rbegin(), pixels.rend());
    std::vector<std::uint8_t> upside_down(pixels.size());
    for (int y = 0; y < size.height; ++y) {
        std::copy_n(pixels.begin() + y * size.width, size.width,
                    upside_down.begin() + (size.height - 1 - y) * size.width);
    }
    const Pdq upright = pdq_of(plane_of(pixels, size, 1));
    // The box and the kept pixels are not symmetric: a few bits near the median may differ.
    CHECK(bits_apart(upright.dihedral[2], pdq_of(plane_of(half_turn, size, 1)).dihedral[0]) < 60);
    CHECK(bits_apart(upright.dihedral[4], pdq_of(plane_of(upside_down, size, 1)).dihedral[0]) < 60);
    CHECK(bits_apart(upright.dihedral[0], upright.dihedral[2]) > 90);
}

TEST("a bit is sure when no doubt reaches across the median") {
    const Doubts doubts = doubts_of(even_plane(128), spread_values(20), 100, 100);
    CHECK(!hash_bits(Coefficients{}, doubts).sure);
    Coefficients steps;
    std::mt19937 random(1);
    for (std::size_t i = 0; i < steps.size(); ++i) steps[i] = i < 128 ? -1.0F : 1.0F;
    std::shuffle(steps.begin(), steps.end(), random);
    CHECK(hash_bits(steps, Doubts{}).dihedral[0] != PdqHash{});
    CHECK(!hash_bits(steps, doubts).sure);  // other signs do not leave 128 above
}

TEST("doubt falls with the frequency and grows with the stretch of the picture") {
    const Doubts even = doubts_of(even_plane(128), spread_values(20), 500, 500);
    const Doubts wide = doubts_of(even_plane(128), spread_values(20), 50, 5000);
    CHECK(even.coefficients[255] * 10 < even.coefficients[0]);
    CHECK(wide.coefficients[240] > 3 * even.coefficients[240]);  // low along the rows
    CHECK(wide.step > 2 * even.step);
}

TEST("doubt is the derived number of deviations") {
    // Sides of 8192: windows of 64, sums of 64 × 128 = 2^13, whose unit is 2^-10.
    const Doubts doubts = doubts_of(even_plane(128), spread_values(20), 8192, 8192);
    const double unit = 1.0 / 1024 / 64;
    const double walk = 8192.0 / 64 / 6 * unit * unit * 4096 / (std::numbers::pi * std::numbers::pi);
    const double wanted = std::sqrt(walk * (1 + 1.0 / 64) / 4 + walk * 2 / 64 / 9);
    CHECK(std::fabs(doubts.coefficients[16 + 2] / (24 * wanted + 1e-4) - 1) < 1e-4);
    const double step = std::sqrt(2 * 8192 * 2.0 / 12 * unit * unit * (1 + 3.0 / 64)) * 100 / 255;
    CHECK(std::fabs(doubts.step / (10 * step + 1e-4) - 1) < 1e-4);
}

TEST("a dark picture's doubts are smaller, a black one's no more than our own rounding") {
    const Doubts bright = doubts_of(even_plane(200), spread_values(20), 500, 700);
    const Doubts dark = doubts_of(even_plane(20), spread_values(20), 500, 700);
    const Doubts black = doubts_of(even_plane(0), spread_values(20), 500, 700);
    CHECK(dark.coefficients[0] * 5 < bright.coefficients[0]);
    CHECK(black.coefficients[0] == black.coefficients[255] && black.coefficients[0] > 0);
}

TEST("doubt grows where the coefficients crowd at the median") {
    const Plane64 plane = even_plane(128);
    const Doubts photo = doubts_of(plane, spread_values(20), 900, 900);
    const Doubts other = doubts_of(plane, spread_values(90), 900, 900);
    const Doubts pattern = doubts_of(plane, spread_values(3), 900, 900);
    CHECK(photo.step == other.step);
    CHECK(std::fabs((pattern.step - 1e-4F) / (photo.step - 1e-4F) - 4) < 1e-3);
    for (std::size_t k = 0; k < 256; ++k) {
        CHECK(photo.coefficients[k] == other.coefficients[k]);
        CHECK(pattern.coefficients[k] > 3 * photo.coefficients[k]);
    }
    const Doubts blank = doubts_of(plane, Coefficients{}, 900, 900);
    CHECK(!hash_bits(spread_values(20), blank).sure);
}

TEST("doubt about a step widens the range of the quality") {
    Plane64 plane{};
    // Rows alternate by one percent of the range, to within rounding: each step counts 0 or 1.
    for (std::size_t i = 0; i < plane.size(); ++i) plane[i] = i / pdq_points % 2 == 0 ? 0.0F : 2.55F;
    const Quality quality = quality_of(plane, 1e-3F);
    CHECK(quality.lowest == 0);
    CHECK(quality.highest == 63 * 64 / 90);
}

TEST("a scaled plane of every size is read to its end and no further") {
    for (const Size size : sizes) {
        for (const int eighths : {1, 2, 4, 8}) {
            const int block = 8 / eighths;
            const Size scaled{(size.height + block - 1) / block, (size.width + block - 1) / block};
            const auto pixels = noise(scaled, 1);
            const Pdq pdq = pdq_of_scaled(plane_of(pixels, scaled, 1), size.height, size.width, eighths);
            CHECK(pdq.quality >= 0 && pdq.quality <= 100);
        }
    }
}

TEST("sizes that cannot be are refused") {
    const std::vector<std::uint8_t> pixels(300);
    CHECK_THROWS(pdq_of({pixels.data(), 0, 10, 3}), std::invalid_argument);
    CHECK_THROWS(pdq_of({pixels.data(), 10, pdq_largest_side + 1, 3}), std::invalid_argument);
    CHECK_THROWS(pdq_of({pixels.data(), 10, 10, 2}), std::invalid_argument);
    CHECK_THROWS(pdq_of_scaled({pixels.data(), 10, 10, 1}, 80, 80, 3), std::invalid_argument);
    CHECK_THROWS(pdq_of_scaled({pixels.data(), 10, 10, 1}, 81, 80, 1), std::invalid_argument);
    CHECK_THROWS(pdq_of_scaled({pixels.data(), 10, 10, 3}, 80, 80, 1), std::invalid_argument);
}

TEST("a side below five pixels hashes to zero") {
    const std::vector<std::uint8_t> pixels(4 * 100 * 3, 9);
    const Pdq pdq = pdq_of({pixels.data(), 4, 100, 3});
    CHECK(pdq.quality == 0);
    CHECK(bits_apart(pdq.dihedral[0], PdqHash{}) == 0);
}
