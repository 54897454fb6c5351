// The entries that were added last: arrays of 256-bit hashes with ids, filled from the front and
// searched from one end to the other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "collector.hpp"
#include "hamming.hpp"
#include "segment.hpp"
#include "tombstones.hpp"

namespace safelight {

inline constexpr std::size_t kBlockRows = 65536;

// Room for kBlockRows hashes. Rows that a part counts never change.
struct Block {
    Block();
    hamming::Rows rows(std::size_t from, std::size_t count) const noexcept;
    void set(std::size_t row, const std::uint8_t* hash, std::int64_t id) noexcept;
    const std::uint8_t* hash(std::size_t row) const noexcept;

    std::array<std::unique_ptr<std::uint32_t[]>, hamming::kPrefixWords> prefix;
    std::unique_ptr<std::uint64_t[]> full;
    std::unique_ptr<std::int64_t[]> ids;
};

// The rows of a sealed part in ascending order of id.
using Order = std::vector<std::uint16_t>;

// What a snapshot knows of one block.
struct Part {
    std::shared_ptr<Block> block;
    Tombstones removed;
    std::shared_ptr<const Order> order;    // null unless sealed and not ascending
    std::size_t count = 0;                 // rows in use, removed ones included
    std::int64_t least = 0, greatest = 0;  // ids, of all rows
    bool ascending = true;                 // ids grow strictly from row to row
    bool sealed = false;                   // no more is added to it

    std::size_t live() const noexcept { return count - removed.count(); }
    void append(const std::uint8_t* hash, std::int64_t id);
    void seal();
    // The live rows that have one of the wanted ids, which grow strictly.
    std::vector<std::uint32_t> find(std::span<const std::int64_t> wanted) const;
};

class Delta {
public:
    std::size_t live() const noexcept { return live_; }
    std::size_t rows() const noexcept;
    std::size_t bytes() const noexcept;
    const std::vector<Part>& parts() const noexcept { return parts_; }

    // Adds the live entries within each collector's radius of its query.
    void search(std::span<const hamming::Query> queries, std::span<Collector> collectors,
                const Pause& pause) const;
    // The least of the wanted ids (which grow strictly) that is there; null if none is.
    const std::int64_t* present(std::span<const std::int64_t> wanted) const;

    void append(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids);
    // Removes the wanted entries that there are; returns how many.
    std::size_t remove(std::span<const std::int64_t> wanted);
    // What is added from now on goes to another part.
    void seal();
    // Replaces the parts whose blocks are among those of `old` by those of `fresh`.
    void exchange(const std::vector<Part>& old, const Delta& fresh);

private:
    std::vector<Part> parts_;  // every one but the last is full or sealed
    std::size_t live_ = 0;
};

}  // namespace safelight
