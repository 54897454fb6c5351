// Joining what an index is made of into fewer pieces, without what was removed.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "snapshot.hpp"

namespace safelight {

// When entries become a segment. From 12,000 rows or so on its tables are quicker to search than
// the delta is from end to end; below 100,000 they are also larger than what they are for.
struct Tuning {
    std::size_t merge_rows = 16384;   // rows of the delta at which they become a segment
    std::size_t direct_rows = 32768;  // entries that become a segment as they are added
};

// Which pieces of a snapshot to join.
struct Choice {
    std::vector<const Segment*> segments;
    bool delta = false;

    bool empty() const noexcept { return segments.empty() && !delta; }
};

// What is due: the delta once it is large, segments that are half dead, and segments that are
// nearly as large as each other. Sizes stay apart by a factor, so that a snapshot has few segments
// and each entry is copied a few times in its life only.
Choice due(const Snapshot& snapshot, const Tuning& tuning);

// Everything, unless it is in one piece already.
Choice all_of(const Snapshot& snapshot, const Tuning& tuning);

// A merge: begun and ended while nothing else changes the index, made while others do.
class Merge {
public:
    // Takes the chosen pieces, and seals the delta if it is among them.
    Merge(Snapshot& snapshot, const Choice& choice, const Tuning& tuning);
    // Throws std::bad_alloc or what pause throws.
    void run(const Pause& pause);
    // Puts the result in place of the pieces, without what was removed from them since.
    void finish(Snapshot& snapshot);

private:
    std::vector<std::int64_t> removed_since(const Snapshot& snapshot) const;

    Tuning tuning_;
    std::vector<SegmentPart> segments_;
    std::vector<Part> parts_;
    Snapshot result_;
};

// One segment of all that a snapshot holds.
std::shared_ptr<const Segment> joined(const Snapshot& snapshot, const Pause& pause);

}  // namespace safelight
