// An immutable set of 256-bit hashes with ids, made for exact search by Hamming distance.
//
// All of a segment lies in one piece of memory, laid out as in an index file, so that a file is
// searched where it is mapped. Equal hashes are one row however many ids they have. Rows with one
// id come first, by id; the ids of a row grow strictly. An entry's position is that of its id.
//
// Every function of a segment may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "segment_layout.hpp"

namespace safelight {

// Called every few milliseconds of long work; may throw to stop it.
using Pause = std::function<void()>;

// A piece of memory: our own (in huge pages where the system has them) or a file's.
class Memory {
public:
    // Zeroed. Throws std::bad_alloc.
    static Memory allocate(std::size_t bytes);
    // `bytes` of an open file from `offset` (a multiple of 4096) on, to be read only; the pages are
    // shared with other processes. Throws std::system_error.
    static Memory map(int file, std::size_t offset, std::size_t bytes);

    Memory() = default;
    Memory(Memory&& other) noexcept;
    Memory& operator=(Memory&& other) noexcept;
    ~Memory();

    std::uint8_t* data() noexcept { return data_; }
    const std::uint8_t* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }

private:
    std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
};

// A row within the radius of a query.
struct RowHit {
    std::uint32_t query;  // its place among the queries
    std::uint32_t row;
    std::uint32_t distance;
};

// The positions [first, last).
struct Positions {
    std::uint32_t first, last;
};

class Segment {
public:
    // Throws std::invalid_argument when an id is given twice or there are 2^32 or more.
    static std::shared_ptr<const Segment> build(std::span<const std::uint8_t> hashes,
                                                std::span<const std::int64_t> ids,
                                                const Pause& pause);
    // A segment over memory whose content is that of another segment's bytes(). Throws
    // std::invalid_argument when the counts are impossible or do not fit the size.
    static std::shared_ptr<const Segment> over(Memory memory, const SegmentCounts& counts);
    // The size of the memory of a segment with these counts.
    static std::size_t bytes_for(const SegmentCounts& counts);

    const SegmentCounts& counts() const noexcept { return counts_; }
    std::span<const std::uint8_t> bytes() const noexcept;

    // Adds every row within `radius` (0 to 255) of each query (32 bytes each), each once, query by
    // query.
    void search(std::span<const std::uint8_t> queries, unsigned radius, std::vector<RowHit>& hits,
                const Pause& pause) const;

    Positions entries_of(std::uint32_t row) const noexcept;
    std::int64_t id(std::uint32_t position) const noexcept;
    // Calls visit(position) for each entry whose id is among `wanted`, which grows strictly.
    void find(std::span<const std::int64_t> wanted,
              const std::function<void(std::uint32_t)>& visit) const;
    // The row's hash as it was given.
    void copy_hash(std::uint32_t row, std::uint8_t* hash) const noexcept;

private:
    Segment(Memory memory, const SegmentCounts& counts) noexcept;

    Memory memory_;
    SegmentCounts counts_;
    SegmentView view_;
};

}  // namespace safelight
