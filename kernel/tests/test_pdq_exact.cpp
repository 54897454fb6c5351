// The slow path against a readable model of the reference's filter, on every instruction set.
#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "check.hpp"
#include "cpu.hpp"
#include "pdq_exact.hpp"
#include "pdq_plan.hpp"

using namespace safelight;

namespace {

constexpr Isa every_isa[] = {Isa::plain, Isa::avx2, Isa::avx512, Isa::neon};

struct Size {
    int height;
    int width;
};

// Around the lanes and the points, windows of one pixel to thousands, tiles with every rest.
constexpr Size sizes[] = {{5, 5},     {5, 6},     {6, 5},     {15, 17},   {16, 16},   {33, 31},
                          {63, 65},   {64, 64},   {65, 63},   {127, 128}, {129, 129}, {128, 257},
                          {385, 130}, {200, 333}, {301, 487}, {2050, 33}, {9, 4097},  {5, 300001},
                          {70001, 5}};

using Rows = std::vector<float>;  // height × width, or its turned copy

// The reference's box along a side: the pixels enter, enter and leave, then leave.
void box_of_model(const float* in, float* out, int size, std::ptrdiff_t stride) {
    const int window = box_window(size);
    const int ahead = box_right(window);
    float sum = 0;
    float length = 0;
    int enters = 0;
    int leaves = 0;
    for (int pixel = -ahead; pixel < size; ++pixel) {
        if (enters < size) {
            sum += in[enters++ * stride];
            length += 1;
        }
        if (pixel + ahead >= window) {
            sum -= in[leaves++ * stride];
            length -= 1;
        }
        if (pixel >= 0) out[pixel * stride] = sum / length;
    }
}

Plane64 plane_of_model(const Plane& plane) {
    const auto count = static_cast<std::size_t>(plane.height) * static_cast<std::size_t>(plane.width);
    Rows rows(count);
    Rows other(count);
    for (int y = 0; y < plane.height; ++y) {
        luma_row(plane.row(y), plane.width, plane.channels, rows.data() + std::ptrdiff_t{y} * plane.width);
    }
    for (int pass = 0; pass < 2; ++pass) {
        for (int y = 0; y < plane.height; ++y) {
            const std::ptrdiff_t at = std::ptrdiff_t{y} * plane.width;
            box_of_model(rows.data() + at, other.data() + at, plane.width, 1);
        }
        for (int x = 0; x < plane.width; ++x) {
            box_of_model(other.data() + x, rows.data() + x, plane.height, plane.width);
        }
    }
    Plane64 out;
    for (int i = 0; i < pdq_points * pdq_points; ++i) {
        const std::ptrdiff_t y = kept_pixel(i / pdq_points, plane.height);
        out[static_cast<std::size_t>(i)] = rows[static_cast<std::size_t>(
            y * plane.width + kept_pixel(i % pdq_points, plane.width))];
    }
    return out;
}

enum class Look { noise, flat, edges };

// Exactly as long as the picture, so that the sanitizer sees a read beyond it. Edges from white to
// black leave sums that are rounding errors alone, some of them below zero.
std::vector<std::uint8_t> picture(Size size, int channels, Look look) {
    std::mt19937 random(static_cast<unsigned>(size.height * 7919 + size.width));
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(size.height) *
                                     static_cast<std::size_t>(size.width * channels));
    for (std::size_t i = 0; i < pixels.size(); ++i) {
        const auto noise = static_cast<std::uint8_t>(random());
        const bool is_black = i / static_cast<std::size_t>(channels) / 11 % 3 != 0;
        pixels[i] = look == Look::noise || (look == Look::edges && !is_black) ? noise
                    : look == Look::flat                                       ? 77
                                                                               : 0;
    }
    return pixels;
}

}  // namespace

TEST("every instruction set's exact filter gives the model's bits") {
    for (const Size size : sizes) {
        for (const int channels : {1, 3}) {
            for (const Look look : {Look::noise, Look::flat, Look::edges}) {
                const auto pixels = picture(size, channels, look);
                const Plane plane{pixels.data(), size.height, size.width, channels};
                const Plane64 wanted = plane_of_model(plane);
                for (const Isa isa : every_isa) {
                    if (isa_supported(isa)) CHECK(exact_plane(plane, isa) == wanted);
                }
            }
        }
    }
}

TEST("a thousandth of the whole luma is the reference's luma, for all colours") {
    std::vector<std::uint8_t> row(256 * 3);
    std::vector<float> luma(256);
    int wrong = 0;
    for (int red_green = 0; red_green < 256 * 256; ++red_green) {
        const int red = red_green / 256;
        const int green = red_green % 256;
        for (int blue = 0; blue < 256; ++blue) {
            std::uint8_t* pixel = row.data() + blue * 3;
            pixel[0] = static_cast<std::uint8_t>(red);
            pixel[1] = static_cast<std::uint8_t>(green);
            pixel[2] = static_cast<std::uint8_t>(blue);
        }
        luma_row(row.data(), 256, 3, luma.data());
        for (int blue = 0; blue < 256; ++blue) {
            const auto parts = static_cast<float>(299 * red + 587 * green + 114 * blue);
            wrong += luma[static_cast<std::size_t>(blue)] == parts / 1000.0F ? 0 : 1;
        }
    }
    CHECK(wrong == 0);
}

// Between black pixels, and under a box of one pixel, a filtered pixel is its own luma.
TEST("every instruction set's luma is the reference's, for every whole luma there is") {
    std::vector<std::uint32_t> colours(255001, 0xffffffff);
    for (std::uint32_t colour = 0; colour < 1 << 24; ++colour) {
        colours[(colour >> 16) * 299 + (colour >> 8 & 255) * 587 + (colour & 255) * 114] = colour;
    }
    std::erase(colours, 0xffffffff);
    constexpr int side = pdq_points;
    constexpr std::size_t each = side * side / 4;
    for (std::size_t first = 0; first < colours.size(); first += each) {
        std::vector<std::uint8_t> pixels(side * side * 3);
        for (std::size_t i = 0; i < each && first + i < colours.size(); ++i) {
            std::uint8_t* pixel = pixels.data() + (i / 32 * 2 * side + i % 32 * 2) * 3;
            for (int k = 0; k < 3; ++k) {
                pixel[k] = static_cast<std::uint8_t>(colours[first + i] >> (16 - 8 * k));
            }
        }
        const Plane plane{pixels.data(), side, side, 3};
        const Plane64 wanted = unfiltered_plane(plane);
        for (const Isa isa : every_isa) {
            if (isa_supported(isa)) CHECK(exact_plane(plane, isa) == wanted);
        }
    }
}
