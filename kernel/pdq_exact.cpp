#include "pdq_exact.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <vector>

#include "pdq_exact_band.hpp"

namespace safelight {
namespace {

// One box along a side of `size` pixels.
struct Box {
    explicit Box(int side) : size(side), window(box_window(side)) {}

    // The pixels under the box at a pixel; none outside of the side.
    int length(int pixel) const {
        if (pixel < 0 || pixel >= size) return 0;
        return std::min(size - 1, pixel + right()) - std::max(0, pixel - box_left(window)) + 1;
    }
    int right() const { return box_right(window); }

    int size;
    int window;
};

// The length 0 stands for a mean that must become zero; see ExactLength.
ExactLength exact_length(int length, bool fused) {
    if (length == 0) return {fused ? 1.0F : std::numeric_limits<float>::infinity(), 0.0F};
    return {static_cast<float>(length), 1.0F / static_cast<float>(length)};
}

// Floats at the start of a cache line.
class Floats {
public:
    explicit Floats(std::size_t count) : lines_((count + per_line - 1) / per_line) {}
    float* data() { return lines_.data()->values; }
    void clear() { std::fill(lines_.begin(), lines_.end(), Line{}); }

private:
    static constexpr std::size_t per_line = 16;
    struct alignas(64) Line {
        float values[per_line];
    };
    std::vector<Line> lines_;
};

// The last of the four boxes: down the 64 columns that are kept, of which it keeps 64 rows.
class LastBox {
public:
    explicit LastBox(int height)
        : box_(height), kept_(static_cast<std::size_t>(box_.window) * pdq_points) {}

    void push(const std::array<float, pdq_points>& row) {
        float* __restrict oldest = kept_.data() + (taken_ % box_.window) * pdq_points;
        for (std::size_t i = 0; i < pdq_points; ++i) {
            sums_[i] = (sums_[i] + row[i]) - oldest[i];
            oldest[i] = row[i];
        }
        give(taken_++ - box_.right());
    }

    // The points of the last rows, whose box reaches below the picture.
    const Plane64& finish() {
        for (int i = 0; i < box_.right(); ++i) push({});
        return out_;
    }

private:
    void give(int pixel) {
        for (; point_ < pdq_points && kept_pixel(point_, box_.size) == pixel; ++point_) {
            const auto length = static_cast<float>(box_.length(pixel));
            float* row = out_.data() + pdq_points * point_;
            for (std::size_t i = 0; i < pdq_points; ++i) row[i] = sums_[i] / length;
        }
    }

    Box box_;
    std::vector<float> kept_;
    std::array<float, pdq_points> sums_{};
    Plane64 out_{};
    int taken_ = 0;
    int point_ = 0;
};

// Along the rows, down the columns, along the rows, down the columns; then every kept pixel.
class ExactFilter {
public:
    ExactFilter(const Plane& plane, BandCode code)
        : plane_(plane), code_(code), across_(plane.width), down_(plane.height),
          steps_(whole_bands(plane.width + 2 * across_.right())),
          ring_(static_cast<int>(std::bit_ceil(
              static_cast<unsigned>(across_.window + code.lanes)))),
          first_ring_(in_band(ring_)), second_ring_(in_band(ring_)), sums_(size_of(steps_)),
          kept_(size_of(steps_) * size_of(down_.window)), means_(in_band(pdq_points)),
          below_(size_of(plane.row_bytes())), last_(plane.height) {
        for (int step = 0; step < steps_; ++step) {
            const int pixel = step - across_.right();
            lengths_.push_back(exact_length(across_.length(pixel), code.fused));
        }
        for (int i = 0; i < pdq_points; ++i) {
            const int pixel = kept_pixel(i, plane.width);
            points_[size_of(i)] = {pixel + 2 * across_.right(),
                                   static_cast<float>(across_.length(pixel))};
        }
    }

    Plane64 run() {
        const ExactWork work{plane_.channels,  plane_.row_bytes(),   across_.window,
                             steps_,           ring_ - 1,            lengths_.data(),
                             points_.data(),   first_ring_.data(),   second_ring_.data(),
                             sums_.data(),     means_.data()};
        for (int y = 0; y < plane_.height + down_.right(); y += code_.lanes) {
            first_ring_.clear();
            second_ring_.clear();
            code_.run(work, band_at(y));
            push_means(y - down_.right());
        }
        return last_.finish();
    }

private:
    static std::size_t size_of(int count) { return static_cast<std::size_t>(count); }
    std::size_t in_band(int count) const { return size_of(count) * size_of(code_.lanes); }
    int whole_bands(int count) const {
        return (count + code_.lanes - 1) / code_.lanes * code_.lanes;
    }

    ExactBand band_at(int y) {
        ExactBand band{};
        for (int k = 0; k < code_.lanes; ++k) {
            const int row = y + k;
            band.rows[k] = row < plane_.height ? plane_.row(row) : below_.data();
            band.kept[k] = kept_.data() + size_of(row % down_.window) * size_of(steps_);
            band.lengths[k] = exact_length(down_.length(row - down_.right()), code_.fused);
        }
        return band;
    }

    // Hands the band's rows on; the first of them is row `y` of the picture, if it has one.
    void push_means(int y) {
        for (int k = 0; k < code_.lanes; ++k) {
            if (y + k < 0 || y + k >= plane_.height) continue;
            std::array<float, pdq_points> row;
            for (int i = 0; i < pdq_points; ++i) {
                row[size_of(i)] = means_.data()[i * code_.lanes + k];
            }
            last_.push(row);
        }
    }

    Plane plane_;
    BandCode code_;
    Box across_;
    Box down_;
    int steps_;
    int ring_;
    std::vector<ExactLength> lengths_;
    std::array<ExactPoint, pdq_points> points_;
    Floats first_ring_;
    Floats second_ring_;
    Floats sums_;
    Floats kept_;
    Floats means_;
    std::vector<std::uint8_t> below_;
    LastBox last_;
};

}  // namespace

void luma_row(const std::uint8_t* pixels, int width, int channels, float* out) {
    const int green = channels == 3 ? 1 : 0;
    const int blue = channels == 3 ? 2 : 0;
    for (int x = 0; x < width; ++x, pixels += channels) {
        out[x] = static_cast<float>(pixels[0] * 0.299 + pixels[green] * 0.587 +
                                    pixels[blue] * 0.114);
    }
}

Plane64 exact_plane(const Plane& plane) { return exact_plane(plane, active_isa()); }

Plane64 exact_plane(const Plane& plane, Isa isa) {
    return ExactFilter(plane, band_code(isa)).run();
}

Plane64 unfiltered_plane(const Plane& plane) {
    Plane64 out;
    for (int y = 0; y < pdq_points; ++y) {
        luma_row(plane.row(y), pdq_points, plane.channels, out.data() + pdq_points * y);
    }
    return out;
}

}  // namespace safelight
