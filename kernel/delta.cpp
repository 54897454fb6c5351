#include "delta.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace safelight {
namespace {

using hamming::kHashBytes;
using hamming::kHashWords;
using hamming::Query;

// Rows searched at a time for every query: their 96-bit prefixes fill half a 48 KiB L1.
constexpr std::size_t kTileRows = 2048;

// Room for what is found in one tile.
class Tiles {
public:
    Tiles() : kernels_(hamming::kernels_for(active_isa())) {}

    void search(const Part& part, std::size_t from, const Query& query, Collector& collector) {
        const std::size_t count = std::min(kTileRows, part.count - from);
        const hamming::Rows rows = part.block->rows(from, count);
        const std::size_t hits = kernels_.search(rows, query, collector.radius(), rows_, hits_);
        for (std::size_t i = 0; i < hits; ++i) {
            const std::size_t row = from + hits_[i].row;
            if (!part.removed.has(row)) collector.add(part.block->ids[row], hits_[i].distance);
        }
        if (hits != 0) collector.trim();
    }

private:
    hamming::Kernels kernels_;
    std::uint32_t rows_[kTileRows];
    hamming::Hit hits_[kTileRows];
};

// Adds the rows, removed ones too, that have one of the ids [first, last), by a binary search for
// each: row(i) is the row with the i-th id in ascending order.
template <class Row>
void find_each(const Part& part, std::span<const std::int64_t> wanted, Row row,
               std::vector<std::uint32_t>& found) {
    const std::int64_t* ids = part.block->ids.get();
    for (const std::int64_t id : wanted) {
        std::size_t low = 0, high = part.count;
        while (low < high) {
            const std::size_t middle = (low + high) / 2;
            ids[row(middle)] < id ? low = middle + 1 : high = middle;
        }
        for (; low < part.count && ids[row(low)] == id; ++low) {
            found.push_back(static_cast<std::uint32_t>(row(low)));
        }
    }
}

std::shared_ptr<const Order> order_of(const std::int64_t* ids, std::size_t count) {
    auto order = std::make_shared<Order>(count);
    std::iota(order->begin(), order->end(), std::uint16_t{0});
    std::sort(order->begin(), order->end(),
              [ids](std::uint16_t a, std::uint16_t b) { return ids[a] < ids[b]; });
    return order;
}

}  // namespace

// ---- Block and Part ----

Block::Block() : full(new std::uint64_t[kBlockRows * kHashWords]), ids(new std::int64_t[kBlockRows]) {
    for (auto& words : prefix) words.reset(new std::uint32_t[kBlockRows]);
}

hamming::Rows Block::rows(std::size_t from, std::size_t count) const noexcept {
    return {{prefix[0].get() + from, prefix[1].get() + from, prefix[2].get() + from},
            full.get() + from * kHashWords,
            count};
}

void Block::set(std::size_t row, const std::uint8_t* hash, std::int64_t id) noexcept {
    const Query query = hamming::make_query(hash);
    std::memcpy(full.get() + row * kHashWords, query.full, kHashBytes);
    for (std::size_t i = 0; i < prefix.size(); ++i) prefix[i][row] = query.prefix[i];
    ids[row] = id;
}

const std::uint8_t* Block::hash(std::size_t row) const noexcept {
    return reinterpret_cast<const std::uint8_t*>(full.get() + row * kHashWords);
}

void Part::append(const std::uint8_t* hash, std::int64_t id) {
    ascending = ascending && (count == 0 || id > block->ids[count - 1]);
    least = count == 0 ? id : std::min(least, id);
    greatest = count == 0 ? id : std::max(greatest, id);
    block->set(count, hash, id);
    ++count;
    if (count == kBlockRows) seal();
}

void Part::seal() {
    if (!ascending && order == nullptr) order = order_of(block->ids.get(), count);
    sealed = true;
}

// Ids that ascend, as a database gives them out, need nothing; a sealed part where they do not
// keeps an order of its own, and only the last part is ever read from end to end.
std::vector<std::uint32_t> Part::find(std::span<const std::int64_t> wanted) const {
    std::vector<std::uint32_t> found;
    if (count == 0) return found;
    const auto first = std::lower_bound(wanted.begin(), wanted.end(), least);
    const std::span some(first, std::upper_bound(first, wanted.end(), greatest));
    if (some.empty()) return found;
    if (ascending) {
        find_each(*this, some, [](std::size_t i) { return i; }, found);
    } else if (order != nullptr) {
        find_each(*this, some, [&](std::size_t i) { return std::size_t{(*order)[i]}; }, found);
    } else {
        for (std::size_t row = 0; row < count; ++row) {
            if (std::binary_search(some.begin(), some.end(), block->ids[row])) {
                found.push_back(static_cast<std::uint32_t>(row));
            }
        }
    }
    std::erase_if(found, [&](std::uint32_t row) { return removed.has(row); });
    return found;
}

// ---- Delta ----

std::size_t Delta::rows() const noexcept {
    std::size_t rows = 0;
    for (const Part& part : parts_) rows += part.count;
    return rows;
}

std::size_t Delta::bytes() const noexcept {
    constexpr std::size_t kRowBytes = kHashBytes + hamming::kPrefixWords * 4 + sizeof(std::int64_t);
    std::size_t bytes = 0;
    for (const Part& part : parts_) {
        bytes += part.count * kRowBytes + part.removed.bytes();
        if (part.order != nullptr) bytes += part.order->size() * sizeof(Order::value_type);
    }
    return bytes;
}

void Delta::search(std::span<const Query> queries, std::span<Collector> collectors,
                   const Pause& pause) const {
    Tiles tiles;
    for (const Part& part : parts_) {
        if (part.live() == 0) continue;
        for (std::size_t row = 0; row < part.count; row += kTileRows) {
            for (std::size_t q = 0; q < queries.size(); ++q) {
                tiles.search(part, row, queries[q], collectors[q]);
            }
        }
        pause();
    }
}

const std::int64_t* Delta::present(std::span<const std::int64_t> wanted) const {
    const std::int64_t* least = nullptr;
    for (const Part& part : parts_) {
        for (const std::uint32_t row : part.find(wanted)) {
            const std::int64_t* id = part.block->ids.get() + row;
            if (least == nullptr || *id < *least) least = id;
        }
    }
    return least;
}

void Delta::append(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (parts_.empty() || parts_.back().sealed) {
            Part part;
            part.block = std::make_shared<Block>();
            parts_.push_back(std::move(part));
        }
        parts_.back().append(hashes.data() + i * kHashBytes, ids[i]);
    }
    live_ += ids.size();
}

std::size_t Delta::remove(std::span<const std::int64_t> wanted) {
    std::size_t count = 0;
    for (Part& part : parts_) {
        std::vector<std::uint32_t> rows = part.find(wanted);
        count += rows.size();
        part.removed.mark(std::move(rows));
    }
    live_ -= count;
    return count;
}

void Delta::seal() {
    if (!parts_.empty()) parts_.back().seal();
}

void Delta::exchange(const std::vector<Part>& old, const Delta& fresh) {
    const auto is_old = [&](const Part& part) {
        return std::any_of(old.begin(), old.end(),
                           [&](const Part& one) { return one.block == part.block; });
    };
    for (const Part& part : parts_) live_ -= is_old(part) ? part.live() : 0;
    std::erase_if(parts_, is_old);
    live_ += fresh.live_;
    if (fresh.parts_.empty()) return;
    const bool last = parts_.empty();
    parts_.insert(parts_.begin(), fresh.parts_.begin(), fresh.parts_.end());
    if (!last) parts_[fresh.parts_.size() - 1].seal();
}

}  // namespace safelight
