#include "snapshot.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace safelight {

std::vector<std::uint32_t> SegmentPart::find(std::span<const std::int64_t> wanted) const {
    std::vector<std::uint32_t> found;
    segment->find(wanted, [&](std::uint32_t position) {
        if (!removed.has(position)) found.push_back(position);
    });
    return found;
}

std::size_t Snapshot::live() const noexcept {
    std::size_t live = delta_.live();
    for (const SegmentPart& part : segments_) live += part.live();
    return live;
}

void Snapshot::check_absent(std::span<const std::int64_t> wanted) const {
    const auto refuse = [](std::int64_t id) {
        throw std::invalid_argument("id " + std::to_string(id) +
                                    " is in the index already; remove it first");
    };
    if (const std::int64_t* id = delta_.present(wanted)) refuse(*id);
    for (const SegmentPart& part : segments_) {
        part.segment->find(wanted, [&](std::uint32_t position) {
            if (!part.removed.has(position)) refuse(part.segment->id(position));
        });
    }
}

void Snapshot::insert(SegmentPart part) {
    const auto smaller = [](const SegmentPart& a, const SegmentPart& b) { return a.live() > b.live(); };
    segments_.insert(std::upper_bound(segments_.begin(), segments_.end(), part, smaller), part);
}

std::size_t Snapshot::remove(std::span<const std::int64_t> wanted) {
    std::size_t count = delta_.remove(wanted);
    for (SegmentPart& part : segments_) {
        std::vector<std::uint32_t> positions = part.find(wanted);
        count += positions.size();
        part.removed.mark(std::move(positions));
    }
    return count;
}

void Snapshot::drop(const Segment* segment) {
    std::erase_if(segments_, [=](const SegmentPart& part) { return part.segment.get() == segment; });
}

}  // namespace safelight
