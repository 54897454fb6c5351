// What a search finds, gathered for each query.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace safelight {

inline constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

// An entry near a query.
struct Near {
    std::int64_t id;
    std::uint32_t distance;
    std::uint32_t orientation = 0;  // which of a query's hashes came nearest
};

// Whether `a` goes before `b` when there is room for one only: by distance, then by id.
inline bool nearer(const Near& a, const Near& b) noexcept {
    return a.distance != b.distance ? a.distance < b.distance : a.id < b.id;
}

// Cuts the entries down to the `limit` nearest, in any order.
void keep_nearest(std::vector<Near>& found, std::size_t limit);

// The entries near one hash; with a limit so many of the nearest, in memory for twice as many.
class Collector {
public:
    Collector(unsigned radius, std::size_t limit) : radius_(radius), limit_(limit) {}

    // Entries further away than this are of no use any more.
    unsigned radius() const noexcept { return radius_; }
    std::size_t limit() const noexcept { return limit_; }

    void add(std::int64_t id, std::uint32_t distance) { found_.push_back({id, distance}); }

    // To be called after every few entries: lets go of what is not among the nearest.
    void trim() {
        if (found_.size() / 2 >= limit_) cut();
    }

    std::vector<Near>& finish() {
        if (found_.size() > limit_) cut();
        return found_;
    }

private:
    void cut();

    std::vector<Near> found_;
    unsigned radius_;
    std::size_t limit_;
};

// Joins the entries near the hashes of one query, one collector each: every entry once, where it is
// nearest, and of equally near places in the first.
std::vector<Near> nearest_orientations(std::span<Collector> collectors, std::size_t limit);

}  // namespace safelight
