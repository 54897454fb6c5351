// An array of 256-bit hashes with ids that is searched from one end to the other.
//
// Readers work on a snapshot and hold no lock while they search; a writer builds the next snapshot
// and publishes it whole. So a search sees all of an `add` or `remove`, or nothing of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "hamming.hpp"

namespace safelight {

inline constexpr std::size_t kBlockRows = 65536;
inline constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

// Hits of several queries: those of query q are [offsets[q], offsets[q + 1]) of the other two.
struct Matches {
    std::vector<std::int64_t> offsets;
    std::vector<std::int64_t> ids;
    std::vector<std::uint16_t> distances;
};

// Room for kBlockRows hashes, filled from the front. Rows that a snapshot counts never change.
struct Block {
    Block();
    hamming::Rows rows(std::size_t from, std::size_t count) const noexcept;
    void set(std::size_t row, const std::uint8_t* hash, std::int64_t id) noexcept;

    std::array<std::unique_ptr<std::uint32_t[]>, hamming::kPrefixWords> prefix;
    std::unique_ptr<std::uint64_t[]> full;
    std::unique_ptr<std::int64_t[]> ids;
};

// One bit for each row of a block: set when the entry was removed.
using Removed = std::array<std::uint64_t, kBlockRows / 64>;

// The rows of a full block in ascending order of id.
using Order = std::vector<std::uint16_t>;

// What a snapshot knows of one block.
struct Part {
    std::shared_ptr<Block> block;
    std::shared_ptr<const Removed> removed;  // null: none
    std::shared_ptr<const Order> order;      // null unless the block is full and not ascending
    std::size_t count = 0;                   // rows in use, removed ones included
    std::size_t removed_count = 0;
    std::int64_t least = 0, greatest = 0;  // ids, of all rows
    bool ascending = true;                 // ids grow strictly from row to row

    bool alive(std::size_t row) const noexcept;
    std::size_t live() const noexcept { return count - removed_count; }
    void append(const std::uint8_t* hash, std::int64_t id);
};

// The entries at one moment. Every block but the last is full.
class Snapshot {
public:
    // Called every few milliseconds of a search; may throw to stop it.
    using Pause = std::function<void()>;

    // Every live entry within `radius` bits (0 to 256) of each query, each entry once. With a
    // limit, only the `limit` nearest of each query, of equally near ones those added first.
    Matches search(std::span<const std::uint8_t> queries, unsigned radius, std::size_t limit,
                   const Pause& pause) const;

    std::size_t live() const noexcept { return live_; }
    std::size_t blocks() const noexcept { return parts_.size(); }
    std::size_t block_live(std::size_t block) const { return parts_.at(block).live(); }

    // Copies the live entries of one block, in the order they were added.
    void copy_block(std::size_t block, std::uint8_t* hashes, std::int64_t* ids) const;

private:
    friend class FlatIndex;

    std::vector<Part> parts_;
    std::size_t live_ = 0;
};

// The index itself. Every function may be called from any thread.
class FlatIndex {
public:
    // Adds entries. Throws std::invalid_argument, and adds nothing, when an id is present already
    // or given twice.
    void add(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids);

    // Adds entries without looking at the ids; check_ids() throws std::invalid_argument if two of
    // all entries have the same. For reading a whole index in pieces.
    void extend(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids);
    void check_ids() const;

    // Removes the entries that are present; returns how many.
    std::size_t remove(std::span<const std::int64_t> ids);

    std::shared_ptr<const Snapshot> snapshot() const;

private:
    void append_and_publish(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids);
    void publish(std::shared_ptr<const Snapshot> next);

    std::mutex writing_;          // one writer at a time
    mutable std::mutex pointer_;  // guards the pointer only
    std::shared_ptr<const Snapshot> now_ = std::make_shared<const Snapshot>();
};

}  // namespace safelight
