// A set of 256-bit hashes with ids, searched exactly within a radius, that changes while it is
// searched.
//
// Readers work on a snapshot and hold no lock while they search; a writer builds the next snapshot
// and publishes it whole. So a search sees all of a change or nothing of it. What is added goes to
// the delta, which is searched from end to end, and a thread of the index joins it with the
// segments once it is large; neither searches nor changes wait for that.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "fork_mutex.hpp"
#include "merge.hpp"
#include "snapshot.hpp"

namespace safelight {

struct Statistics {
    std::size_t entries = 0;
    std::size_t segments = 0;
    std::size_t in_delta = 0;  // of the entries
    std::size_t removed = 0;   // entries that still take up room
    std::size_t bytes = 0;     // all of the memory, mapped files too
    std::size_t mapped = 0;    // bytes that lie in a mapped file
    bool merging = false;      // in the background
    std::string merge_error;   // why the last merge in the background failed; else empty
};

// Every function may be called from any thread. In a forked child the index goes on to work, but
// is not merged in the background any more.
class Index {
public:
    explicit Index(const Tuning& tuning = {}) : tuning_(tuning) {}
    // With the entries of a segment that lies in a mapped file.
    Index(const Tuning& tuning, std::shared_ptr<const Segment> mapped);
    Index(const Index&) = delete;
    Index& operator=(const Index&) = delete;
    ~Index();

    // Adds entries. Throws std::invalid_argument, and adds nothing, when an id is present already
    // or given twice. With many entries pause is called, and may stop it: then nothing is added.
    void add(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids,
             const Pause& pause);
    // Adds entries in place of those with the same ids, in one step.
    void replace(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids,
                 const Pause& pause);
    // Removes the entries that are present; returns how many.
    std::size_t remove(std::span<const std::int64_t> ids);

    // Joins everything now: there is at most one segment then, and nothing in the delta, or a small
    // delta only.
    void merge(const Pause& pause);
    // All entries as one segment, merged if need be.
    std::shared_ptr<const Segment> whole(const Pause& pause);

    std::shared_ptr<const Snapshot> snapshot() const;
    Statistics statistics();

private:
    enum class Present { refused, replaced };

    void put(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids,
             Present present, const Pause& pause);
    void publish(std::shared_ptr<const Snapshot> next);
    // Merges what choose(snapshot) says; returns whether that was anything.
    template <class Choose>
    bool merge_chosen(Choose choose, const Pause& pause);

    void merge_soon();
    void merge_in_background() noexcept;
    bool rest_if_nothing_is_due();
    void rest(const char* failure) noexcept;

    const Tuning tuning_;
    ForkMutex writing_;  // one writer at a time
    ForkMutex merging_;  // one merge at a time
    std::shared_ptr<const Snapshot> now_ = std::make_shared<const Snapshot>();  // under now_mutex

    ForkMutex thread_mutex_;  // guards the following
    std::unique_ptr<std::thread> thread_;
    bool running_ = false;
    std::string failure_;
    std::chrono::steady_clock::time_point not_before_;  // a failed merge is not tried again

    const pid_t owner_ = getpid();
    std::atomic<bool> stop_ = false;
};

}  // namespace safelight
