// The search of a segment, see segment_search.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cpu.hpp"
#include "segment.hpp"

namespace safelight {

// Segment::search() on a given instruction set, which this processor must support.
void search_segment(const SegmentView& segment, std::span<const std::uint8_t> queries,
                    unsigned radius, Isa isa, std::vector<RowHit>& hits, const Pause& pause);

}  // namespace safelight
