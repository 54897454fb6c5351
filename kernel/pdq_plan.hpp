// Which samples, with which weights, make each of the 64 points along one side of a picture.
//
// PDQ blurs with a box filter, twice along each direction, and then keeps 64 × 64 points. Two boxes
// of window w are a tent: weights 1, 2, … w, … 2, 1. Only the 64 tents that are kept need doing.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace safelight {

constexpr int pdq_points = 64;

// The window of the box filter along a side of `size` pixels, as the reference rounds it.
constexpr int box_window(int size) { return (size + 2 * pdq_points - 1) / (2 * pdq_points); }

// How far the window reaches to either side of its pixel; it reaches further to the right.
constexpr int box_right(int window) { return (window + 2) / 2 - 1; }
constexpr int box_left(int window) { return window - 1 - box_right(window); }

// The pixel that the `point`-th of 64 points keeps.
constexpr int kept_pixel(int point, int size) {
    return static_cast<int>(((point + 0.5) * size) / pdq_points);
}

// How many partial sums a dot product keeps. Weights are followed by zeros up to a multiple of it.
constexpr int lanes = 8;
constexpr int up_to_lanes(int count) { return (count + lanes - 1) / lanes * lanes; }

struct Tent {
    int first;            // the first sample with a weight
    int count;            // how many samples from there on
    std::size_t weights;  // where its weights start in Plan::weights, a multiple of `lanes`
    bool whole;           // all weights are whole numbers
};

struct Plan {
    std::array<Tent, pdq_points> tents;
    std::vector<float> weights;
    float unit;  // weights are in units of this: 1 / window²
};

// The plan for a side of `size` pixels of which every `block` neighbours were averaged into one
// sample (1: none were). Tents that no edge cuts have whole weights; with block 1 they share them.
Plan make_plan(int size, int block);

// Every weight repeated for red, green and blue and multiplied by that colour's share in luma.
Plan plan_for_rgb(const Plan& plan);

}  // namespace safelight
