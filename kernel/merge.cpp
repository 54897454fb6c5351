#include "merge.hpp"

#include <algorithm>
#include <cstring>

namespace safelight {
namespace {

using hamming::kHashBytes;

// A segment is joined with those up to so many times its size.
constexpr std::size_t kFactor = 4;
// Rows copied between two looks at whether to stop.
constexpr std::uint32_t kPauseRows = 16384;

// ---- What to merge ----

bool half_dead(const SegmentPart& part) {
    return part.removed.count() * 2 >= part.segment->counts().entries;
}

// Makes the choice whole: what is nearly as large as all that was chosen so far comes along.
class Chooser {
public:
    explicit Chooser(const Snapshot& snapshot) : snapshot_(snapshot) {}

    void take_delta() {
        choice_.delta = true;
        size_ += snapshot_.delta().live();
    }

    void take(const SegmentPart& part) {
        choice_.segments.push_back(part.segment.get());
        size_ += part.live();
    }

    void grow() {
        const auto& segments = snapshot_.segments();
        for (auto part = segments.rbegin(); part != segments.rend(); ++part) {
            if (!taken(*part) && part->live() <= kFactor * size_) take(*part);
        }
    }

    Choice choice() const { return choice_; }

private:
    bool taken(const SegmentPart& part) const {
        return std::find(choice_.segments.begin(), choice_.segments.end(), part.segment.get()) !=
               choice_.segments.end();
    }

    const Snapshot& snapshot_;
    Choice choice_;
    std::size_t size_ = 0;
};

// The first of the segments, the smallest before the others, that the next one is too close to.
const SegmentPart* unbalanced(const std::vector<SegmentPart>& by_size) {
    for (std::size_t i = 1; i < by_size.size(); ++i) {
        if (by_size[i].live() <= kFactor * by_size[i - 1].live()) return &by_size[i - 1];
    }
    return nullptr;
}

std::vector<SegmentPart> smallest_first(const Snapshot& snapshot) {
    std::vector<SegmentPart> parts = snapshot.segments();
    std::sort(parts.begin(), parts.end(),
              [](const SegmentPart& a, const SegmentPart& b) { return a.live() < b.live(); });
    return parts;
}

// ---- Copying what is live ----

struct Contents {
    explicit Contents(std::size_t entries)
        : hashes(Memory::allocate(std::max<std::size_t>(entries, 1) * kHashBytes)),
          ids(Memory::allocate(std::max<std::size_t>(entries, 1) * sizeof(std::int64_t))) {}

    std::uint8_t* next_hash() noexcept { return hashes.data() + count * kHashBytes; }
    void add_id(std::int64_t id) noexcept {
        reinterpret_cast<std::int64_t*>(ids.data())[count++] = id;
    }
    std::span<const std::uint8_t> all_hashes() const { return {hashes.data(), count * kHashBytes}; }
    std::span<const std::int64_t> all_ids() const {
        return {reinterpret_cast<const std::int64_t*>(ids.data()), count};
    }

    Memory hashes, ids;
    std::size_t count = 0;
};

void copy_live(const SegmentPart& part, Contents& contents, const Pause& pause) {
    const Segment& segment = *part.segment;
    std::size_t room = part.live();  // a damaged file may have more entries in its rows than it says
    for (std::uint32_t row = 0; row < segment.counts().rows; ++row) {
        if (row % kPauseRows == 0) pause();
        const Positions positions = segment.entries_of(row);
        for (std::uint32_t at = positions.first; at != positions.last && room != 0; ++at) {
            if (part.removed.has(at)) continue;
            segment.copy_hash(row, contents.next_hash());
            contents.add_id(segment.id(at));
            --room;
        }
    }
}

void copy_live(const Part& part, Contents& contents) {
    for (std::size_t row = 0; row < part.count; ++row) {
        if (part.removed.has(row)) continue;
        std::memcpy(contents.next_hash(), part.block->hash(row), kHashBytes);
        contents.add_id(part.block->ids[row]);
    }
}

Contents live_of(const std::vector<SegmentPart>& segments, const std::vector<Part>& parts,
                 const Pause& pause) {
    std::size_t entries = 0;
    for (const SegmentPart& part : segments) entries += part.live();
    for (const Part& part : parts) entries += part.live();
    Contents contents(entries);
    for (const SegmentPart& part : segments) copy_live(part, contents, pause);
    for (const Part& part : parts) copy_live(part, contents);
    return contents;
}

}  // namespace

Choice due(const Snapshot& snapshot, const Tuning& tuning) {
    Chooser chooser(snapshot);
    if (snapshot.delta().rows() >= tuning.merge_rows) chooser.take_delta();
    for (const SegmentPart& part : snapshot.segments()) {
        if (half_dead(part)) chooser.take(part);
    }
    if (chooser.choice().empty()) {
        const std::vector<SegmentPart> by_size = smallest_first(snapshot);
        if (const SegmentPart* part = unbalanced(by_size)) chooser.take(*part);
    }
    if (!chooser.choice().empty()) chooser.grow();
    return chooser.choice();
}

Choice all_of(const Snapshot& snapshot, const Tuning& tuning) {
    const auto& segments = snapshot.segments();
    const Delta& delta = snapshot.delta();
    const bool none_removed = delta.live() == delta.rows();
    if (segments.empty() && none_removed && delta.rows() < tuning.merge_rows) return {};
    if (segments.size() == 1 && segments.front().removed.count() == 0 && delta.rows() == 0) return {};
    Choice choice;
    choice.delta = delta.rows() != 0;
    for (const SegmentPart& part : segments) choice.segments.push_back(part.segment.get());
    return choice;
}

std::shared_ptr<const Segment> joined(const Snapshot& snapshot, const Pause& pause) {
    const Contents contents = live_of(snapshot.segments(), snapshot.delta().parts(), pause);
    return Segment::build(contents.all_hashes(), contents.all_ids(), pause);
}

// ---- Merge ----

Merge::Merge(Snapshot& snapshot, const Choice& choice, const Tuning& tuning) : tuning_(tuning) {
    for (const SegmentPart& part : snapshot.segments()) {
        const auto& chosen = choice.segments;
        if (std::find(chosen.begin(), chosen.end(), part.segment.get()) != chosen.end()) {
            segments_.push_back(part);
        }
    }
    if (!choice.delta) return;
    snapshot.delta().seal();
    parts_ = snapshot.delta().parts();
}

void Merge::run(const Pause& pause) {
    const Contents contents = live_of(segments_, parts_, pause);
    if (contents.count < tuning_.merge_rows) {
        result_.append(contents.all_hashes(), contents.all_ids());
        return;
    }
    SegmentPart part;
    part.segment = Segment::build(contents.all_hashes(), contents.all_ids(), pause);
    result_.insert(std::move(part));
}

std::vector<std::int64_t> Merge::removed_since(const Snapshot& snapshot) const {
    std::vector<std::int64_t> ids;
    for (const SegmentPart& old : segments_) {
        for (const SegmentPart& part : snapshot.segments()) {
            if (part.segment != old.segment) continue;
            part.removed.visit_new(old.removed, [&](std::size_t position) {
                ids.push_back(part.segment->id(static_cast<std::uint32_t>(position)));
            });
        }
    }
    for (const Part& old : parts_) {
        for (const Part& part : snapshot.delta().parts()) {
            if (part.block != old.block) continue;
            part.removed.visit_new(old.removed,
                                   [&](std::size_t row) { ids.push_back(part.block->ids[row]); });
        }
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

void Merge::finish(Snapshot& snapshot) {
    result_.remove(removed_since(snapshot));
    for (const SegmentPart& old : segments_) snapshot.drop(old.segment.get());
    for (const SegmentPart& part : result_.segments()) snapshot.insert(part);
    snapshot.delta().exchange(parts_, result_.delta());
}

}  // namespace safelight
