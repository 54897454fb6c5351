// Building a segment: entries by id, equal hashes found, rows written, tables sorted.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

#include "permute.hpp"
#include "segment.hpp"

namespace safelight {
namespace {

using hamming::kHashBytes;
using hamming::kHashWords;

// Entries or rows worked on between two calls of pause(): a millisecond or so.
constexpr std::size_t kPauseEvery = 32768;
constexpr std::uint32_t kMostEntries = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kWritten = kMostEntries;

// Calls pause() now and then.
class Pace {
public:
    explicit Pace(const Pause& pause) : pause_(pause) {}

    // Calls body(i) for all i below count.
    template <class Body>
    void for_each(std::size_t count, Body body) {
        for (std::size_t i = 0; i < count;) {
            const std::size_t end = std::min(count, i + kPauseEvery - done_);
            done_ += end - i;
            for (; i < end; ++i) body(i);
            if (done_ < kPauseEvery) return;
            done_ = 0;
            pause_();
        }
    }

private:
    const Pause& pause_;
    std::size_t done_ = 0;  // since the last pause
};

// ---- By id ----

constexpr std::size_t kDigits = 256;

struct Keyed {
    std::uint64_t key;  // grows as the id does
    std::uint32_t entry;

    std::size_t digit(unsigned number) const { return key >> (8 * number) & (kDigits - 1); }
};

// One pass of a radix sort; `places` has where each digit's entries begin.
void sort_by_digit(const std::vector<Keyed>& from, std::vector<Keyed>& to, unsigned digit,
                   std::vector<std::size_t> places, Pace& pace) {
    pace.for_each(from.size(), [&](std::size_t i) {
        to[places[from[i].digit(digit)]++] = from[i];
    });
}

// Where the entries with each digit begin; empty when all have the same.
std::vector<std::size_t> digit_places(const std::vector<Keyed>& keyed, unsigned digit,
                                      Pace& pace) {
    std::vector<std::size_t> counts(kDigits);
    pace.for_each(keyed.size(), [&](std::size_t i) { ++counts[keyed[i].digit(digit)]; });
    if (counts[keyed[0].digit(digit)] == keyed.size()) return {};
    std::size_t sum = 0;
    for (std::size_t& count : counts) sum += std::exchange(count, sum);
    return counts;
}

// The entries in ascending order of their ids.
std::vector<std::uint32_t> sorted_entries(std::span<const std::int64_t> ids, Pace& pace) {
    std::vector<Keyed> keyed(ids.size()), other(ids.size());
    pace.for_each(ids.size(), [&](std::size_t i) {
        constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
        keyed[i] = {static_cast<std::uint64_t>(ids[i]) ^ kSign, static_cast<std::uint32_t>(i)};
    });
    for (unsigned digit = 0; digit < sizeof(std::int64_t); ++digit) {
        std::vector<std::size_t> places = digit_places(keyed, digit, pace);
        if (places.empty()) continue;
        sort_by_digit(keyed, other, digit, std::move(places), pace);
        keyed.swap(other);
    }
    std::vector<std::uint32_t> entries(ids.size());
    pace.for_each(ids.size(), [&](std::size_t i) { entries[i] = keyed[i].entry; });
    return entries;
}

// The entries to be built, from the one with the least id on.
class Entries {
public:
    Entries(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids,
            Pace& pace)
        : hashes_(hashes), ids_(ids) {
        if (hashes.size() / kHashBytes != ids.size() || hashes.size() % kHashBytes != 0) {
            throw std::invalid_argument("there must be one id for each hash");
        }
        if (ids.size() > kMostEntries) {
            throw std::invalid_argument("a segment takes at most 4294967295 entries");
        }
        if (!std::is_sorted(ids.begin(), ids.end())) order_ = sorted_entries(ids, pace);
        pace.for_each(ids.size(), [this](std::size_t i) {
            if (i == 0 || id(i) != id(i - 1)) return;
            throw std::invalid_argument("id " + std::to_string(id(i)) +
                                        " is given twice; each entry needs an id of its own");
        });
    }

    std::size_t size() const { return ids_.size(); }
    std::int64_t id(std::size_t i) const { return ids_[place(i)]; }
    const std::uint8_t* hash(std::size_t i) const { return hashes_.data() + place(i) * kHashBytes; }

private:
    std::size_t place(std::size_t i) const { return order_.empty() ? i : order_[i]; }

    std::span<const std::uint8_t> hashes_;
    std::span<const std::int64_t> ids_;
    std::vector<std::uint32_t> order_;  // empty: as they were given
};

// ---- Equal hashes ----

// A table of the hashes seen so far. Which cell a hash goes to depends on a random seed, so that
// nobody can choose hashes that all go to the same.
class Seen {
public:
    explicit Seen(const Entries& entries)
        : entries_(entries), mask_(std::bit_ceil(entries.size() * 3 / 2 + 1) - 1),
          memory_(Memory::allocate((mask_ + 1) * sizeof(std::uint64_t))),
          cells_(reinterpret_cast<std::uint64_t*>(memory_.data())) {
        std::random_device random;
        for (std::uint64_t& word : seed_) word = std::uint64_t{random()} << 32 | random();
    }

    // Entries must be shown kAhead entries before they are added.
    static constexpr std::size_t kAhead = 16;

    void show(std::size_t entry) {
        const std::uint64_t code = code_of(entries_.hash(entry));
        codes_[entry % kAhead] = code;
        __builtin_prefetch(cells_ + (code & mask_), 1);
        if (entry + kAhead < entries_.size()) __builtin_prefetch(entries_.hash(entry + kAhead));
    }

    // The first entry that has the hash of this one, which may be itself.
    std::uint32_t add(std::size_t entry) {
        const std::uint64_t code = codes_[entry % kAhead];
        const std::uint64_t tag = code & kTag;
        for (std::size_t at = code & mask_;; at = (at + 1) & mask_) {
            const std::uint64_t cell = cells_[at];
            if (cell == 0) {
                cells_[at] = tag | (entry + 1);
                return static_cast<std::uint32_t>(entry);
            }
            if ((cell & kTag) != tag) continue;
            const auto other = static_cast<std::uint32_t>((cell & ~kTag) - 1);
            const std::uint8_t* hash = entries_.hash(entry);
            if (std::memcmp(entries_.hash(other), hash, kHashBytes) == 0) return other;
        }
    }

private:
    static constexpr std::uint64_t kTag = 0xffffffff00000000ULL;

    static std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
        __extension__ using Wide = unsigned __int128;
        const Wide product = static_cast<Wide>(a) * b;
        return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    }

    std::uint64_t code_of(const std::uint8_t* hash) const {
        std::uint64_t words[kHashWords];
        std::memcpy(words, hash, kHashBytes);
        const std::uint64_t low = mixed(words[0] ^ seed_[0], words[1] ^ seed_[1]);
        const std::uint64_t high = mixed(words[2] ^ seed_[2], words[3] ^ seed_[3]);
        return mixed(low ^ seed_[4], high ^ seed_[5]);
    }

    const Entries& entries_;
    const std::size_t mask_;
    Memory memory_;
    std::uint64_t* const cells_;  // 0, or a tag and an entry plus one
    std::uint64_t seed_[6];
    std::uint64_t codes_[kAhead];
};

// Which entries have equal hashes.
struct Groups {
    Groups(const Entries& entries, Pace& pace)
        : first(entries.size()), sizes(entries.size()) {
        Seen seen(entries);
        const std::size_t ahead = std::min(Seen::kAhead, entries.size());
        for (std::size_t i = 0; i < ahead; ++i) seen.show(i);
        pace.for_each(entries.size(), [&](std::size_t i) {
            first[i] = seen.add(i);
            ++sizes[first[i]];
            if (i + Seen::kAhead < entries.size()) seen.show(i + Seen::kAhead);
        });
    }

    SegmentCounts counts() const {
        SegmentCounts counts;
        counts.entries = sizes.size();
        for (const std::uint32_t size : sizes) {
            counts.rows += size != 0;
            counts.singles += size == 1;
        }
        return counts;
    }

    std::vector<std::uint32_t> first;  // of each entry: the first with the same hash
    std::vector<std::uint32_t> sizes;  // of each first entry: how many there are; of others 0
};

// ---- Writing ----

class Writer {
public:
    Writer(const SegmentCounts& counts, Pace& pace)
        : counts_(counts), layout_(counts), pace_(pace),
          memory_(Memory::allocate(layout_.bytes)), hashes_(at<std::uint64_t>(layout_.hashes)) {}

    void write_singles(const Entries& entries, const Groups& groups) {
        auto* ids = at<std::int64_t>(layout_.ids);
        std::size_t row = 0;
        pace_.for_each(entries.size(), [&](std::size_t i) {
            if (groups.sizes[i] != 1) return;
            ids[row] = entries.id(i);
            permute::to_stored(entries.hash(i), hashes_ + row * kHashWords);
            ++row;
        });
    }

    // Uses up the sizes of the groups.
    void write_multis(const Entries& entries, Groups& groups) {
        begin_multis(entries, groups);
        auto* ids = at<std::int64_t>(layout_.ids);
        auto* order = at<std::uint32_t>(layout_.multi_order);
        pace_.for_each(entries.size(), [&](std::size_t i) {
            if (groups.sizes[groups.first[i]] == kWritten) return;
            const std::uint32_t position = groups.sizes[groups.first[i]]++;
            ids[position] = entries.id(i);
            *order++ = position;
        });
    }

    void write_tables() {
        if (layout_.slot_bytes == 0) return;
        Memory scratch = Memory::allocate(counts_.rows * sizeof(std::uint64_t));
        for (unsigned slot = 0; slot < kSlots; ++slot) {
            const Starts starts = deal_out(slot, reinterpret_cast<std::uint64_t*>(scratch.data()));
            sort_buckets(slot, starts, reinterpret_cast<const std::uint64_t*>(scratch.data()));
        }
    }

    Memory take() { return std::move(memory_); }

private:
    static constexpr std::size_t kHalf = 256;  // values of half a slot
    using Starts = std::array<std::uint32_t, kHalf + 1>;

    template <class Number>
    Number* at(std::size_t offset) {
        return reinterpret_cast<Number*>(memory_.data() + offset);
    }

    // Writes the hashes of rows with several ids and where their ids begin. Leaves there, in place
    // of a group's size, where its first id goes; kWritten for groups of one.
    void begin_multis(const Entries& entries, Groups& groups) {
        auto* offset = at<std::uint32_t>(layout_.multi_offsets);
        std::uint64_t* hash = hashes_ + counts_.singles * kHashWords;
        auto position = static_cast<std::uint32_t>(counts_.singles);
        pace_.for_each(entries.size(), [&](std::size_t i) {
            const std::uint32_t size = groups.sizes[i];
            if (size == 0) return;
            groups.sizes[i] = size == 1 ? kWritten : position;
            if (size == 1) return;
            permute::to_stored(entries.hash(i), hash);
            hash += kHashWords;
            *offset++ = position;
            position += size;
        });
        *offset = position;
    }

    // Sorting by 16 bits at once would write to 65,536 places, more than a cache holds; so rows
    // are dealt out by the high byte first. Each is kept with its low byte and its sketch.
    Starts deal_out(unsigned slot, std::uint64_t* scratch) {
        Starts starts{};
        pace_.for_each(counts_.rows, [&](std::size_t row) {
            ++starts[(slot_of(hashes_ + row * kHashWords, slot) >> 8) + 1U];
        });
        for (std::size_t i = 0; i < kHalf; ++i) starts[i + 1] += starts[i];
        Starts places = starts;
        pace_.for_each(counts_.rows, [&](std::size_t row) {
            const std::uint64_t value = slot_of(hashes_ + row * kHashWords, slot);
            const std::uint64_t next = slot_of(hashes_ + row * kHashWords, (slot + 1) % kSlots);
            scratch[places[value >> 8]++] = row | next << 32 | (value & 255) << 48;
        });
        return starts;
    }

    void sort_buckets(unsigned slot, const Starts& starts, const std::uint64_t* scratch) {
        const std::size_t base = layout_.slots + slot * layout_.slot_bytes;
        auto* offsets = at<std::uint32_t>(base);
        auto* rows = at<std::uint32_t>(base + layout_.slot_rows);
        auto* sketches = at<std::uint16_t>(base + layout_.slot_sketches);
        for (std::size_t high = 0; high < kHalf; ++high) {
            Starts places{};
            const std::size_t begin = starts[high], count = starts[high + 1] - begin;
            pace_.for_each(count, [&](std::size_t i) { ++places[(scratch[begin + i] >> 48) + 1]; });
            places[0] = starts[high];
            for (std::size_t low = 0; low < kHalf; ++low) {
                offsets[high * kHalf + low] = places[low];
                places[low + 1] += places[low];
            }
            pace_.for_each(count, [&](std::size_t i) {
                const std::uint64_t item = scratch[begin + i];
                const std::uint32_t place = places[item >> 48]++;
                rows[place] = static_cast<std::uint32_t>(item);
                sketches[place] = static_cast<std::uint16_t>(item >> 32);
            });
        }
        offsets[kBuckets] = static_cast<std::uint32_t>(counts_.rows);
    }

    const SegmentCounts counts_;
    const SegmentLayout layout_;
    Pace& pace_;
    Memory memory_;
    std::uint64_t* const hashes_;
};

}  // namespace

std::shared_ptr<const Segment> Segment::build(std::span<const std::uint8_t> hashes,
                                              std::span<const std::int64_t> ids,
                                              const Pause& pause) {
    Pace pace(pause);
    const Entries entries(hashes, ids, pace);
    Groups groups(entries, pace);
    const SegmentCounts counts = groups.counts();
    Writer writer(counts, pace);
    writer.write_singles(entries, groups);
    writer.write_multis(entries, groups);
    writer.write_tables();
    return over(writer.take(), counts);
}

}  // namespace safelight
