// Which of many 16-bit sketches differ from a query's in few bits: a segment's innermost loop.
//
// One loop for each instruction set; all give the same answers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu.hpp"

namespace safelight::sketch {

// The sketches at [first, last), of which those are wanted that differ in at most `most` bits.
struct Run {
    std::uint32_t first, last;
    std::uint32_t most;  // 0 to 16
};

// So many sketches are looked at together: this many less one may be read after the end of a run,
// and the loop stops when there is not room for as many more.
inline constexpr std::size_t kStep = 32;

// Where the places of the sketches that are wanted go. rows[place] of each will be read later.
struct Found {
    std::uint32_t* places;
    std::size_t count, room;
    const std::uint32_t* rows;
};

// What will be read later: runs of sketches, and offsets[value ^ mask] for some masks. It is asked
// of the memory bit by bit while other runs are looked at, since a processor drops what it is
// asked for once some twenty lines are on their way.
struct Ahead {
    const std::uint16_t* sketches = nullptr;
    const Run* run = nullptr;
    const Run* end = nullptr;
    const std::uint32_t* offsets = nullptr;
    const std::uint16_t* mask = nullptr;
    const std::uint16_t* last_mask = nullptr;
    std::uint16_t value = 0;

    bool more() const noexcept { return run != end || mask != last_mask; }

    // Asks for one run, and for one offset and the one after it. Inlined always, as all functions
    // here that only ask: GCC 12 takes them for functions without effect and leaves them out.
    [[gnu::always_inline]] void fetch() noexcept {
        if (run != end) fetch_run(*run++);
        if (mask == last_mask) return;
        const std::uint32_t* offset = offsets + (value ^ *mask++);
        __builtin_prefetch(offset);
        __builtin_prefetch(offset + 1);
    }

    [[gnu::always_inline]] void fetch_all() noexcept {
        while (more()) fetch();
    }

    [[gnu::always_inline]] void fetch_run(const Run& wanted) const noexcept {
        constexpr std::size_t kLine = 64 / sizeof(std::uint16_t);
        constexpr std::size_t kFetched = 8 * kLine;  // the processor sees by itself what follows
        const std::size_t last = std::min<std::size_t>(wanted.last, wanted.first + kFetched);
        for (std::size_t at = wanted.first; at < last; at += kLine) {
            __builtin_prefetch(sketches + at);
        }
        __builtin_prefetch(sketches + last - 1);
    }
};

// Adds what is wanted of the runs [run, end) to `found`, in their order, while there is room for
// kStep more; for each run, asks for a piece of what lies ahead. Returns the first run that is not
// done (or `end`); what is left of it has been written to it.
using Screen = Run*(const std::uint16_t* sketches, std::uint16_t query, Run* run, Run* end,
                    Found& found, Ahead& ahead);

// The loop written for `isa`, which this processor must support.
Screen* screen_for(Isa isa) noexcept;

}  // namespace safelight::sketch
