#include "collector.hpp"

#include <algorithm>

namespace safelight {

void keep_nearest(std::vector<Near>& found, std::size_t limit) {
    if (found.size() <= limit) return;
    const auto last = found.begin() + static_cast<std::ptrdiff_t>(limit - 1);
    std::nth_element(found.begin(), last, found.end(), nearer);
    found.resize(limit);
}

// The last kept is the farthest: nth_element put it in its place.
void Collector::cut() {
    keep_nearest(found_, limit_);
    radius_ = found_.back().distance;
}

std::vector<Near> nearest_orientations(std::span<Collector> collectors, std::size_t limit) {
    std::vector<Near> all;
    for (std::size_t orientation = 0; orientation < collectors.size(); ++orientation) {
        for (Near near : collectors[orientation].finish()) {
            near.orientation = static_cast<std::uint32_t>(orientation);
            all.push_back(near);
        }
    }
    // By id, the best first; the sort is stable, so of equally near ones the first orientation.
    std::stable_sort(all.begin(), all.end(), [](const Near& a, const Near& b) {
        return a.id != b.id ? a.id < b.id : a.distance < b.distance;
    });
    const auto same = [](const Near& a, const Near& b) { return a.id == b.id; };
    all.erase(std::unique(all.begin(), all.end(), same), all.end());
    keep_nearest(all, limit);
    return all;
}

}  // namespace safelight
