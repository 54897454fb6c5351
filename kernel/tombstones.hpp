// Which positions of a segment or of a block hold entries that were removed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace safelight {

// A set of positions. Copies share their memory; marking copies only what it changes, so that a
// removal costs a few kilobytes however large the segment is.
class Tombstones {
public:
    bool has(std::size_t position) const noexcept {
        if (chunks_ == nullptr) return false;
        const std::size_t chunk = position / kPositions;
        if (chunk >= chunks_->size() || (*chunks_)[chunk] == nullptr) return false;
        const std::size_t bit = position % kPositions;
        return ((*(*chunks_)[chunk])[bit / 64] >> (bit % 64) & 1) != 0;
    }
    std::size_t count() const noexcept { return count_; }
    std::size_t bytes() const noexcept;

    void mark(std::vector<std::uint32_t> positions);

    // Calls visit(position) for each position that is not in `before`, an earlier copy of this.
    void visit_new(const Tombstones& before, const std::function<void(std::size_t)>& visit) const;

private:
    static constexpr std::size_t kPositions = 65536;
    using Chunk = std::array<std::uint64_t, kPositions / 64>;
    using Chunks = std::vector<std::shared_ptr<const Chunk>>;

    const Chunk* chunk(std::size_t number) const noexcept;

    std::shared_ptr<const Chunks> chunks_;
    std::size_t count_ = 0;
};

}  // namespace safelight
