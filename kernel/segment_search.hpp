// The search of a segment, see segment_search.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cpu.hpp"
#include "segment.hpp"

namespace safelight {

// How to search: by what is expected to cost less, or for certain by tables (where there are some,
// and they serve the radius) or by reading all rows.
enum class Way { cheapest, tables, scan };

// Segment::search() on a given instruction set, which this processor must support.
void search_segment(const SegmentView& segment, std::span<const std::uint8_t> queries,
                    unsigned radius, Isa isa, Way way, std::vector<RowHit>& hits,
                    const Pause& pause);

}  // namespace safelight
