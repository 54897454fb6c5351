#include "flat_index.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>

namespace safelight {
namespace {

using hamming::Hit;
using hamming::kHashBytes;
using hamming::kHashWords;
using hamming::Query;

// Rows searched at a time for every query of a group: their 96-bit prefixes fill half a 48 KiB L1.
constexpr std::size_t kTileRows = 2048;
// Queries searched together; their hits are held apart until the group is done.
constexpr std::size_t kGroup = 128;
// Once half of all rows are removed ones, and there are as many as this, the rest is copied.
constexpr std::size_t kFewRemoved = 1024;
// A row's position is 32 bits.
constexpr std::size_t kMostRows = std::numeric_limits<std::uint32_t>::max();

// ---- Searching ----

struct Found {
    std::uint32_t position;
    std::uint32_t distance;
};

bool nearer(const Found& a, const Found& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.position < b.position;
}

// The hits of one query. Positions arrive in ascending order, so once `limit` hits are held only a
// strictly nearer one can still displace one of them: the radius shrinks.
class Collector {
public:
    Collector(unsigned radius, std::size_t limit) : radius_(static_cast<int>(radius)), limit_(limit) {}

    bool open() const { return radius_ >= 0; }
    unsigned radius() const { return static_cast<unsigned>(radius_); }

    void add(std::uint32_t position, std::uint32_t distance) {
        found_.push_back({position, distance});
    }

    // Keeps the nearest once there are twice as many as wanted.
    void trim() {
        if (found_.size() / 2 >= limit_) keep_nearest();
    }

    const std::vector<Found>& finish() {
        if (found_.size() > limit_) keep_nearest();
        return found_;
    }

private:
    void keep_nearest() {
        const auto last = found_.begin() + static_cast<std::ptrdiff_t>(limit_ - 1);
        std::nth_element(found_.begin(), last, found_.end(), nearer);
        radius_ = static_cast<int>(last->distance) - 1;
        found_.resize(limit_);
    }

    std::vector<Found> found_;
    int radius_;  // below 0: no further hit is wanted
    std::size_t limit_;
};

// Searches one group of queries in one part after the other.
class GroupSearch {
public:
    GroupSearch(std::span<const std::uint8_t> hashes, unsigned radius, std::size_t limit)
        : kernels_(hamming::kernels_for(active_isa())) {
        const std::size_t count = hashes.size() / kHashBytes;
        queries_.reserve(count);
        for (std::size_t q = 0; q < count; ++q) {
            queries_.push_back(hamming::make_query(hashes.data() + q * kHashBytes));
        }
        collectors_.assign(count, Collector(radius, limit));
    }

    void search(const Part& part, std::size_t number) {
        if (part.live() == 0) return;
        for (std::size_t row = 0; row < part.count; row += kTileRows) {
            const std::size_t count = std::min(kTileRows, part.count - row);
            for (std::size_t q = 0; q < queries_.size(); ++q) search_tile(part, number, row, count, q);
        }
    }

    void move_into(Matches& matches, const std::vector<Part>& parts) {
        for (Collector& collector : collectors_) {
            for (const Found& found : collector.finish()) {
                const Part& part = parts[found.position / kBlockRows];
                matches.ids.push_back(part.block->ids[found.position % kBlockRows]);
                matches.distances.push_back(static_cast<std::uint16_t>(found.distance));
            }
            matches.offsets.push_back(static_cast<std::int64_t>(matches.ids.size()));
        }
    }

private:
    void search_tile(const Part& part, std::size_t number, std::size_t from, std::size_t count,
                     std::size_t q) {
        Collector& collector = collectors_[q];
        if (!collector.open()) return;
        const std::size_t hits = kernels_.search(part.block->rows(from, count), queries_[q],
                                                 collector.radius(), rows_, hits_);
        for (std::size_t i = 0; i < hits; ++i) {
            const std::size_t row = from + hits_[i].row;
            if (!part.alive(row)) continue;
            collector.add(static_cast<std::uint32_t>(number * kBlockRows + row), hits_[i].distance);
        }
        if (hits != 0) collector.trim();
    }

    hamming::Kernels kernels_;
    std::vector<Query> queries_;
    std::vector<Collector> collectors_;
    std::uint32_t rows_[kTileRows];
    Hit hits_[kTileRows];
};

// ---- Finding ids ----

// Calls visit(row) for each live row that has the id.
template <class Visit>
void find_ordered(const Part& part, std::int64_t id, Visit visit) {
    const std::int64_t* ids = part.block->ids.get();
    const auto before = [&](std::uint16_t row, std::int64_t value) { return ids[row] < value; };
    auto row = std::lower_bound(part.order->begin(), part.order->end(), id, before);
    for (; row != part.order->end() && ids[*row] == id; ++row) {
        if (part.alive(*row)) visit(*row);
    }
}

template <class Visit>
void find_ascending(const Part& part, std::int64_t id, Visit visit) {
    const std::int64_t* ids = part.block->ids.get();
    const std::int64_t* end = ids + part.count;
    const std::int64_t* at = std::lower_bound(ids, end, id);
    const auto row = static_cast<std::size_t>(at - ids);
    if (at != end && *at == id && part.alive(row)) visit(row);
}

// Calls visit(row) for each live row of the part whose id is in `wanted`, which grows strictly.
// Ids that ascend, as a database gives them out, need nothing; a full block where they do not
// keeps an order of its own, and only the last block is ever read from end to end.
template <class Visit>
void find_ids(const Part& part, std::span<const std::int64_t> wanted, Visit visit) {
    if (part.count == 0) return;
    const auto first = std::lower_bound(wanted.begin(), wanted.end(), part.least);
    const auto last = std::upper_bound(first, wanted.end(), part.greatest);
    if (first == last) return;
    if (part.ascending || part.order != nullptr) {
        for (auto id = first; id != last; ++id) {
            part.ascending ? find_ascending(part, *id, visit) : find_ordered(part, *id, visit);
        }
        return;
    }
    const std::int64_t* ids = part.block->ids.get();
    for (std::size_t row = 0; row < part.count; ++row) {
        if (std::binary_search(first, last, ids[row]) && part.alive(row)) visit(row);
    }
}

std::vector<std::int64_t> sorted(std::span<const std::int64_t> ids) {
    std::vector<std::int64_t> copy(ids.begin(), ids.end());
    if (!std::is_sorted(copy.begin(), copy.end())) std::sort(copy.begin(), copy.end());
    return copy;
}

void check_distinct(std::span<const std::int64_t> ascending) {
    const auto twice = std::adjacent_find(ascending.begin(), ascending.end());
    if (twice == ascending.end()) return;
    throw std::invalid_argument("id " + std::to_string(*twice) +
                                " is given twice; each entry needs an id of its own");
}

void check_new(const std::vector<Part>& parts, std::span<const std::int64_t> ids) {
    const std::vector<std::int64_t> wanted = sorted(ids);
    check_distinct(wanted);
    for (const Part& part : parts) {
        find_ids(part, wanted, [&](std::size_t row) {
            throw std::invalid_argument("id " + std::to_string(part.block->ids[row]) +
                                        " is in the index already; remove it first");
        });
    }
}

// ---- Changing ----

std::shared_ptr<const Order> order_of(const std::int64_t* ids) {
    auto order = std::make_shared<Order>(kBlockRows);
    std::iota(order->begin(), order->end(), std::uint16_t{0});
    std::sort(order->begin(), order->end(),
              [ids](std::uint16_t a, std::uint16_t b) { return ids[a] < ids[b]; });
    return order;
}

void append(std::vector<Part>& parts, const std::uint8_t* hash, std::int64_t id) {
    if (parts.empty() || parts.back().count == kBlockRows) {
        Part part;
        part.block = std::make_shared<Block>();
        parts.push_back(std::move(part));
    }
    parts.back().append(hash, id);
}

// The same entries without the rows of the removed ones.
std::vector<Part> compacted(const std::vector<Part>& parts) {
    std::vector<Part> fresh;
    for (const Part& part : parts) {
        for (std::size_t row = 0; row < part.count; ++row) {
            if (!part.alive(row)) continue;
            const std::uint64_t* hash = part.block->full.get() + row * kHashWords;
            append(fresh, reinterpret_cast<const std::uint8_t*>(hash), part.block->ids[row]);
        }
    }
    return fresh;
}

// Marks the wanted entries of a part as removed; returns how many there were.
std::size_t remove_from(Part& part, std::span<const std::int64_t> wanted) {
    std::shared_ptr<Removed> marks;
    std::size_t count = 0;
    find_ids(part, wanted, [&](std::size_t row) {
        if (marks == nullptr) {
            marks = part.removed ? std::make_shared<Removed>(*part.removed)
                                 : std::make_shared<Removed>();
        }
        (*marks)[row / 64] |= std::uint64_t{1} << (row % 64);
        ++count;
    });
    if (count != 0) part.removed = std::move(marks);
    part.removed_count += count;
    return count;
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

bool Part::alive(std::size_t row) const noexcept {
    return removed == nullptr || ((*removed)[row / 64] >> (row % 64) & 1) == 0;
}

void Part::append(const std::uint8_t* hash, std::int64_t id) {
    ascending = ascending && (count == 0 || id > block->ids[count - 1]);
    least = count == 0 ? id : std::min(least, id);
    greatest = count == 0 ? id : std::max(greatest, id);
    block->set(count, hash, id);
    ++count;
    if (count == kBlockRows && !ascending) order = order_of(block->ids.get());
}

// ---- Snapshot ----

Matches Snapshot::search(std::span<const std::uint8_t> queries, unsigned radius, std::size_t limit,
                         const Pause& pause) const {
    Matches matches;
    matches.offsets.reserve(queries.size() / kHashBytes + 1);
    matches.offsets.push_back(0);
    while (!queries.empty()) {
        const std::size_t bytes = std::min(queries.size(), kGroup * kHashBytes);
        GroupSearch group(queries.first(bytes), radius, limit);
        for (std::size_t number = 0; number < parts_.size(); ++number) {
            group.search(parts_[number], number);
            pause();
        }
        group.move_into(matches, parts_);
        queries = queries.subspan(bytes);
    }
    return matches;
}

void Snapshot::copy_block(std::size_t block, std::uint8_t* hashes, std::int64_t* ids) const {
    const Part& part = parts_.at(block);
    for (std::size_t row = 0; row < part.count; ++row) {
        if (!part.alive(row)) continue;
        std::memcpy(hashes, part.block->full.get() + row * kHashWords, kHashBytes);
        hashes += kHashBytes;
        *ids++ = part.block->ids[row];
    }
}

// ---- FlatIndex ----

std::shared_ptr<const Snapshot> FlatIndex::snapshot() const {
    const std::lock_guard lock(pointer_);
    return now_;
}

void FlatIndex::publish(std::shared_ptr<const Snapshot> next) {
    const std::lock_guard lock(pointer_);
    now_.swap(next);  // the old one is released after the lock
}

void FlatIndex::add(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids) {
    const std::lock_guard lock(writing_);
    check_new(snapshot()->parts_, ids);
    append_and_publish(hashes, ids);
}

void FlatIndex::extend(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids) {
    const std::lock_guard lock(writing_);
    append_and_publish(hashes, ids);
}

void FlatIndex::append_and_publish(std::span<const std::uint8_t> hashes,
                                   std::span<const std::int64_t> ids) {
    if (hashes.size() != ids.size() * kHashBytes) {
        throw std::invalid_argument("there must be one id for each hash");
    }
    auto next = std::make_shared<Snapshot>(*snapshot());
    if (next->parts_.size() * kBlockRows + ids.size() > kMostRows) {
        throw std::invalid_argument("an index holds at most 4 billion hashes; use several");
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
        append(next->parts_, hashes.data() + i * kHashBytes, ids[i]);
    }
    next->live_ += ids.size();
    publish(std::move(next));
}

void FlatIndex::check_ids() const {
    const auto now = snapshot();
    std::vector<std::int64_t> ids;
    ids.reserve(now->live());
    for (const Part& part : now->parts_) {
        for (std::size_t row = 0; row < part.count; ++row) {
            if (part.alive(row)) ids.push_back(part.block->ids[row]);
        }
    }
    check_distinct(sorted(ids));
}

std::size_t FlatIndex::remove(std::span<const std::int64_t> ids) {
    const std::lock_guard lock(writing_);
    std::vector<std::int64_t> wanted = sorted(ids);
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    auto next = std::make_shared<Snapshot>(*snapshot());
    std::size_t rows = 0, removed = 0;
    for (Part& part : next->parts_) {
        removed += remove_from(part, wanted);
        rows += part.count;
    }
    next->live_ -= removed;
    const std::size_t dead = rows - next->live_;
    if (removed != 0 && dead >= kFewRemoved && dead * 2 >= rows) {
        next->parts_ = compacted(next->parts_);
    }
    publish(std::move(next));
    return removed;
}

}  // namespace safelight
