#include "index.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"

namespace {

using namespace safelight;
using hamming::kHashBytes;

using Bytes = std::vector<std::uint8_t>;
using Ids = std::vector<std::int64_t>;

constexpr Tuning kSmall{.merge_rows = 40, .direct_rows = 100};
const Pause kNoPause = [] {};
const Bytes kZeros(kHashBytes, 0);

Bytes hashes_of(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    Bytes hashes(count * kHashBytes);
    for (auto& byte : hashes) byte = static_cast<std::uint8_t>(random());
    return hashes;
}

// Few different hashes, close to each other: rows with many ids.
Bytes close_hashes(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    Bytes hashes(count * kHashBytes, 0);
    for (std::size_t i = 0; i < count; ++i) hashes[i * kHashBytes + random() % 32] = random() % 4;
    return hashes;
}

Ids from_to(std::int64_t first, std::int64_t last) {
    Ids ids;
    for (; first < last; ++first) ids.push_back(first);
    return ids;
}

Ids sorted(Ids ids) {
    std::sort(ids.begin(), ids.end());
    return ids;
}

Matches search(const Index& index, const Bytes& queries, unsigned radius, std::size_t limit = kNoLimit) {
    return index.snapshot()->search(queries, radius, limit, kNoPause);
}

Ids every_id(const Index& index) {
    Ids ids = search(index, kZeros, 255).ids;
    const Ids others = search(index, Bytes(kHashBytes, 255), 127).ids;
    ids.insert(ids.end(), others.begin(), others.end());
    ids = sorted(std::move(ids));
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

std::string message_of(Index& index, const Bytes& hashes, const Ids& ids) {
    try {
        index.add(hashes, ids, kNoPause);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

// Waits until the background has nothing more to do.
Statistics at_rest(Index& index) {
    for (;;) {
        const Statistics all = index.statistics();
        if (!all.merging) return all;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

// The answer of a plain loop: (distance, id), the nearest first.
std::vector<std::pair<unsigned, std::int64_t>> expected(const std::map<std::int64_t, Bytes>& model,
                                                        const std::uint8_t* query, unsigned radius) {
    std::vector<std::pair<unsigned, std::int64_t>> found;
    for (const auto& [id, hash] : model) {
        unsigned distance = 0;
        for (std::size_t i = 0; i < kHashBytes; ++i) {
            distance += static_cast<unsigned>(__builtin_popcount(hash[i] ^ query[i]));
        }
        if (distance <= radius) found.push_back({distance, id});
    }
    std::sort(found.begin(), found.end());
    return found;
}

std::vector<std::pair<unsigned, std::int64_t>> found_by(const Matches& matches, std::size_t query) {
    std::vector<std::pair<unsigned, std::int64_t>> found;
    for (auto i = matches.offsets[query]; i < matches.offsets[query + 1]; ++i) {
        found.push_back({matches.distances[static_cast<std::size_t>(i)],
                         matches.ids[static_cast<std::size_t>(i)]});
    }
    std::sort(found.begin(), found.end());
    return found;
}

}  // namespace

TEST("an empty index and empty queries give nothing") {
    Index index;
    CHECK(search(index, hashes_of(3, 1), 255).offsets == Ids({0, 0, 0, 0}));
    CHECK(search(index, {}, 255).offsets == Ids({0}));
    index.add({}, {}, kNoPause);
    index.merge(kNoPause);
    CHECK(index.remove(Ids{1}) == 0);
    CHECK(index.snapshot()->live() == 0);
    CHECK(index.whole(kNoPause)->counts().entries == 0);
}

TEST("an id that is present or given twice changes nothing, in the delta and in segments") {
    for (const std::size_t count : {3, 300}) {
        Index index(kSmall);
        index.add(hashes_of(count, 1), from_to(-7, static_cast<std::int64_t>(count) - 7), kNoPause);
        CHECK(message_of(index, hashes_of(2, 2), {1000, -7}) ==
              "id -7 is in the index already; remove it first");
        CHECK(message_of(index, hashes_of(3, 2), {9000, 8000, 9000}) ==
              "id 9000 is given twice; each entry needs an id of its own");
        CHECK(message_of(index, hashes_of(3, 2), {9, 8}) == "there must be one id for each hash");
        CHECK(index.snapshot()->live() == count);
        CHECK(index.remove(Ids{-7, -7, 5000}) == 1);
        CHECK(message_of(index, hashes_of(2, 2), {1000, -7}) == "");
        CHECK(message_of(index, hashes_of(1, 2), {-7}) != "");
    }
}

TEST("a large batch with an id that is present changes nothing") {
    Index index(kSmall);
    index.add(hashes_of(1, 1), Ids{150}, kNoPause);
    CHECK(message_of(index, hashes_of(200, 2), from_to(0, 200)) ==
          "id 150 is in the index already; remove it first");
    CHECK(index.snapshot()->live() == 1);
    index.replace(hashes_of(200, 2), from_to(0, 200), kNoPause);
    CHECK(at_rest(index).entries == 200);
    CHECK(every_id(index) == from_to(0, 200));
}

TEST("ids in any order are found in full, sealed and open parts") {
    const std::size_t count = 2 * kBlockRows + 100;
    Ids ids = from_to(-5, static_cast<std::int64_t>(count) - 5);
    std::shuffle(ids.begin(), ids.end(), std::mt19937(1));
    Index index({.merge_rows = 1 << 20, .direct_rows = 1 << 20});
    index.add(hashes_of(count, 5), ids, kNoPause);
    CHECK(index.snapshot()->delta().parts().size() == 3);
    for (const std::size_t row : {std::size_t{0}, kBlockRows, count - 1}) {
        CHECK(message_of(index, hashes_of(1, 1), {ids[row]}) != "");
        CHECK(index.remove(Ids{ids[row], ids[row], 1 << 30}) == 1);
        CHECK(index.remove(Ids{ids[row]}) == 0);
        CHECK(message_of(index, hashes_of(1, 1), {ids[row]}) == "");
        CHECK(message_of(index, hashes_of(1, 1), {ids[row]}) != "");
    }
    CHECK(index.snapshot()->live() == count);
}

TEST("the limit keeps the nearest, and of equals the smallest ids, wherever they lie") {
    Bytes hashes;
    Ids ids;
    for (int copy = 0; copy < 3000; ++copy) {
        for (const unsigned bits : {3U, 1U, 2U}) {
            hashes.resize(hashes.size() + kHashBytes);
            hashes[hashes.size() - kHashBytes] = static_cast<std::uint8_t>((1U << bits) - 1);
            ids.push_back(9000 - static_cast<std::int64_t>(ids.size()));
        }
    }
    for (const std::size_t merge_rows : {100, 100000}) {
        Index index({.merge_rows = merge_rows, .direct_rows = 200});
        for (std::size_t at = 0; at < ids.size(); at += 50) {
            index.add(std::span(hashes).subspan(at * kHashBytes, 50 * kHashBytes),
                      std::span(ids).subspan(at, 50), kNoPause);
        }
        for (const std::size_t limit : {1, 2, 50, 2999, 3000, 3001, 8999, 9000, 9001}) {
            const auto found = found_by(search(index, kZeros, 31, limit), 0);
            std::vector<std::pair<unsigned, std::int64_t>> all;
            for (std::size_t i = 0; i < ids.size(); ++i) {
                all.push_back({std::vector<unsigned>{3, 1, 2}[i % 3], ids[i]});
            }
            std::sort(all.begin(), all.end());
            all.resize(std::min(limit, all.size()));
            CHECK(found == all);
        }
    }
}

TEST("an entry is told once per query, with the first of the hashes that come nearest") {
    for (const std::size_t merge_rows : {2, 100000}) {
        Index index({.merge_rows = merge_rows, .direct_rows = 100000});
        Bytes hashes(3 * kHashBytes, 0);
        hashes[kHashBytes] = 1;
        hashes[2 * kHashBytes + 5] = 255;
        index.add(hashes, Ids{30, 20, 10}, kNoPause);
        Bytes queries(2 * 3 * kHashBytes, 0);
        queries[0] = 7;                    // 3 and 2 bits from ids 30 and 20
        queries[kHashBytes] = 1;           // 1 and 0
        queries[2 * kHashBytes] = 0;       // 0 and 1
        queries[3 * kHashBytes] = 3;       // the second query: 2 and 1
        queries[4 * kHashBytes] = 0;       // 0 and 1
        queries[5 * kHashBytes + 9] = 1;   // 1 and 2
        for (const std::size_t limit : {std::size_t{1}, std::size_t{2}, kNoLimit}) {
            const Matches all =
                index.snapshot()->search_oriented(queries, 3, 3, limit, kNoPause);
            CHECK(all.offsets == (limit == 1 ? Ids({0, 1, 2}) : Ids({0, 2, 4})));
            CHECK(found_by(all, 0).front() == std::pair(0U, std::int64_t{20}));
            CHECK(found_by(all, 1).front() == std::pair(0U, std::int64_t{30}));
            for (std::size_t i = 0; i < all.ids.size(); ++i) {
                const bool first = static_cast<std::int64_t>(i) < all.offsets[1];
                const int wanted = first ? (all.ids[i] == 20 ? 1 : 2) : (all.ids[i] == 20 ? 0 : 1);
                CHECK(all.orientations[i] == wanted);
            }
        }
    }
}

TEST("any order of changes and merges gives what a plain loop over a map gives") {
    for (unsigned seed = 0; seed < 12; ++seed) {
        std::mt19937 random(seed);
        Index index(kSmall);
        std::map<std::int64_t, Bytes> model;
        for (int step = 0; step < 120; ++step) {
            const std::size_t count = random() % 9 == 0 ? 130 : random() % 20;
            Bytes hashes = seed % 2 ? close_hashes(count, random()) : hashes_of(count, random());
            Ids ids;
            while (ids.size() < count) {
                const std::int64_t id = static_cast<std::int64_t>(random() % 400) - 50;
                if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
            }
            const auto known = [&](std::int64_t id) { return model.count(id) != 0; };
            const unsigned what = random() % 8;
            if (what == 0) {
                index.merge(kNoPause);
            } else if (what < 3) {
                CHECK(index.remove(ids) ==
                      static_cast<std::size_t>(std::count_if(ids.begin(), ids.end(), known)));
                for (const std::int64_t id : ids) model.erase(id);
            } else if (what == 3 && std::any_of(ids.begin(), ids.end(), known)) {
                CHECK(message_of(index, hashes, ids) != "");
            } else {
                index.replace(hashes, ids, kNoPause);
                for (std::size_t i = 0; i < count; ++i) {
                    model[ids[i]].assign(hashes.begin() + static_cast<long>(i * kHashBytes),
                                         hashes.begin() + static_cast<long>((i + 1) * kHashBytes));
                }
            }
            const Bytes query = seed % 2 ? close_hashes(1, random()) : hashes_of(1, random());
            const unsigned radius = seed % 2 ? 3 : 110;
            auto wanted = expected(model, query.data(), radius);
            CHECK(found_by(search(index, query, radius), 0) == wanted);
            wanted.resize(std::min<std::size_t>(wanted.size(), 5));
            CHECK(found_by(search(index, query, radius, 5), 0) == wanted);
            CHECK(index.snapshot()->live() == model.size());
        }
        index.merge(kNoPause);
        CHECK(index.whole(kNoPause)->counts().entries == model.size());
    }
}

TEST("small batches become few segments of sizes that lie apart") {
    Index index(kSmall);
    for (int batch = 0; batch < 300; ++batch) {
        const std::int64_t first = batch * 10;
        index.add(hashes_of(10, static_cast<unsigned>(batch)), from_to(first, first + 10), kNoPause);
    }
    const Statistics all = at_rest(index);
    CHECK(all.entries == 3000 && all.merge_error.empty());
    CHECK(all.segments >= 1 && all.segments <= 4);
    CHECK(all.in_delta < kSmall.merge_rows);
    const auto now = index.snapshot();
    for (std::size_t i = 1; i < now->segments().size(); ++i) {
        CHECK(now->segments()[i - 1].live() > 4 * now->segments()[i].live());
    }
    CHECK(every_id(index) == from_to(0, 3000));
}

TEST("what is removed gives its memory back once it is half of a segment") {
    Index index(kSmall);
    index.add(hashes_of(1000, 6), from_to(0, 1000), kNoPause);
    const auto before = index.snapshot();
    CHECK(index.remove(from_to(0, 400)) == 400);
    CHECK(at_rest(index).removed == 400);
    CHECK(index.remove(from_to(0, 600)) == 200);
    Statistics all = at_rest(index);
    CHECK(all.removed == 0 && all.segments == 1 && all.entries == 400);
    CHECK(every_id(index) == from_to(600, 1000));
    CHECK(index.remove(from_to(0, 990)) == 390);
    all = at_rest(index);
    CHECK(all.segments == 0 && all.in_delta == 10);  // too few for a segment
    CHECK(before->live() == 1000);  // who looked before still sees all
    CHECK(before->search(kZeros, 255, kNoLimit, kNoPause).ids.size() == 1000);
    CHECK(index.remove(from_to(0, 1000)) == 10);
    CHECK(index.snapshot()->live() == 0);
}

TEST("a merge carries over what is removed and replaced while it runs") {
    Index index({.merge_rows = 1 << 20, .direct_rows = 100});  // merges only when told to
    index.add(hashes_of(100, 1), from_to(0, 100), kNoPause);
    index.add(hashes_of(60, 2), from_to(100, 160), kNoPause);
    bool changed = false;
    index.merge([&] {
        if (changed) return;
        changed = true;
        CHECK(index.remove(Ids{3, 130}) == 2);
        index.replace(hashes_of(2, 3), Ids{4, 131}, kNoPause);
        index.add(hashes_of(1, 4), Ids{500}, kNoPause);
    });
    CHECK(changed);
    Ids wanted = from_to(0, 160);
    std::erase(wanted, 3);
    std::erase(wanted, 130);
    wanted.push_back(500);
    CHECK(every_id(index) == wanted);
    CHECK(search(index, hashes_of(2, 3), 0).ids == Ids({4, 131}));
    Bytes old(kHashBytes);
    std::memcpy(old.data(), hashes_of(100, 1).data() + 4 * kHashBytes, kHashBytes);
    CHECK(search(index, old, 0).ids.empty());
}

TEST("a merge that is stopped leaves the index as it was") {
    Index index({.merge_rows = 1 << 20, .direct_rows = 100});
    index.add(hashes_of(200, 1), from_to(0, 200), kNoPause);
    index.add(hashes_of(50, 2), from_to(200, 250), kNoPause);
    const Pause stop = [] { throw std::runtime_error("stop"); };
    CHECK_THROWS((index.merge(stop), 0), std::runtime_error);
    CHECK(every_id(index) == from_to(0, 250));
    index.add(hashes_of(1, 3), Ids{250}, kNoPause);
    index.merge(kNoPause);
    CHECK(every_id(index) == from_to(0, 251));
}

TEST("what pause throws ends the search") {
    Index index;
    index.add(hashes_of(2, 1), Ids{1, 2}, kNoPause);
    const Pause stop = [] { throw std::runtime_error("stop"); };
    CHECK_THROWS(index.snapshot()->search(hashes_of(1, 1), 31, kNoLimit, stop), std::runtime_error);
}

TEST("an index that goes away while it merges waits for that to stop") {
    for (int round = 0; round < 20; ++round) {
        Index index(kSmall);
        for (std::int64_t id = 0; id < 200; id += 20) {
            index.add(hashes_of(20, 1), from_to(id, id + 20), kNoPause);
        }
    }
}

TEST("a search beside writers and merges sees each change whole or not at all") {
    Index index(kSmall);
    index.add(hashes_of(1000, 1), from_to(0, 1000), kNoPause);
    std::thread writer([&] {
        for (int round = 0; round < 200; ++round) {
            index.add(hashes_of(50, 2), from_to(5000, 5050), kNoPause);
            index.replace(hashes_of(50, 3), from_to(5000, 5050), kNoPause);
            index.remove(from_to(5000, 5050));
        }
    });
    for (int round = 0; round < 200; ++round) {
        const std::size_t seen = search(index, kZeros, 255).ids.size();
        CHECK(seen == 1000 || seen == 1050);
    }
    writer.join();
    CHECK(at_rest(index).entries == 1000);
}

// A sanitizer's allocator may be left locked in a child by another thread of the parent, which
// glibc's is not: there a child only looks.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMayAllocate = false;
#else
constexpr bool kMayAllocate = true;
#endif

TEST("a forked child goes on with the index, whatever the parent's threads were doing") {
    Index index(kSmall);
    for (int round = 0; round < 50; ++round) {
        const std::int64_t first = round * 60;
        index.add(hashes_of(60, static_cast<unsigned>(round)), from_to(first, first + 60), kNoPause);
        const pid_t child = fork();
        if (child == 0) {
            alarm(60);
            const auto before = static_cast<std::size_t>(first) + 60;
            if (!kMayAllocate) _exit(index.snapshot()->live() == before ? 0 : 1);
            index.add(hashes_of(60, 99), from_to(100000, 100060), kNoPause);
            index.merge(kNoPause);
            _exit(index.statistics().entries == before + 60 ? 0 : 1);
        }
        int status = 0;
        waitpid(child, &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

TEST("a fork at any moment of a search or a change leaves the child nothing to wait for") {
    Index index(kSmall);
    index.add(hashes_of(20, 1), from_to(0, 20), kNoPause);
    std::atomic<bool> stop = false;
    std::thread reader([&] {
        while (!stop) CHECK(index.snapshot()->live() >= 20);
    });
    std::thread writer([&] {
        while (!stop) {
            index.add(hashes_of(1, 2), Ids{100}, kNoPause);
            index.remove(Ids{100});
        }
    });
    for (int round = 0; round < 200; ++round) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(60);
            if (!kMayAllocate) _exit(index.snapshot()->live() >= 20 ? 0 : 1);
            index.add(hashes_of(1, 3), Ids{200}, kNoPause);
            _exit(index.remove(Ids{200}) == 1 && index.snapshot()->live() >= 20 ? 0 : 1);
        }
        int status = 0;
        waitpid(child, &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    stop = true;
    reader.join();
    writer.join();
}
