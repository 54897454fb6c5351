#include "segment.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

#include "permute.hpp"
#include "segment_search.hpp"
#include "sketch.hpp"

namespace safelight {
namespace {

constexpr std::size_t kAlignment = 64;

constexpr std::size_t aligned(std::size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// A row with several ids has two at least; without one there is an id for each row.
bool possible(const SegmentCounts& counts) {
    if (counts.entries > std::numeric_limits<std::uint32_t>::max()) return false;
    if (counts.singles > counts.rows || counts.rows > counts.entries) return false;
    const std::uint64_t several = counts.rows - counts.singles;
    const std::uint64_t theirs = counts.entries - counts.singles;
    return several == 0 ? theirs == 0 : theirs / 2 >= several;
}

}  // namespace

// ---- Layout ----

SegmentLayout::SegmentLayout(const SegmentCounts& counts) noexcept {
    const std::size_t rows = counts.rows;
    ids = aligned(rows * hamming::kHashBytes);
    multi_offsets = ids + aligned(counts.entries * sizeof(std::int64_t));
    multi_order = multi_offsets + aligned((counts.several() + 1) * sizeof(std::uint32_t));
    slots = multi_order + aligned((counts.entries - counts.singles) * sizeof(std::uint32_t));
    slot_rows = aligned((kBuckets + 1) * sizeof(std::uint32_t));
    slot_sketches = slot_rows + aligned(rows * sizeof(std::uint32_t));
    const std::size_t end = slot_sketches + (rows + sketch::kStep) * sizeof(std::uint16_t);
    slot_bytes = rows < kRingLeast ? 0 : aligned(end);
    bytes = slots + kSlots * slot_bytes;
}

SegmentView::SegmentView(const std::uint8_t* memory, const SegmentCounts& all) noexcept
    : counts(all) {
    const SegmentLayout layout(all);
    hashes = reinterpret_cast<const std::uint64_t*>(memory + layout.hashes);
    ids = reinterpret_cast<const std::int64_t*>(memory + layout.ids);
    multi_offsets = reinterpret_cast<const std::uint32_t*>(memory + layout.multi_offsets);
    multi_order = reinterpret_cast<const std::uint32_t*>(memory + layout.multi_order);
    slots = memory + layout.slots;
    slot_bytes = layout.slot_bytes;
    slot_rows = layout.slot_rows;
    slot_sketches = layout.slot_sketches;
}

// ---- Segment ----

Segment::Segment(Memory memory, const SegmentCounts& counts) noexcept
    : memory_(std::move(memory)), counts_(counts), view_(std::as_const(memory_).data(), counts) {}

std::shared_ptr<const Segment> Segment::over(Memory memory, const SegmentCounts& counts) {
    if (!possible(counts)) throw std::invalid_argument("these counts are not those of a segment");
    if (memory.size() != bytes_for(counts)) {
        throw std::invalid_argument("a segment with these counts has another size");
    }
    return std::shared_ptr<const Segment>(new Segment(std::move(memory), counts));
}

std::size_t Segment::bytes_for(const SegmentCounts& counts) { return SegmentLayout(counts).bytes; }

std::span<const std::uint8_t> Segment::bytes() const noexcept {
    return {memory_.data(), memory_.size()};
}

void Segment::search(std::span<const std::uint8_t> queries, unsigned radius,
                     std::vector<RowHit>& hits, const Pause& pause) const {
    search_segment(view_, queries, radius, active_isa(), Way::cheapest, hits, pause);
}

Positions Segment::entries_of(std::uint32_t row) const noexcept {
    if (row < counts_.singles) return {row, row + 1};
    const std::uint32_t* offsets = view_.multi_offsets + (row - counts_.singles);
    const Positions positions{offsets[0], offsets[1]};
    const bool sound = positions.first >= counts_.singles && positions.first <= positions.last &&
                       positions.last <= counts_.entries;
    return sound ? positions : Positions{0, 0};
}

std::int64_t Segment::id(std::uint32_t position) const noexcept { return view_.ids[position]; }

void Segment::find(std::span<const std::int64_t> wanted,
                   const std::function<void(std::uint32_t)>& visit) const {
    const std::int64_t* const end = view_.ids + counts_.singles;
    const std::int64_t* single = view_.ids;
    const std::uint32_t* const last = view_.multi_order + (counts_.entries - counts_.singles);
    const std::uint32_t* multi = view_.multi_order;
    const auto before = [this](std::uint32_t position, std::int64_t id) {
        return position < counts_.entries && view_.ids[position] < id;
    };
    for (const std::int64_t id : wanted) {
        single = std::lower_bound(single, end, id);
        if (single != end && *single == id) visit(static_cast<std::uint32_t>(single - view_.ids));
        multi = std::lower_bound(multi, last, id, before);
        if (multi == last) continue;
        const std::uint32_t position = *multi;
        if (position < counts_.entries && view_.ids[position] == id) visit(position);
    }
}

void Segment::copy_hash(std::uint32_t row, std::uint8_t* hash) const noexcept {
    permute::from_stored(view_.hashes + std::size_t{row} * hamming::kHashWords, hash);
}

}  // namespace safelight
