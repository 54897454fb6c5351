#include "pdq_plan.hpp"

#include <algorithm>
#include <cmath>

namespace safelight {
namespace {

constexpr std::array<double, 3> luma_share = {0.299, 0.587, 0.114};

struct Span {
    int first;
    int last;
    int length() const { return last - first + 1; }
};

// The pixels under the box around `pixel`; at the edges the reference's box gets shorter.
Span box_around(int pixel, int size, int window) {
    return {std::max(0, pixel - box_left(window)), std::min(size - 1, pixel + box_right(window))};
}

Span tent_around(int pixel, int size, int window) {
    const Span outer = box_around(pixel, size, window);
    return {box_around(outer.first, size, window).first, box_around(outer.last, size, window).last};
}

// The weights of a tent in units of 1/window²: a box of boxes, summed through its steps.
std::vector<double> tent_weights(int pixel, int size, int window) {
    const Span outer = box_around(pixel, size, window);
    const Span tent = tent_around(pixel, size, window);
    std::vector<double> steps(static_cast<std::size_t>(tent.length()) + 1);
    for (int inner = outer.first; inner <= outer.last; ++inner) {
        const Span box = box_around(inner, size, window);
        const double share = double(window) * window / (double(outer.length()) * box.length());
        steps[static_cast<std::size_t>(box.first - tent.first)] += share;
        steps[static_cast<std::size_t>(box.last + 1 - tent.first)] -= share;
    }
    for (std::size_t i = 1; i < steps.size(); ++i) steps[i] += steps[i - 1];
    steps.pop_back();
    return steps;
}

// The weights summed over blocks; `first` is the tent's first pixel, which may lie inside a block.
std::vector<float> over_blocks(const std::vector<double>& weights, int first, int block) {
    const int skipped = first % block;
    const std::size_t samples = (weights.size() + skipped + block - 1) / block;
    std::vector<double> sums(samples);
    for (std::size_t i = 0; i < weights.size(); ++i) sums[(i + skipped) / block] += weights[i];
    return {sums.begin(), sums.end()};
}

bool all_whole(const std::vector<float>& weights) {
    return std::all_of(weights.begin(), weights.end(), [](float w) { return w == std::floor(w); });
}

bool edge_cuts(int pixel, int size, int window) {
    const Span outer = box_around(pixel, size, window);
    return tent_around(pixel, size, window).length() != 2 * window - 1 ||
           box_around(outer.first, size, window).length() != window ||
           box_around(outer.last, size, window).length() != window;
}

void append(std::vector<float>& all, const std::vector<float>& weights) {
    all.insert(all.end(), weights.begin(), weights.end());
    all.resize(static_cast<std::size_t>(up_to_lanes(static_cast<int>(all.size()))));
}

std::vector<float> colour_weights(const float* weights, int count) {
    std::vector<float> out;
    out.reserve(static_cast<std::size_t>(count) * luma_share.size());
    for (int i = 0; i < count; ++i) {
        for (const double share : luma_share) out.push_back(static_cast<float>(weights[i] * share));
    }
    return out;
}

}  // namespace

Plan make_plan(int size, int block) {
    const int window = box_window(size);
    Plan plan{};
    plan.unit = static_cast<float>(1.0 / (double(window) * window));
    const Tent* shared = nullptr;
    for (int point = 0; point < pdq_points; ++point) {
        const int pixel = kept_pixel(point, size);
        const int first = tent_around(pixel, size, window).first;
        Tent& tent = plan.tents[static_cast<std::size_t>(point)];
        const bool may_share = block == 1 && !edge_cuts(pixel, size, window);
        if (may_share && shared != nullptr) {
            tent = *shared;
            tent.first = first;
            continue;
        }
        const auto weights = over_blocks(tent_weights(pixel, size, window), first, block);
        tent = {first / block, static_cast<int>(weights.size()), plan.weights.size(),
                all_whole(weights)};
        append(plan.weights, weights);
        if (may_share) shared = &tent;
    }
    return plan;
}

Plan plan_for_rgb(const Plan& plan) {
    Plan rgb{{}, {}, plan.unit};
    for (std::size_t i = 0; i < plan.tents.size(); ++i) {
        const Tent& tent = plan.tents[i];
        const bool shared = i > 0 && tent.weights == plan.tents[i - 1].weights;
        const std::size_t start = shared ? rgb.tents[i - 1].weights : rgb.weights.size();
        rgb.tents[i] = {tent.first * 3, tent.count * 3, start, false};
        if (!shared) append(rgb.weights, colour_weights(&plan.weights[tent.weights], tent.count));
    }
    return rgb;
}

}  // namespace safelight
