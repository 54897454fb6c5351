// The entries of an index at one moment: immutable segments and a delta of what was added last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "collector.hpp"
#include "delta.hpp"
#include "segment.hpp"
#include "tombstones.hpp"

namespace safelight {

inline constexpr unsigned kMostRadius = 255;  // a distance is one byte

// Entries near several queries: those of query q are [offsets[q], offsets[q + 1]) of the others.
struct Matches {
    std::vector<std::int64_t> offsets;
    std::vector<std::int64_t> ids;
    std::vector<std::uint8_t> distances;
    std::vector<std::uint8_t> orientations;  // of search_oriented only
};

// A segment with what was removed from it.
struct SegmentPart {
    std::shared_ptr<const Segment> segment;
    Tombstones removed;  // positions
    bool mapped = false;

    std::size_t live() const noexcept { return segment->counts().entries - removed.count(); }
    // The positions, not removed yet, of the wanted ids, which grow strictly.
    std::vector<std::uint32_t> find(std::span<const std::int64_t> wanted) const;
};

// Published ones are const; a writer changes a copy, which costs little, and publishes that.
class Snapshot {
public:
    // Every live entry within `radius` bits (0 to 255) of each query of 32 bytes, each entry once.
    // With a limit, only the `limit` nearest of each query, of equally near ones those with the
    // smallest id.
    Matches search(std::span<const std::uint8_t> queries, unsigned radius, std::size_t limit,
                   const Pause& pause) const;
    // The same for queries of `each` hashes: an entry is told once per query, with the first of
    // the query's hashes that comes nearest.
    Matches search_oriented(std::span<const std::uint8_t> hashes, std::size_t each, unsigned radius,
                            std::size_t limit, const Pause& pause) const;

    std::size_t live() const noexcept;
    const std::vector<SegmentPart>& segments() const noexcept { return segments_; }
    const Delta& delta() const noexcept { return delta_; }

    // Throws std::invalid_argument when one of the wanted ids, which grow strictly, is there.
    void check_absent(std::span<const std::int64_t> wanted) const;

    // ---- Changes ----

    void append(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids) {
        delta_.append(hashes, ids);
    }
    // Keeps the segments in order, the largest first.
    void insert(SegmentPart part);
    // Removes the wanted entries that there are; returns how many.
    std::size_t remove(std::span<const std::int64_t> wanted);
    void drop(const Segment* segment);
    Delta& delta() noexcept { return delta_; }

private:
    std::vector<SegmentPart> segments_;
    Delta delta_;
};

}  // namespace safelight
