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

// Where the places of the sketches that are wanted go.
struct Found {
    std::uint32_t* places;
    std::size_t count, room;
};

// Runs that will be looked at later. They are asked of the memory one by one while others are
// looked at: a processor drops what it is asked for once some twenty lines are on their way.
struct Ahead {
    const std::uint16_t* sketches;
    const Run* run;
    const Run* end;

    // Asks for the next run.
    void fetch() noexcept {
        if (run == end) return;
        constexpr std::size_t kLine = 64 / sizeof(std::uint16_t);
        constexpr std::size_t kFetched = 8 * kLine;  // the processor sees by itself what follows
        const std::size_t last = std::min<std::size_t>(run->last, run->first + kFetched);
        for (std::size_t at = run->first; at < last; at += kLine) __builtin_prefetch(sketches + at);
        __builtin_prefetch(sketches + last - 1);
        ++run;
    }
};

// Adds what is wanted of the runs [run, end) to `found`, in their order, while there is room for
// kStep more; for each run, asks for one ahead. Returns the first run that is not done (or `end`);
// what is left of it has been written to it.
using Screen = Run*(const std::uint16_t* sketches, std::uint16_t query, Run* run, Run* end,
                    Found& found, Ahead& ahead);

// The loop written for `isa`, which this processor must support.
Screen* screen_for(Isa isa) noexcept;

}  // namespace safelight::sketch
