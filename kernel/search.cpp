// Searching a snapshot.
#include <algorithm>
#include <iterator>

#include "snapshot.hpp"

namespace safelight {
namespace {

using hamming::kHashBytes;

// Queries searched together; what they find is held apart until the group is done.
constexpr std::size_t kGroup = 128;
// Row hits of a segment that are held at a time, unless a single query has more: 12 MB.
constexpr std::size_t kMostHits = std::size_t{1} << 20;
// Up to this radius, unrelated hashes are as good as never found.
constexpr unsigned kSelective = 64;
constexpr std::size_t kFirstQueries = 16;

// Searches one group of queries after the other.
class Searcher {
public:
    Searcher(const Snapshot& snapshot, unsigned radius, std::size_t limit, const Pause& pause)
        : snapshot_(snapshot), radius_(radius), limit_(limit), pause_(pause) {}

    // The collectors of these queries; they hold until the next call.
    std::span<Collector> search(std::span<const std::uint8_t> queries) {
        if (!collectors_.empty()) pause_();  // a group may be too little work for others to pause
        collectors_.assign(queries.size() / kHashBytes, Collector(radius_, limit_));
        for (const SegmentPart& part : snapshot_.segments()) search_segment(part, queries);
        if (snapshot_.delta().live() != 0) search_delta(queries);
        return collectors_;
    }

private:
    void search_segment(const SegmentPart& part, std::span<const std::uint8_t> queries) {
        if (part.live() == 0) return;
        const std::size_t count = queries.size() / kHashBytes;
        std::size_t some = first_queries(part.segment->counts().rows);
        for (std::size_t from = 0; from < count;) {
            some = std::min(some, count - from);
            hits_.clear();
            part.segment->search(queries.subspan(from * kHashBytes, some * kHashBytes), radius_, hits_,
                                 pause_);
            for (const RowHit& hit : hits_) take(part, hit, collectors_[from + hit.query]);
            from += some;
            const std::size_t most = kMostHits * some / std::max<std::size_t>(hits_.size(), 1);
            some = std::clamp<std::size_t>(most, 1, kGroup);
        }
    }

    // How many queries to begin with, before it is known how many hits they have.
    std::size_t first_queries(std::size_t rows) const {
        if (radius_ <= kSelective) return kFirstQueries;
        return std::clamp<std::size_t>(kMostHits / std::max<std::size_t>(rows, 1), 1, kGroup);
    }

    // The ids of a row grow: those after the first `limit` live ones are not among the nearest.
    void take(const SegmentPart& part, const RowHit& hit, Collector& collector) {
        if (hit.distance > collector.radius()) return;
        const Positions positions = part.segment->entries_of(hit.row);
        std::size_t room = collector.limit();
        for (std::uint32_t at = positions.first; at != positions.last && room != 0; ++at) {
            if (part.removed.has(at)) continue;
            collector.add(part.segment->id(at), hit.distance);
            --room;
        }
        collector.trim();
    }

    void search_delta(std::span<const std::uint8_t> queries) {
        queries_.clear();
        for (std::size_t at = 0; at < queries.size(); at += kHashBytes) {
            queries_.push_back(hamming::make_query(queries.data() + at));
        }
        snapshot_.delta().search(queries_, collectors_, pause_);
    }

    const Snapshot& snapshot_;
    unsigned radius_;
    std::size_t limit_;
    const Pause& pause_;
    std::vector<Collector> collectors_;
    std::vector<RowHit> hits_;
    std::vector<hamming::Query> queries_;
};

void add(Matches& matches, const std::vector<Near>& found) {
    const std::size_t before = matches.ids.size();
    matches.ids.resize(before + found.size());
    matches.distances.resize(before + found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        matches.ids[before + i] = found[i].id;
        matches.distances[before + i] = static_cast<std::uint8_t>(found[i].distance);
    }
    matches.offsets.push_back(static_cast<std::int64_t>(matches.ids.size()));
}

// Searches `hashes` some groups at a time, each of whole queries of `each` hashes, and hands the
// collectors of each query to visit(collectors).
template <class Visit>
void each_query(Searcher& searcher, std::span<const std::uint8_t> hashes, std::size_t each, Visit visit) {
    const std::size_t step = std::max<std::size_t>(kGroup / each, 1) * each * kHashBytes;
    while (!hashes.empty()) {
        const std::size_t bytes = std::min(hashes.size(), step);
        std::span<Collector> collectors = searcher.search(hashes.first(bytes));
        for (; !collectors.empty(); collectors = collectors.subspan(each)) {
            visit(collectors.first(each));
        }
        hashes = hashes.subspan(bytes);
    }
}

Matches with_room_for(std::size_t queries) {
    Matches matches;
    matches.offsets.reserve(queries + 1);
    matches.offsets.push_back(0);
    return matches;
}

}  // namespace

Matches Snapshot::search(std::span<const std::uint8_t> queries, unsigned radius, std::size_t limit,
                         const Pause& pause) const {
    Matches matches = with_room_for(queries.size() / kHashBytes);
    Searcher searcher(*this, radius, limit, pause);
    each_query(searcher, queries, 1, [&](std::span<Collector> collectors) {
        add(matches, collectors.front().finish());
    });
    return matches;
}

Matches Snapshot::search_oriented(std::span<const std::uint8_t> hashes, std::size_t each,
                                  unsigned radius, std::size_t limit, const Pause& pause) const {
    Matches matches = with_room_for(hashes.size() / kHashBytes / each);
    Searcher searcher(*this, radius, limit, pause);
    each_query(searcher, hashes, each, [&](std::span<Collector> collectors) {
        const std::vector<Near> found = nearest_orientations(collectors, limit);
        add(matches, found);
        for (const Near& near : found) {
            matches.orientations.push_back(static_cast<std::uint8_t>(near.orientation));
        }
    });
    return matches;
}

}  // namespace safelight
