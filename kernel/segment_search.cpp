// Searching a segment: every row within a radius of a query, none missed.
//
// A hash has 16 slots of 16 bits. Slot s gets a reach t_s such that the sum of all t_s + 1 is
// radius + 1. If d_s is the distance in slot s, then for a row within the radius the sum of
// d_s - (t_s + 1) is below 0, so from some slot on, going round, every partial sum is below 0 (the
// cycle lemma). Its first sum says d_s <= t_s: the row is in one of few buckets of that slot. Its
// second says d_s + d_next <= t_s + t_next + 1: its sketch, which lies in bucket order, is near.
// So few rows are left that they can be looked up one by one. A row may be found from several
// slots; it counts for the first that finds it.
//
// Nearly all the time goes into waiting for memory. A query is therefore cut into steps, some
// buckets of one slot each, and every step passes through stages some steps apart, each of which
// asks the memory for what the next one reads.
#include "segment_search.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "permute.hpp"
#include "sketch.hpp"

namespace safelight {
namespace {

using hamming::kHashBytes;
using hamming::kHashWords;

// ---- What a search costs, in nanoseconds, as measured on a 2.5 GHz Zen 3 ----

struct Costs {
    double run;     // a bucket
    double sketch;  // a sketch in it
    double row;     // a row that is looked up
};

// Up to so many rows a processor's cache holds what is read often.
constexpr double kCachedRows = 131072;
constexpr Costs kCached = {15, 0.2, 18};
constexpr Costs kFar = {24, 0.45, 18};
constexpr double kMany = 0.75;     // of a row, when many are looked up at a time
// A row that is read in passing: fetching it, once for all queries that are scanned together, and
// comparing it with one of them.
constexpr double kFetchCost = 0.7;
constexpr double kCompareCost = 1.1;
// A query that finds more than chance says is given up and scanned once it has cost this share of
// a scan, and this much more than was expected.
constexpr double kPatience = 0.5;
constexpr double kTolerance = 1.25;
constexpr double kPauseAfter = 2e6;

const Costs& costs_for(double rows) { return rows <= kCachedRows ? kCached : kFar; }

// What a scan costs for each row and query, when so many queries share it.
double scan_cost(std::size_t queries) {
    return kCompareCost + kFetchCost / static_cast<double>(queries);
}

// ---- Which buckets a radius needs ----

constexpr int kMostReach = 4;
constexpr unsigned kSlotBits = 16;
// How many values differ from a given one in at most 0, 1, ... bits.
constexpr std::array<std::uint32_t, kMostReach + 1> kWithin = {1, 17, 137, 697, 2517};

// The values of a slot with few ones, those with the fewest first.
struct Masks {
    std::array<std::uint16_t, kWithin.back()> bits{};
    std::array<std::uint8_t, kWithin.back()> ones{};
};

constexpr Masks make_masks() {
    Masks masks;
    std::size_t n = 0;
    for (int ones = 0; ones <= kMostReach; ++ones) {
        for (unsigned bits = 0; bits < kBuckets; ++bits) {
            if (std::popcount(bits) != ones) continue;
            masks.bits[n] = static_cast<std::uint16_t>(bits);
            masks.ones[n] = static_cast<std::uint8_t>(ones);
            ++n;
        }
    }
    return masks;
}

constexpr Masks kMasks = make_masks();

// The share of all values that differ from a given one in at most `most` bits.
double share_within(int most) {
    double sum = 0, ways = 1;
    for (int ones = 0; ones <= most; ++ones) {
        sum += ways;
        ways = ways * (static_cast<int>(kSlotBits) - ones) / (ones + 1);
    }
    return sum / kBuckets;
}

class Plan {
public:
    explicit Plan(unsigned radius) {
        const int all = static_cast<int>(radius) + 1;
        for (int slot = 0; slot < static_cast<int>(kSlots); ++slot) {
            reach_[static_cast<std::size_t>(slot)] =
                all / static_cast<int>(kSlots) + (slot < all % static_cast<int>(kSlots)) - 1;
        }
    }

    // How many bits may differ in a slot; below 0 the slot is not looked at.
    int reach(unsigned slot) const { return reach_[slot]; }
    int most_of_two(unsigned slot) const { return reach(slot) + reach((slot + 1) % kSlots) + 1; }
    std::uint32_t masks(unsigned slot) const {
        return reach(slot) < 0 ? 0 : kWithin[static_cast<std::size_t>(reach(slot))];
    }
    bool possible() const { return reach_[0] <= kMostReach; }

    // For a query whose buckets are as full as those of random hashes.
    double cost(double rows) const {
        double runs = 0, survivors = 0;
        for (unsigned slot = 0; slot < kSlots; ++slot) {
            runs += masks(slot);
            double values = 1;  // with exactly so many ones
            for (int ones = 0; ones <= reach(slot); ++ones) {
                survivors += values * share_within(most_of_two(slot) - ones);
                values = values * (static_cast<int>(kSlotBits) - ones) / (ones + 1);
            }
        }
        const Costs& costs = costs_for(rows);
        return runs * costs.run + rows / kBuckets * (runs * costs.sketch + survivors * costs.row);
    }

private:
    std::array<int, kSlots> reach_;
};

// ---- Queries ----

struct Asked {
    hamming::Query stored;
    double spent = 0;
    bool scan = false;
};

std::vector<Asked> ask(std::span<const std::uint8_t> queries) {
    std::vector<Asked> asked(queries.size() / kHashBytes);
    for (std::size_t q = 0; q < asked.size(); ++q) {
        permute::to_stored(queries.data() + q * kHashBytes, asked[q].stored.full);
    }
    return asked;
}

hamming::Rows rows_of(const SegmentView& segment, std::size_t from, std::size_t count) {
    return {{nullptr, nullptr, nullptr}, segment.hashes + from * kHashWords, count};
}

// ---- By tables ----

constexpr std::size_t kStepRuns = 24;

// Some buckets of one slot for one query.
struct Step {
    std::uint32_t query, slot;
    std::uint32_t first_mask, masks;
    std::uint32_t count;     // of runs
    std::uint64_t sketches;  // in all runs
    sketch::Run runs[kStepRuns];
};

// What one step found: places in the slot's bucket order, then the rows that lie there.
struct Batch {
    static constexpr std::size_t kRoom = 512;

    std::uint32_t query = 0, slot = 0;
    std::size_t count = 0;
    std::uint32_t rows[kRoom];
};

class RingSearch {
public:
    RingSearch(const SegmentView& segment, const Plan& plan, unsigned radius, Isa isa,
               double most_cost, std::vector<Asked>& asked, std::vector<RowHit>& hits,
               const Pause& pause)
        : segment_(segment), plan_(plan), radius_(radius), most_cost_(most_cost), asked_(asked),
          hits_(hits), own_hits_(hits.size()), pause_(pause), screen_(sketch::screen_for(isa)),
          kernels_(hamming::kernels_for(isa)),
          costs_(costs_for(static_cast<double>(segment.counts.rows))) {
        // Memory answers in the time that a dozen buckets take.
        lag_ = std::clamp<std::size_t>(16 / plan.masks(0), 1, kSteps / 2 - 1);
    }

    void run() {
        std::size_t begun = 0, read = 0;
        for (std::size_t screened = 0;; ++screened) {
            for (; begun <= screened + 2 * lag_ && begin_step(step(begun)); ++begun) {
                if (begun < 2 * lag_) offsets_of(step(begun)).fetch_all();
            }
            for (; read < begun && read <= screened + lag_; ++read) {
                read_offsets(step(read));
                if (read < lag_) runs_of(step(read)).fetch_all();
            }
            if (screened == begun) break;
            sketch::Ahead ahead;
            if (screened + lag_ < read) ahead = runs_of(step(screened + lag_));
            if (screened + 2 * lag_ < begun) ahead = offsets_of(step(screened + 2 * lag_), ahead);
            screen(step(screened), ahead);
        }
        rotate();
        rotate();
    }

private:
    static constexpr std::size_t kSteps = 32;

    Step& step(std::size_t number) { return steps_[number % kSteps]; }

    // Fills in the next step; false when there is none.
    bool begin_step(Step& step) {
        while (query_ < asked_.size()) {
            if (!asked_[query_].scan && mask_ < plan_.masks(slot_)) {
                const auto masks = std::min<std::uint32_t>(kStepRuns, plan_.masks(slot_) - mask_);
                step.query = static_cast<std::uint32_t>(query_);
                step.slot = slot_;
                step.first_mask = mask_;
                step.masks = masks;
                mask_ += masks;
                return true;
            }
            mask_ = 0;
            if (asked_[query_].scan || ++slot_ == kSlots) {
                slot_ = 0;
                ++query_;
            }
        }
        return false;
    }

    sketch::Ahead runs_of(const Step& step) const {
        sketch::Ahead ahead;
        ahead.sketches = segment_.slot(step.slot).sketches;
        ahead.run = step.runs;
        ahead.end = step.runs + step.count;
        return ahead;
    }

    sketch::Ahead offsets_of(const Step& step, sketch::Ahead ahead = {}) const {
        ahead.offsets = segment_.slot(step.slot).offsets;
        ahead.value = slot_of(asked_[step.query].stored.full, step.slot);
        ahead.mask = kMasks.bits.data() + step.first_mask;
        ahead.last_mask = ahead.mask + step.masks;
        return ahead;
    }

    void read_offsets(Step& step) {
        step.count = 0;
        step.sketches = 0;
        if (asked_[step.query].scan) return;
        const SegmentSlot slot = segment_.slot(step.slot);
        const unsigned value = slot_of(asked_[step.query].stored.full, step.slot);
        const int most = plan_.most_of_two(step.slot);
        const std::uint64_t rows = segment_.counts.rows;
        for (std::uint32_t i = step.first_mask; i < step.first_mask + step.masks; ++i) {
            const std::uint32_t* offset = slot.offsets + (value ^ kMasks.bits[i]);
            const std::uint32_t first = offset[0], last = offset[1];
            const auto most_of_next = static_cast<std::uint32_t>(most - kMasks.ones[i]);
            step.runs[step.count] = {first, last, most_of_next};
            const bool sound = (first < last) & (last <= rows);
            step.count += sound;
            step.sketches += sound ? last - first : 0;
        }
        const auto sketches = static_cast<double>(step.sketches);
        spend(step.query, step.masks * costs_.run + sketches * costs_.sketch);
    }

    // Looks at the sketches of a step, and asks for those of the one ahead.
    void screen(Step& step, sketch::Ahead ahead) {
        const SegmentSlot slot = segment_.slot(step.slot);
        const std::uint64_t* query = asked_[step.query].stored.full;
        const std::uint16_t next = slot_of(query, (step.slot + 1) % kSlots);
        sketch::Run* const end = step.runs + step.count;
        std::size_t survivors = 0;
        for (sketch::Run* run = step.runs; run != end && !asked_[step.query].scan;) {
            Batch& batch = rotate();
            batch.query = step.query;
            batch.slot = step.slot;
            sketch::Found found{batch.rows, 0, Batch::kRoom, slot.rows};
            run = screen_(slot.sketches, next, run, end, found, ahead);
            batch.count = found.count;
            // Many rows at a time are looked up faster, and are the same in all slots.
            const bool many = survivors != 0 || run != end;
            const double each = many ? kMany * costs_.row : costs_.row;
            survivors += batch.count;
            spend(step.query, static_cast<double>(batch.count) * each);
            if (run != end) foresee(step, run, end, survivors);
        }
        ahead.fetch_all();
    }

    // Gives a query up early that lies in a cluster: one that will find so much in the rest of a
    // step, and then in the slots that follow, that a scan costs less.
    void foresee(const Step& step, const sketch::Run* run, const sketch::Run* end,
                 std::size_t survivors) {
        std::uint64_t left = 0;
        for (; run != end; ++run) left += run->last - run->first;
        const double share =
            static_cast<double>(survivors) / static_cast<double>(step.sketches - left);
        const double rows = share * static_cast<double>(left) * (kSlots - step.slot);
        const double cost = rows * kMany * costs_.row;
        if (asked_[step.query].spent + cost > most_cost_) give_up(step.query);
    }

    // Moves what was found on by one stage; returns an empty batch.
    Batch& rotate() {
        verify(batches_[(batch_ + 2) % 3]);
        look_up(batches_[batch_]);
        batch_ = (batch_ + 1) % 3;
        batches_[batch_].count = 0;
        return batches_[batch_];
    }

    // Replaces places by the rows that lie there.
    void look_up(Batch& batch) const {
        const std::uint32_t* rows = segment_.slot(batch.slot).rows;
        std::size_t n = 0;
        for (std::size_t i = 0; i < batch.count; ++i) {
            const std::uint32_t row = rows[batch.rows[i]];
            if (row >= segment_.counts.rows) continue;
            __builtin_prefetch(segment_.hashes + std::size_t{row} * kHashWords);
            batch.rows[n++] = row;
        }
        batch.count = n;
    }

    void verify(const Batch& batch) {
        if (batch.count == 0 || asked_[batch.query].scan) return;
        const hamming::Query& query = asked_[batch.query].stored;
        const std::size_t n = kernels_.verify(rows_of(segment_, 0, segment_.counts.rows), query,
                                              radius_, batch.rows, batch.count, near_);
        for (std::size_t i = 0; i < n; ++i) {
            if (!is_first(near_[i].row, batch)) continue;
            hits_.push_back({batch.query, near_[i].row, near_[i].distance});
        }
    }

    // Whether no slot before the batch's finds the row as well.
    bool is_first(std::uint32_t row, const Batch& batch) const {
        const std::uint64_t* hash = segment_.hashes + std::size_t{row} * kHashWords;
        const std::uint64_t* query = asked_[batch.query].stored.full;
        int distance = slot_distance(hash, query, 0);
        for (unsigned slot = 0; slot < batch.slot; ++slot) {
            const int next = slot_distance(hash, query, slot + 1);
            if (distance <= plan_.reach(slot) && distance + next <= plan_.most_of_two(slot)) {
                return false;
            }
            distance = next;
        }
        return true;
    }

    static int slot_distance(const std::uint64_t* hash, const std::uint64_t* query, unsigned slot) {
        return std::popcount(static_cast<unsigned>(slot_of(hash, slot) ^ slot_of(query, slot)));
    }

    void give_up(std::uint32_t query) {
        if (asked_[query].scan) return;
        asked_[query].scan = true;
        while (hits_.size() > own_hits_ && hits_.back().query == query) hits_.pop_back();
    }

    // Counts what a query has cost; one that costs too much is left to the scan.
    void spend(std::uint32_t query, double cost) {
        asked_[query].spent += cost;
        if (asked_[query].spent > most_cost_) give_up(query);
        since_pause_ += cost;
        if (since_pause_ < kPauseAfter) return;
        since_pause_ = 0;
        pause_();
    }

    const SegmentView& segment_;
    const Plan& plan_;
    const unsigned radius_;
    const double most_cost_;
    std::vector<Asked>& asked_;
    std::vector<RowHit>& hits_;
    const std::size_t own_hits_;  // where those of this search begin
    const Pause& pause_;
    sketch::Screen* const screen_;
    const hamming::Kernels kernels_;
    const Costs& costs_;
    std::size_t lag_;

    std::size_t query_ = 0;  // of the next step
    unsigned slot_ = 0;
    std::uint32_t mask_ = 0;
    double since_pause_ = 0;
    std::size_t batch_ = 0;  // the newest; the one before it has been looked up
    Step steps_[kSteps];
    Batch batches_[3];
    hamming::Hit near_[Batch::kRoom];
};

// ---- Without tables ----

constexpr std::size_t kTileRows = 1024;

// Reads all rows once for all queries that are to be scanned, tile by tile.
class Scan {
public:
    Scan(const SegmentView& segment, unsigned radius, Isa isa, const std::vector<Asked>& asked,
         std::vector<RowHit>& hits, const Pause& pause)
        : segment_(segment), radius_(radius), kernels_(hamming::kernels_for(isa)), asked_(asked),
          hits_(hits), pause_(pause) {}

    void run() {
        std::vector<std::uint32_t> queries;
        for (std::size_t q = 0; q < asked_.size(); ++q) {
            if (asked_[q].scan) queries.push_back(static_cast<std::uint32_t>(q));
        }
        if (queries.empty()) return;
        double since_pause = 0;
        const double tile_cost = kTileRows * scan_cost(queries.size()) * static_cast<double>(queries.size());
        for (std::size_t row = 0; row < segment_.counts.rows; row += kTileRows) {
            for (const std::uint32_t query : queries) scan_tile(row, query);
            since_pause += tile_cost;
            if (since_pause < kPauseAfter) continue;
            since_pause = 0;
            pause_();
        }
    }

private:
    void scan_tile(std::size_t from, std::uint32_t number) {
        const hamming::Query& query = asked_[number].stored;
        const hamming::Rows rows =
            rows_of(segment_, from, std::min<std::size_t>(kTileRows, segment_.counts.rows - from));
        std::size_t n = kernels_.full(rows, query, radius_, rows_);
        n = kernels_.verify(rows, query, radius_, rows_, n, near_);
        for (std::size_t i = 0; i < n; ++i) {
            const auto row = static_cast<std::uint32_t>(from + near_[i].row);
            hits_.push_back({number, row, near_[i].distance});
        }
    }

    const SegmentView& segment_;
    const unsigned radius_;
    const hamming::Kernels kernels_;
    const std::vector<Asked>& asked_;
    std::vector<RowHit>& hits_;
    const Pause& pause_;
    std::uint32_t rows_[kTileRows];
    hamming::Hit near_[kTileRows];
};

// What each of so many queries may cost by tables before it is left to the scan; 0 when tables are
// not to be used.
double most_cost_by_tables(const SegmentView& segment, const Plan& plan, std::size_t queries,
                           Way way) {
    if (way == Way::scan || !segment.has_tables() || !plan.possible()) return 0;
    if (way == Way::tables) return std::numeric_limits<double>::infinity();
    const auto rows = static_cast<double>(segment.counts.rows);
    const double expected = plan.cost(rows);
    if (expected >= rows * scan_cost(queries)) return 0;
    return std::max(kTolerance * expected, kPatience * rows * kCompareCost);
}

// Puts the hits from `begin` on in order of their queries.
void order_by_query(std::vector<RowHit>& hits, std::size_t begin, std::size_t queries) {
    const auto first = hits.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto before = [](const RowHit& a, const RowHit& b) { return a.query < b.query; };
    if (std::is_sorted(first, hits.end(), before)) return;
    std::vector<std::size_t> places(queries + 1);
    for (auto hit = first; hit != hits.end(); ++hit) ++places[hit->query + 1];
    for (std::size_t q = 0; q < queries; ++q) places[q + 1] += places[q];
    const std::vector<RowHit> unordered(first, hits.end());
    for (const RowHit& hit : unordered) hits[begin + places[hit.query]++] = hit;
}

}  // namespace

void search_segment(const SegmentView& segment, std::span<const std::uint8_t> queries,
                    unsigned radius, Isa isa, Way way, std::vector<RowHit>& hits,
                    const Pause& pause) {
    std::vector<Asked> asked = ask(queries);
    const std::size_t begin = hits.size();
    const Plan plan(radius);
    const double most_cost = most_cost_by_tables(segment, plan, asked.size(), way);
    if (most_cost > 0) {
        RingSearch(segment, plan, radius, isa, most_cost, asked, hits, pause).run();
    } else {
        for (Asked& each : asked) each.scan = true;
    }
    Scan(segment, radius, isa, asked, hits, pause).run();
    order_by_query(hits, begin, asked.size());
}

}  // namespace safelight
