#include <algorithm>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "flat_index.hpp"
#include "hamming.hpp"

namespace {

using namespace safelight;
using hamming::kHashBytes;

using Bytes = std::vector<std::uint8_t>;
using Ids = std::vector<std::int64_t>;

Bytes random_hashes(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    Bytes hashes(count * kHashBytes);
    for (auto& byte : hashes) byte = static_cast<std::uint8_t>(random());
    return hashes;
}

Ids counted(std::size_t count, std::int64_t first = 0) {
    Ids ids(count);
    for (auto& id : ids) id = first++;
    return ids;
}

void flip(std::uint8_t* hash, unsigned bits, unsigned seed) {
    std::vector<unsigned> places(256);
    for (unsigned i = 0; i < 256; ++i) places[i] = i;
    std::shuffle(places.begin(), places.end(), std::mt19937(seed));
    for (unsigned i = 0; i < bits; ++i) {
        hash[places[i] / 8] ^= static_cast<std::uint8_t>(1U << (places[i] % 8));
    }
}

unsigned slow_distance(const std::uint8_t* a, const std::uint8_t* b) {
    unsigned distance = 0;
    for (std::size_t i = 0; i < kHashBytes; ++i) {
        for (unsigned bits = a[i] ^ b[i]; bits != 0; bits &= bits - 1) ++distance;
    }
    return distance;
}

std::vector<Isa> isas() {
    std::vector<Isa> all;
    for (const Isa isa : {Isa::plain, Isa::avx2, Isa::avx512, Isa::neon}) {
        if (isa_supported(isa)) all.push_back(isa);
    }
    return all;
}

// Hashes in the layout the kernels read, of exactly as many rows, so that ASan sees any overrun.
struct Columns {
    explicit Columns(const Bytes& hashes) : full(hashes.size() / 8) {
        for (std::size_t at = 0; at < hashes.size(); at += kHashBytes) {
            const hamming::Query query = hamming::make_query(hashes.data() + at);
            for (int i = 0; i < 3; ++i) prefix[i].push_back(query.prefix[i]);
        }
        for (auto& words : prefix) words.shrink_to_fit();
        if (!hashes.empty()) std::memcpy(full.data(), hashes.data(), hashes.size());
    }
    hamming::Rows rows() const {
        return {{prefix[0].data(), prefix[1].data(), prefix[2].data()}, full.data(), prefix[0].size()};
    }
    std::vector<std::uint32_t> prefix[3];
    std::vector<std::uint64_t> full;
};

Matches search(const FlatIndex& index, const Bytes& queries, unsigned radius,
               std::size_t limit = kNoLimit) {
    return index.snapshot()->search(queries, radius, limit, [] {});
}

std::string message_of(FlatIndex& index, const Bytes& hashes, const Ids& ids) {
    try {
        index.add(hashes, ids);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST("the 96 screening bits are 96 different bits of the hash") {
    Bytes hash(kHashBytes, 0);
    unsigned used = 0;
    for (unsigned bit = 0; bit < 256; ++bit) {
        std::fill(hash.begin(), hash.end(), 0);
        hash[bit / 8] = static_cast<std::uint8_t>(1U << (bit % 8));
        const hamming::Query query = hamming::make_query(hash.data());
        int ones = 0;
        for (const std::uint32_t word : query.prefix) ones += __builtin_popcount(word);
        CHECK(ones <= 1);
        used += static_cast<unsigned>(ones);
    }
    CHECK(used == 96);
}

TEST("every instruction set finds what a slow loop finds, at every radius and count of rows") {
    for (const std::size_t count : {0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 63, 64, 65, 127, 200}) {
        const Bytes query = random_hashes(1, 7);
        Bytes hashes = random_hashes(count, 8);
        for (std::size_t i = 0; i < count; i += 2) {  // every other row lies near the query
            std::memcpy(hashes.data() + i * kHashBytes, query.data(), kHashBytes);
            flip(hashes.data() + i * kHashBytes, static_cast<unsigned>(i * 37 % 257), 9);
        }
        const Columns columns(hashes);
        std::vector<std::uint32_t> rows(count);
        std::vector<hamming::Hit> hits(count);
        for (const Isa isa : isas()) {
            for (unsigned radius = 0; radius <= 256; ++radius) {
                const std::size_t found =
                    hamming::kernels_for(isa).search(columns.rows(), hamming::make_query(query.data()),
                                                     radius, rows.data(), hits.data());
                std::size_t n = 0;
                for (std::uint32_t row = 0; row < count; ++row) {
                    const unsigned distance =
                        slow_distance(hashes.data() + row * kHashBytes, query.data());
                    if (distance > radius) continue;
                    CHECK(n < found && hits[n].row == row && hits[n].distance == distance);
                    ++n;
                }
                CHECK(n == found);
            }
        }
    }
}

TEST("both screens agree on each instruction set") {
    const Bytes hashes = random_hashes(3000, 1), query = random_hashes(1, 2);
    const Columns columns(hashes);
    std::vector<std::uint32_t> found(3000);
    std::vector<hamming::Hit> hits(3000), others(3000);
    const hamming::Query wanted = hamming::make_query(query.data());
    for (const Isa isa : isas()) {
        const hamming::Kernels kernels = hamming::kernels_for(isa);
        for (const unsigned radius : {0U, 31U, 96U, 128U, 256U}) {
            std::size_t n = kernels.prefix(columns.rows(), wanted, radius, found.data());
            n = kernels.verify(columns.rows(), wanted, radius, found.data(), n, hits.data());
            const std::size_t m = kernels.full(columns.rows(), wanted, radius, found.data());
            CHECK(n == m);
            for (std::size_t i = 0; i < n; ++i) CHECK(hits[i].row == found[i]);
        }
    }
}

TEST("an empty index and empty queries give nothing") {
    FlatIndex index;
    CHECK(search(index, random_hashes(3, 1), 256).offsets == Ids({0, 0, 0, 0}));
    CHECK(search(index, {}, 256).offsets == Ids({0}));
    index.add({}, {});
    CHECK(index.remove(Ids{1}) == 0);
    CHECK(index.snapshot()->live() == 0);
}

TEST("distance 256 is found at radius 256 and no less") {
    FlatIndex index;
    index.add(Bytes(kHashBytes, 0), Ids{5});
    const Bytes opposite(kHashBytes, 255);
    CHECK(search(index, opposite, 255).ids.empty());
    const Matches matches = search(index, opposite, 256);
    CHECK(matches.ids == Ids{5});
    CHECK(matches.distances == std::vector<std::uint16_t>{256});
}

TEST("several blocks and tiles, more queries than a group") {
    const std::size_t count = 2 * kBlockRows + 4097;
    const Bytes hashes = random_hashes(count, 3);
    FlatIndex index;
    index.add(hashes, counted(count, -1000));
    Bytes queries;
    Ids expected;
    for (std::size_t row = 0; row < count; row += 1009) {
        queries.insert(queries.end(), hashes.begin() + static_cast<long>(row * kHashBytes),
                       hashes.begin() + static_cast<long>((row + 1) * kHashBytes));
        flip(queries.data() + queries.size() - kHashBytes, 20, 4);
        expected.push_back(static_cast<std::int64_t>(row) - 1000);
    }
    const Matches matches = search(index, queries, 31);
    CHECK(matches.ids == expected);
    CHECK(matches.offsets == counted(expected.size() + 1));
    CHECK(matches.distances == std::vector<std::uint16_t>(expected.size(), 20));
}

TEST("an id that is present or given twice changes nothing") {
    FlatIndex index;
    index.add(random_hashes(3, 1), Ids{3, -7, 5});
    CHECK(message_of(index, random_hashes(2, 2), {8, -7}) ==
          "id -7 is in the index already; remove it first");
    CHECK(message_of(index, random_hashes(3, 2), {9, 8, 9}) ==
          "id 9 is given twice; each entry needs an id of its own");
    CHECK(message_of(index, random_hashes(3, 2), {9, 8}) == "there must be one id for each hash");
    CHECK(index.snapshot()->live() == 3);
    index.remove(Ids{-7});
    CHECK(message_of(index, random_hashes(2, 2), {8, -7}) == "");
}

TEST("ids in any order are found in full and partial blocks") {
    const std::size_t count = 2 * kBlockRows + 100;
    Ids ids = counted(count, -5);
    std::shuffle(ids.begin(), ids.end(), std::mt19937(1));
    FlatIndex index;
    index.add(random_hashes(count, 5), ids);
    for (const std::size_t row : {std::size_t{0}, kBlockRows, count - 1}) {
        CHECK(message_of(index, random_hashes(1, 1), {ids[row]}) != "");
        CHECK(index.remove(Ids{ids[row], ids[row], 1 << 30}) == 1);
        CHECK(index.remove(Ids{ids[row]}) == 0);
        CHECK(message_of(index, random_hashes(1, 1), {ids[row]}) == "");
        CHECK(message_of(index, random_hashes(1, 1), {ids[row]}) != "");
    }
    CHECK(index.snapshot()->live() == count);
}

TEST("check_ids finds what extend let in") {
    FlatIndex index;
    index.extend(random_hashes(2, 1), Ids{1, 2});
    index.extend(random_hashes(2, 1), Ids{4, 3});
    index.check_ids();
    index.extend(random_hashes(1, 1), Ids{2});
    CHECK_THROWS((index.check_ids(), 0), std::invalid_argument);
}

TEST("removing most entries gives their memory back and keeps the rest") {
    const std::size_t count = kBlockRows + 10;
    const Bytes hashes = random_hashes(count, 6);
    FlatIndex index;
    index.add(hashes, counted(count));
    const auto before = index.snapshot();
    CHECK(index.remove(counted(count - 3)) == count - 3);
    CHECK(index.snapshot()->blocks() == 1);
    CHECK(search(index, Bytes(kHashBytes, 0), 256).ids ==
          Ids({kBlockRows + 7, kBlockRows + 8, kBlockRows + 9}));
    CHECK(before->live() == count);  // who looked before still sees all
    CHECK(before->search(Bytes(kHashBytes, 0), 256, kNoLimit, [] {}).ids.size() == count);
    index.remove(counted(count));
    CHECK(index.snapshot()->live() == 0);
}

TEST("the limit keeps the nearest, and of equals the first added") {
    Bytes hashes;
    for (int copy = 0; copy < 3000; ++copy) {
        for (const unsigned distance : {3U, 1U, 2U}) {
            hashes.resize(hashes.size() + kHashBytes);
            flip(hashes.data() + hashes.size() - kHashBytes, distance, 1);
        }
    }
    FlatIndex index;
    index.add(hashes, counted(9000));
    for (const std::size_t limit : {1, 2, 50, 3000, 3001, 8999, 9000, 9001}) {
        Matches matches = search(index, Bytes(kHashBytes, 0), 31, limit);
        std::sort(matches.ids.begin(), matches.ids.end());
        Ids expected;
        for (const int place : {1, 2, 0}) {
            for (int copy = 0; copy < 3000 && expected.size() < limit; ++copy) {
                expected.push_back(copy * 3 + place);
            }
        }
        std::sort(expected.begin(), expected.end());
        CHECK(matches.ids == expected);
    }
}

TEST("copy_block gives the live entries in the order they were added") {
    const Bytes hashes = random_hashes(4, 1);
    FlatIndex index;
    index.add(hashes, Ids{4, 3, 2, 1});
    index.remove(Ids{3});
    const auto now = index.snapshot();
    Bytes copied(now->block_live(0) * kHashBytes);
    Ids ids(now->block_live(0));
    now->copy_block(0, copied.data(), ids.data());
    CHECK(ids == Ids({4, 2, 1}));
    Bytes expected(hashes.begin(), hashes.begin() + 32);
    expected.insert(expected.end(), hashes.begin() + 64, hashes.end());
    CHECK(copied == expected);
}

TEST("what pause throws ends the search") {
    FlatIndex index;
    index.add(random_hashes(2, 1), Ids{1, 2});
    const auto stop = [] { throw std::runtime_error("stop"); };
    CHECK_THROWS(index.snapshot()->search(random_hashes(1, 1), 31, kNoLimit, stop),
                 std::runtime_error);
}

TEST("a search beside a writer sees each change whole or not at all") {
    FlatIndex index;
    index.add(random_hashes(1000, 1), counted(1000));
    std::thread writer([&] {
        for (int round = 0; round < 200; ++round) {
            index.add(random_hashes(50, 2), counted(50, 5000));
            index.remove(counted(50, 5000));
        }
    });
    for (int round = 0; round < 200; ++round) {
        const std::size_t seen = search(index, Bytes(kHashBytes, 0), 256).ids.size();
        CHECK(seen == 1000 || seen == 1050);
    }
    writer.join();
    CHECK(index.snapshot()->live() == 1000);
}
