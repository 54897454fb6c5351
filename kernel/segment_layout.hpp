// Where everything lies in the memory of a segment. It is the format of the body of an index file.
//
// Sections begin at multiples of 64 bytes; numbers are little-endian. In this order:
//
//     hashes         u64[rows][4]           bits in the order of permute.hpp; slot s of a hash is
//                                           its 16 bits from bit 16 s on
//     ids            i64[entries]           those of row 0, of row 1, ...
//     multi offsets  u32[rows-singles+1]    position of the first id of each row with several ids,
//                                           and `entries`
//     multi order    u32[entries-singles]   positions of the ids of these rows, by id
//
// and when there are kRingLeast rows or more, for each of kSlots slots, where a row's bucket is
// the value of the slot:
//
//     offsets        u32[65537]             place of the first row of each bucket, and `rows`
//     bucket rows    u32[rows]              the rows, bucket after bucket, ascending in each
//     sketches       u16[rows + 32]         the next slot of these rows (slot 0 after the last);
//                                           then zeros, so that whole registers can be read
//
// Nothing is assumed of the content of a file: whoever reads a row, a place or a position from
// these sections checks it before using it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "hamming.hpp"

namespace safelight {

static_assert(std::endian::native == std::endian::little);

// From so many rows on a segment has tables, whose 4 MB of offsets are the same for any number of
// rows. At this number a search within 31 bits takes 2.7 microseconds by tables, 9 by reading all
// rows, and 2.6 by the 96-bit screen of the delta.
inline constexpr std::size_t kRingLeast = 8192;
inline constexpr unsigned kSlots = 16;
inline constexpr std::size_t kBuckets = 65536;

struct SegmentCounts {
    std::uint64_t entries = 0;  // ids
    std::uint64_t rows = 0;     // different hashes
    std::uint64_t singles = 0;  // rows that have one id

    std::uint64_t several() const noexcept { return rows - singles; }  // rows with several ids
};

// Offsets in bytes.
struct SegmentLayout {
    explicit SegmentLayout(const SegmentCounts& counts) noexcept;

    std::size_t hashes = 0;
    std::size_t ids, multi_offsets, multi_order;
    std::size_t slots;                      // where the first slot begins
    std::size_t slot_rows, slot_sketches;   // from the beginning of a slot
    std::size_t slot_bytes;                 // of each slot; 0 when there are no tables
    std::size_t bytes;
};

// The value of a slot of a stored hash.
inline std::uint16_t slot_of(const std::uint64_t* hash, unsigned slot) noexcept {
    return static_cast<std::uint16_t>(hash[slot / 4] >> (slot % 4 * 16));
}

struct SegmentSlot {
    const std::uint32_t* offsets;
    const std::uint32_t* rows;
    const std::uint16_t* sketches;
};

// The sections of a segment, to be read.
struct SegmentView {
    SegmentView(const std::uint8_t* memory, const SegmentCounts& counts) noexcept;

    bool has_tables() const noexcept { return slot_bytes != 0; }
    SegmentSlot slot(unsigned number) const noexcept {
        const std::uint8_t* at = slots + number * slot_bytes;
        return {reinterpret_cast<const std::uint32_t*>(at),
                reinterpret_cast<const std::uint32_t*>(at + slot_rows),
                reinterpret_cast<const std::uint16_t*>(at + slot_sketches)};
    }

    SegmentCounts counts;
    const std::uint64_t* hashes;
    const std::int64_t* ids;
    const std::uint32_t* multi_offsets;
    const std::uint32_t* multi_order;

private:
    const std::uint8_t* slots;
    std::size_t slot_bytes, slot_rows, slot_sketches;
};

}  // namespace safelight
