#include "pdq_exact.hpp"

#include <algorithm>
#include <vector>

namespace safelight {
namespace {

constexpr int group = 8;  // rows that go through a box along the rows side by side

std::vector<float> floats(int count, int each = 1) {
    return std::vector<float>(static_cast<std::size_t>(count) * static_cast<std::size_t>(each));
}

// The pixels under the box at every position along a side.
std::vector<float> box_lengths(int size) {
    const int window = box_window(size);
    std::vector<float> lengths = floats(size);
    for (int i = 0; i < size; ++i) {
        const int first = std::max(0, i - box_left(window));
        const int last = std::min(size - 1, i + box_right(window));
        lengths[static_cast<std::size_t>(i)] = static_cast<float>(last - first + 1);
    }
    return lengths;
}

// A box down the columns that takes one row at a time and keeps only a window of them.
class ColumnBox {
public:
    ColumnBox(int width, int height)
        : width_(width),
          height_(height),
          window_(box_window(height)),
          lengths_(box_lengths(height)),
          sums_(floats(width)),
          kept_(floats(window_, width)),
          out_(floats(width)) {}

    // Adds a row; calls `emit(row)` when that completes a row of output.
    template <class Emit>
    void push(const float* row, Emit&& emit) {
        float* __restrict kept = slot(taken_);
        float* __restrict sums = sums_.data();
        if (taken_ < window_) {
            for (int x = 0; x < width_; ++x) sums[x] += row[x];
        } else {
            for (int x = 0; x < width_; ++x) sums[x] = (sums[x] + row[x]) - kept[x];
        }
        std::copy(row, row + width_, kept);
        if (taken_++ >= box_right(window_)) give(emit);
        if (taken_ == height_) finish(emit);
    }

private:
    float* slot(int y) {
        const auto row = static_cast<std::size_t>(y % window_);
        return kept_.data() + row * static_cast<std::size_t>(width_);
    }

    template <class Emit>
    void give(Emit& emit) {
        const float length = lengths_[static_cast<std::size_t>(given_++)];
        const float* __restrict sums = sums_.data();
        float* __restrict out = out_.data();
        for (int x = 0; x < width_; ++x) out[x] = sums[x] / length;
        emit(out_.data());
    }

    template <class Emit>
    void finish(Emit& emit) {
        for (int y = height_ - window_; given_ < height_; ++y) {
            const float* __restrict kept = slot(y);
            float* __restrict sums = sums_.data();
            for (int x = 0; x < width_; ++x) sums[x] -= kept[x];
            give(emit);
        }
    }

    int width_;
    int height_;
    int window_;
    int taken_ = 0;
    int given_ = 0;
    std::vector<float> lengths_;
    std::vector<float> sums_;
    std::vector<float> kept_;
    std::vector<float> out_;
};

// A box along `group` rows at once; the rows lie side by side, pixel by pixel.
class RowBox {
public:
    explicit RowBox(int width)
        : width_(width), window_(box_window(width)), lengths_(box_lengths(width)),
          in_(floats(width, group)), out_(floats(width, group)) {}

    void set_row(int lane, const float* row) {
        for (int x = 0; x < width_; ++x) in_[at(x, lane)] = row[x];
    }

    void run() {
        float sums[group] = {};
        const int right = box_right(window_);
        for (int x = 0; x < width_ + right; ++x) {
            step(x, sums);
            if (x >= right) give(x - right, sums);
        }
    }

    float value(int x, int lane) const { return out_[at(x, lane)]; }

    void get_row(int lane, float* row) const {
        for (int x = 0; x < width_; ++x) row[x] = value(x, lane);
    }

private:
    static std::size_t at(int x, int lane) {
        return static_cast<std::size_t>(x) * group + static_cast<std::size_t>(lane);
    }

    void step(int x, float* sums) const {
        if (x < width_) {
            for (int lane = 0; lane < group; ++lane) sums[lane] += in_[at(x, lane)];
        }
        if (x >= window_) {
            for (int lane = 0; lane < group; ++lane) sums[lane] -= in_[at(x - window_, lane)];
        }
    }

    void give(int x, const float* sums) {
        const float length = lengths_[static_cast<std::size_t>(x)];
        for (int lane = 0; lane < group; ++lane) out_[at(x, lane)] = sums[lane] / length;
    }

    int width_;
    int window_;
    std::vector<float> lengths_;
    std::vector<float> in_;
    std::vector<float> out_;
};

// Along the rows, down the columns, along the rows, down the columns; then every kept pixel.
class ExactFilter {
public:
    explicit ExactFilter(const Plane& plane)
        : plane_(plane), first_(plane.width), second_(plane.width),
          first_down_(plane.width, plane.height), second_down_(pdq_points, plane.height),
          line_(floats(plane.width)) {}

    Plane64 run() {
        for (int y = 0; y < plane_.height; y += group) take_group(y);
        return out_;
    }

private:
    void take_group(int y) {
        const int rows = std::min(group, plane_.height - y);
        for (int lane = 0; lane < rows; ++lane) {
            luma_row(plane_.row(y + lane), plane_.width, plane_.channels, line_.data());
            first_.set_row(lane, line_.data());
        }
        first_.run();
        for (int lane = 0; lane < rows; ++lane) {
            first_.get_row(lane, line_.data());
            first_down_.push(line_.data(), [this](const float* row) { take_blurred(row); });
        }
    }

    void take_blurred(const float* row) {
        second_.set_row(waiting_++, row);
        ++blurred_;
        if (waiting_ == group || blurred_ == plane_.height) take_waiting();
    }

    void take_waiting() {
        second_.run();
        for (int lane = 0; lane < waiting_; ++lane) {
            float kept[pdq_points];
            for (int i = 0; i < pdq_points; ++i) {
                kept[i] = second_.value(kept_pixel(i, plane_.width), lane);
            }
            second_down_.push(kept, [this](const float* values) { keep(values); });
        }
        waiting_ = 0;
    }

    void keep(const float* values) {
        while (point_ < pdq_points && kept_pixel(point_, plane_.height) == done_) {
            std::copy(values, values + pdq_points, out_.begin() + pdq_points * point_++);
        }
        ++done_;
    }

    Plane plane_;
    RowBox first_;
    RowBox second_;
    ColumnBox first_down_;
    ColumnBox second_down_;
    std::vector<float> line_;
    Plane64 out_{};
    int waiting_ = 0;
    int blurred_ = 0;
    int point_ = 0;
    int done_ = 0;
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

Plane64 exact_plane(const Plane& plane) { return ExactFilter(plane).run(); }

Plane64 unfiltered_plane(const Plane& plane) {
    Plane64 out;
    for (int y = 0; y < pdq_points; ++y) {
        luma_row(plane.row(y), pdq_points, plane.channels, out.data() + pdq_points * y);
    }
    return out;
}

}  // namespace safelight
