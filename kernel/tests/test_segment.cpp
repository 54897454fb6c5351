#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <tuple>
#include <vector>

#include "check.hpp"
#include "permute.hpp"
#include "segment.hpp"
#include "segment_search.hpp"

namespace {

using namespace safelight;
using hamming::kHashBytes;
using hamming::kHashWords;

using Bytes = std::vector<std::uint8_t>;
using Ids = std::vector<std::int64_t>;
using Built = std::shared_ptr<const Segment>;

void nothing() {}

Bytes random_hashes(std::size_t count, unsigned seed) {
    std::mt19937_64 random(seed);
    Bytes hashes(count * kHashBytes);
    for (std::size_t at = 0; at < hashes.size(); at += 8) {
        const std::uint64_t word = random();
        std::memcpy(hashes.data() + at, &word, 8);
    }
    return hashes;
}

Ids counted(std::size_t count, std::int64_t first = 0) {
    Ids ids(count);
    for (auto& id : ids) id = first++;
    return ids;
}

Bytes one_of(const Bytes& hashes, std::size_t row) {
    return {hashes.begin() + static_cast<long>(row * kHashBytes),
            hashes.begin() + static_cast<long>((row + 1) * kHashBytes)};
}

void add(Bytes& hashes, const Bytes& more) {
    hashes.insert(hashes.end(), more.begin(), more.end());
}

void set(Bytes& hashes, std::size_t row, const Bytes& hash) {
    std::memcpy(hashes.data() + row * kHashBytes, hash.data(), kHashBytes);
}

Bytes flipped(Bytes hash, unsigned bits, unsigned seed) {
    std::vector<unsigned> places(256);
    for (unsigned i = 0; i < 256; ++i) places[i] = i;
    std::shuffle(places.begin(), places.end(), std::mt19937(seed));
    for (unsigned i = 0; i < bits; ++i) {
        hash[places[i] / 8] ^= static_cast<std::uint8_t>(1U << (places[i] % 8));
    }
    return hash;
}

unsigned distance(const std::uint8_t* a, const std::uint8_t* b) {
    unsigned sum = 0;
    for (std::size_t at = 0; at < kHashBytes; at += 8) {
        std::uint64_t x, y;
        std::memcpy(&x, a + at, 8);
        std::memcpy(&y, b + at, 8);
        sum += static_cast<unsigned>(__builtin_popcountll(x ^ y));
    }
    return sum;
}

std::vector<Isa> isas() {
    std::vector<Isa> all;
    for (const Isa isa : {Isa::plain, Isa::avx2, Isa::avx512, Isa::neon}) {
        if (isa_supported(isa)) all.push_back(isa);
    }
    return all;
}

// A query, an id and their distance.
using Match = std::tuple<std::uint32_t, std::int64_t, std::uint32_t>;
using Matches = std::vector<Match>;

Matches matches_of(const Segment& segment, const std::vector<RowHit>& hits) {
    Matches matches;
    for (const RowHit& hit : hits) {
        const Positions positions = segment.entries_of(hit.row);
        for (std::uint32_t at = positions.first; at < positions.last; ++at) {
            matches.emplace_back(hit.query, segment.id(at), hit.distance);
        }
    }
    std::sort(matches.begin(), matches.end());
    return matches;
}

// What a slow search finds at any radius.
class Oracle {
public:
    Oracle(const Bytes& hashes, const Ids& ids, const Bytes& queries) {
        for (std::size_t q = 0; q < queries.size() / kHashBytes; ++q) {
            for (std::size_t i = 0; i < ids.size(); ++i) {
                const unsigned bits = distance(hashes.data() + i * kHashBytes,
                                               queries.data() + q * kHashBytes);
                all_.emplace_back(static_cast<std::uint32_t>(q), ids[i], bits);
            }
        }
        std::sort(all_.begin(), all_.end());
    }

    Matches within(unsigned radius) const {
        Matches near;
        for (const Match& match : all_) {
            if (std::get<2>(match) <= radius) near.push_back(match);
        }
        return near;
    }

private:
    Matches all_;
};

bool by_query(const RowHit& a, const RowHit& b) { return a.query < b.query; }

SegmentView view_of(const Segment& segment) {
    return SegmentView(segment.bytes().data(), segment.counts());
}

// Searches with every instruction set at each radius and compares with the slow search.
void check_searches(const Bytes& hashes, const Ids& ids, const Bytes& queries,
                    const std::vector<unsigned>& radii) {
    const Built segment = Segment::build(hashes, ids, nothing);
    const Oracle oracle(hashes, ids, queries);
    for (const unsigned radius : radii) {
        const Matches expected = oracle.within(radius);
        for (const Isa isa : isas()) {
            for (const Way way : {Way::cheapest, Way::tables}) {
                std::vector<RowHit> hits;
                search_segment(view_of(*segment), queries, radius, isa, way, hits, nothing);
                CHECK(std::is_sorted(hits.begin(), hits.end(), by_query));
                CHECK(matches_of(*segment, hits) == expected);
            }
        }
    }
}

std::vector<unsigned> every_radius() {
    std::vector<unsigned> radii;
    for (unsigned radius = 0; radius <= 80; ++radius) radii.push_back(radius);
    radii.push_back(127);
    radii.push_back(255);
    return radii;
}

const std::vector<unsigned> kSomeRadii = {0, 1, 14, 15, 16, 30, 31, 32, 47, 64, 79, 80, 255};

// Random hashes of which some lie at every distance up to 80 from the queries.
Bytes planted(std::size_t count, const Bytes& queries, unsigned seed) {
    Bytes hashes = random_hashes(count, seed);
    const std::size_t many = queries.size() / kHashBytes;
    for (std::size_t i = 0; i < count && i < 81 * many; ++i) {
        const Bytes query = one_of(queries, i % many);
        set(hashes, count - 1 - i, flipped(query, static_cast<unsigned>(i / many), seed + 1));
    }
    return hashes;
}

std::string message_of(const Bytes& hashes, const Ids& ids) {
    try {
        Segment::build(hashes, ids, nothing);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

Memory copy_of(std::span<const std::uint8_t> bytes) {
    Memory memory = Memory::allocate(bytes.size());
    std::memcpy(memory.data(), bytes.data(), bytes.size());
    return memory;
}

std::vector<std::uint32_t> found_ids(const Segment& segment, const Ids& wanted) {
    std::vector<std::uint32_t> positions;
    segment.find(wanted, [&](std::uint32_t position) { positions.push_back(position); });
    return positions;
}

}  // namespace

TEST("random and planted hashes are found at every radius") {
    const Bytes queries = random_hashes(9, 1);
    const std::size_t count = kRingLeast + 1000;
    check_searches(planted(count, queries, 2), counted(count, -500), queries, every_radius());
}

TEST("segments of few rows, and of just enough for tables") {
    const Bytes queries = random_hashes(3, 1);
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{31},
                                    std::size_t{32}, std::size_t{33}, kRingLeast - 1, kRingLeast,
                                    kRingLeast + 1}) {
        check_searches(planted(count, queries, 3), counted(count), queries, kSomeRadii);
    }
}

TEST("hashes that crowd around a few, so that some buckets hold nearly all") {
    const std::size_t count = kRingLeast + 5000;
    const Bytes centers = random_hashes(3, 5);
    Bytes hashes = random_hashes(count, 6);
    std::mt19937 random(7);
    for (std::size_t i = 0; i < count; ++i) {
        if (i % 8 == 7) continue;
        set(hashes, i, flipped(one_of(centers, i % 3), random() % 12, static_cast<unsigned>(i)));
    }
    Bytes queries = centers;
    add(queries, random_hashes(3, 8));
    add(queries, flipped(one_of(centers, 1), 10, 9));
    add(queries, one_of(hashes, 7));
    check_searches(hashes, counted(count), queries, kSomeRadii);
}

TEST("hashes that mostly come several times, with ids in any order") {
    const std::size_t count = 3 * kRingLeast;
    const Bytes few = random_hashes(kRingLeast + 3000, 10);
    Bytes hashes;
    std::mt19937 random(11);
    for (std::size_t i = 0; i < count; ++i) {
        add(hashes, one_of(few, random() % (kRingLeast + 3000)));
    }
    Ids ids = counted(count, -1000);
    std::shuffle(ids.begin(), ids.end(), random);
    Bytes queries = flipped(one_of(hashes, 5), 20, 1);
    add(queries, one_of(hashes, 77));
    check_searches(hashes, ids, queries, kSomeRadii);
}

TEST("all zeros and all ones among others, and nothing but them") {
    const Bytes zeros(kHashBytes, 0), ones(kHashBytes, 255);
    Bytes queries = zeros;
    add(queries, ones);
    add(queries, flipped(zeros, 31, 1));
    Bytes hashes = random_hashes(kRingLeast, 12);
    for (std::size_t i = 0; i < 200; ++i) set(hashes, i * 3, i % 2 == 0 ? zeros : ones);
    Bytes more = random_hashes(400, 13);
    add(hashes, more);
    check_searches(hashes, counted(kRingLeast + 400), queries, kSomeRadii);
    Bytes two = zeros;
    add(two, ones);
    add(two, zeros);
    check_searches(two, {3, 2, 1}, queries, kSomeRadii);
}

TEST("near rows whose bits lie in one slot, or one in each") {
    const std::size_t count = kRingLeast + 16 * 16 * 2;
    const Bytes query = random_hashes(1, 14);
    Bytes hashes = random_hashes(count, 15);
    for (std::size_t slot = 0; slot < 16; ++slot) {
        std::uint64_t words[kHashWords];
        for (std::size_t bits = 1; bits <= 16; ++bits) {
            Bytes hash(kHashBytes);
            permute::to_stored(query.data(), words);
            words[slot / 4] ^= ((std::uint64_t{1} << bits) - 1) << (slot % 4 * 16);
            permute::from_stored(words, hash.data());
            set(hashes, slot * 16 + bits - 1, hash);
            permute::to_stored(query.data(), words);
            for (std::size_t other = slot; other < slot + bits; ++other) {
                words[other % 16 / 4] ^= std::uint64_t{3} << (other % 4 * 16 + slot % 15);
            }
            permute::from_stored(words, hash.data());
            set(hashes, 256 + slot * 16 + bits - 1, hash);
        }
    }
    check_searches(hashes, counted(count), query, every_radius());
}

TEST("one hash with very many ids is one row") {
    const std::size_t many = std::size_t{1} << 17;
    const Bytes hash = random_hashes(1, 16);
    Bytes hashes;
    for (std::size_t i = 0; i < many; ++i) add(hashes, hash);
    const Built segment = Segment::build(hashes, counted(many, -9), nothing);
    CHECK(segment->counts().rows == 1);
    CHECK(segment->counts().singles == 0);
    std::vector<RowHit> hits;
    segment->search(flipped(hash, 31, 1), 31, hits, nothing);
    CHECK(hits.size() == 1);
    CHECK(hits[0].distance == 31);
    const Positions positions = segment->entries_of(hits[0].row);
    CHECK(positions.first == 0 && positions.last == many);
    for (std::uint32_t at = 0; at < many; ++at) CHECK(segment->id(at) == std::int64_t{at} - 9);
}

TEST("a row within the radius is found from many slots and told once, after what was there") {
    const Bytes hashes = random_hashes(kRingLeast, 17);
    const Built segment = Segment::build(hashes, counted(kRingLeast), nothing);
    std::vector<RowHit> hits = {{0, 99, 99}};
    Bytes queries = one_of(hashes, 5);
    add(queries, one_of(hashes, 4));
    segment->search(queries, 47, hits, nothing);
    CHECK(hits.size() == 3);
    CHECK(hits[0].query == 0 && hits[0].row == 99 && hits[0].distance == 99);
    CHECK(hits[1].query == 0 && hits[1].row == 5 && hits[1].distance == 0);
    CHECK(hits[2].query == 1 && hits[2].row == 4 && hits[2].distance == 0);
}

TEST("rows with one id come first, and ids grow") {
    const Bytes five = random_hashes(5, 18);
    Bytes hashes;
    for (const std::size_t row : {3, 1, 0, 1, 2, 3, 4, 3}) add(hashes, one_of(five, row));
    const Ids ids = {70, -4, 5, 60, -20, 6, 90, 8};
    const Built segment = Segment::build(hashes, ids, nothing);
    CHECK(segment->counts().entries == 8);
    CHECK(segment->counts().rows == 5);
    CHECK(segment->counts().singles == 3);
    CHECK(segment->bytes().size() == Segment::bytes_for(segment->counts()));
    const std::vector<std::pair<std::size_t, Ids>> expected = {
        {2, {-20}}, {0, {5}}, {4, {90}}, {1, {-4, 60}}, {3, {6, 8, 70}}};
    for (std::uint32_t row = 0; row < 5; ++row) {
        Bytes hash(kHashBytes);
        segment->copy_hash(row, hash.data());
        CHECK(hash == one_of(five, expected[row].first));
        Ids own;
        const Positions positions = segment->entries_of(row);
        for (std::uint32_t at = positions.first; at < positions.last; ++at) {
            own.push_back(segment->id(at));
        }
        CHECK(own == expected[row].second);
    }
    Ids found;
    for (const std::uint32_t at : found_ids(*segment, {-100, -20, -4, 5, 7, 8, 60, 61, 90, 100})) {
        found.push_back(segment->id(at));
    }
    std::sort(found.begin(), found.end());
    CHECK(found == Ids({-20, -4, 5, 8, 60, 90}));
}

TEST("what is built does not depend on chance or on the order of what is given") {
    const std::size_t count = kRingLeast + 4000;
    Bytes hashes = random_hashes(count, 19);
    for (std::size_t i = 0; i < 2000; ++i) set(hashes, i * 2, one_of(hashes, i * 5 + 1));
    const Built segment = Segment::build(hashes, counted(count, -7), nothing);
    std::vector<std::size_t> order(count);
    for (std::size_t i = 0; i < count; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), std::mt19937(20));
    Bytes mixed;
    Ids ids;
    for (const std::size_t row : order) {
        add(mixed, one_of(hashes, row));
        ids.push_back(static_cast<std::int64_t>(row) - 7);
    }
    const Built other = Segment::build(mixed, ids, nothing);
    CHECK(std::ranges::equal(segment->bytes(), other->bytes()));
}

TEST("every id of a large segment is found, and no other") {
    const std::size_t count = 5000;
    Bytes hashes = random_hashes(count, 21);
    for (std::size_t i = 0; i < 1000; ++i) set(hashes, i * 3, one_of(hashes, i * 2 + 1));
    Ids ids;
    for (const std::int64_t id : counted(count, -2000)) ids.push_back(id * (std::int64_t{1} << 40));
    const Built segment = Segment::build(hashes, ids, nothing);
    std::vector<std::uint32_t> positions = found_ids(*segment, ids);
    std::sort(positions.begin(), positions.end());
    std::vector<std::uint32_t> expected(count);
    for (std::uint32_t i = 0; i < count; ++i) expected[i] = i;
    CHECK(positions == expected);
    for (std::int64_t& id : ids) ++id;
    CHECK(found_ids(*segment, ids).empty());
}

TEST("an id that is given twice, and too few ids, are refused") {
    CHECK(message_of(random_hashes(3, 1), {9, -8, 9}) ==
          "id 9 is given twice; each entry needs an id of its own");
    CHECK(message_of(random_hashes(2, 1), {-8, -8}) ==
          "id -8 is given twice; each entry needs an id of its own");
    CHECK(message_of(random_hashes(3, 1), {9, 8}) == "there must be one id for each hash");
    CHECK(message_of(random_hashes(3, 1), {9, 8, -9}) == "");
}

TEST("a segment takes 138 bytes an entry at most from ten million on") {
    CHECK(Segment::bytes_for({10'000'000, 10'000'000, 10'000'000}) <= std::size_t{1'380'000'000});
    CHECK(Segment::bytes_for({1'000'000, 1'000'000, 1'000'000}) <= std::size_t{142'000'000});
    CHECK(Segment::bytes_for({1'000'000, 1, 0}) <= std::size_t{12'001'000});
}

TEST("impossible counts, and memory of another size, are refused") {
    using Counts = SegmentCounts;
    constexpr std::uint64_t kTooMany = std::uint64_t{1} << 32;
    for (const Counts& counts : {Counts{1, 2, 1}, Counts{2, 1, 2}, Counts{3, 3, 2}, Counts{4, 2, 2},
                                 Counts{kTooMany, 1, 0}, Counts{~0ULL, ~0ULL, ~0ULL}}) {
        CHECK_THROWS(Segment::over(Memory::allocate(4096), counts), std::invalid_argument);
    }
    const Counts counts{5, 4, 3};
    const std::size_t bytes = Segment::bytes_for(counts);
    CHECK_THROWS(Segment::over(Memory::allocate(bytes - 1), counts), std::invalid_argument);
    CHECK_THROWS(Segment::over(Memory::allocate(bytes + 1), counts), std::invalid_argument);
    CHECK_THROWS(Segment::over(Memory(), counts), std::invalid_argument);
    CHECK(Segment::over(Memory::allocate(bytes), counts)->counts().rows == 4);
}

TEST("a file is searched where it is mapped") {
    const Bytes hashes = random_hashes(kRingLeast + 10, 22);
    const Built segment = Segment::build(hashes, counted(kRingLeast + 10), nothing);
    std::FILE* file = std::tmpfile();
    const Bytes head(4096, 1);
    std::fwrite(head.data(), 1, head.size(), file);
    std::fwrite(segment->bytes().data(), 1, segment->bytes().size(), file);
    std::fflush(file);
    Memory memory = Memory::map(fileno(file), 4096, segment->bytes().size());
    std::fclose(file);
    const Built mapped = Segment::over(std::move(memory), segment->counts());
    CHECK(std::ranges::equal(segment->bytes(), mapped->bytes()));
    std::vector<RowHit> hits;
    mapped->search(one_of(hashes, 1234), 31, hits, nothing);
    CHECK(hits.size() == 1 && hits[0].row == 1234 && hits[0].distance == 0);
    CHECK_THROWS(Memory::map(-1, 4096, 100), std::system_error);
}

TEST("damaged memory gives wrong answers, but nothing outside it is read") {
    const std::size_t count = kRingLeast + 3000;
    Bytes hashes = random_hashes(count, 23);
    for (std::size_t i = 0; i < 1500; ++i) set(hashes, i, one_of(hashes, i + 1500));
    const Built segment = Segment::build(hashes, counted(count), nothing);
    const SegmentLayout layout(segment->counts());
    Bytes queries = one_of(hashes, 1);
    add(queries, random_hashes(2, 1));
    std::mt19937 random(24);
    for (int round = 0; round < 12; ++round) {
        Memory memory = copy_of(segment->bytes());
        // All that follows the ids; in some rounds only here and there.
        for (std::size_t at = layout.multi_offsets; at < memory.size();) {
            memory.data()[at] = static_cast<std::uint8_t>(round % 3 == 0 ? 255 : random());
            at += round < 6 ? 1 : random() % 64 + 1;
        }
        const Built damaged = Segment::over(std::move(memory), segment->counts());
        const SegmentView view = view_of(*damaged);
        for (const unsigned radius : {0U, 15U, 31U, 47U, 64U}) {
            for (const Isa isa : isas()) {
                std::vector<RowHit> hits;
                search_segment(view, queries, radius, isa, Way::tables, hits, nothing);
                for (const RowHit& hit : hits) CHECK(hit.row < view.counts.rows);
            }
        }
        for (std::uint32_t row = 0; row < damaged->counts().rows; ++row) {
            const Positions positions = damaged->entries_of(row);
            CHECK(positions.first <= positions.last && positions.last <= count);
        }
        for (const std::uint32_t at : found_ids(*damaged, counted(4000))) CHECK(at < count);
    }
}

TEST("what pause throws ends a search and a build") {
    const Bytes hashes = random_hashes(kRingLeast * 4, 25);
    const Ids ids = counted(kRingLeast * 4);
    const Built segment = Segment::build(hashes, ids, nothing);
    const auto stop = [] { throw std::runtime_error("stop"); };
    CHECK_THROWS(Segment::build(hashes, ids, stop), std::runtime_error);
    for (const unsigned radius : {31U, 255U}) {
        std::vector<RowHit> hits;
        CHECK_THROWS((segment->search(random_hashes(2000, 1), radius, hits, stop), 0),
                     std::runtime_error);
    }
}

TEST("a short search and a long one pause as often as they should") {
    const Bytes hashes = random_hashes(kRingLeast, 26);
    int pauses = 0;
    const Built segment = Segment::build(hashes, counted(kRingLeast), [&] { ++pauses; });
    CHECK(pauses >= 16);
    pauses = 0;
    std::vector<RowHit> hits;
    segment->search(one_of(hashes, 1), 31, hits, [&] { ++pauses; });
    CHECK(pauses == 0);
    segment->search(random_hashes(2000, 1), 31, hits, [&] { ++pauses; });
    CHECK(pauses >= 2 && pauses < 100);
}
