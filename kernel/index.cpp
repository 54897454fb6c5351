#include "index.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

namespace safelight {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kMostEntries = std::numeric_limits<std::uint32_t>::max();
constexpr std::chrono::milliseconds kLook{5};
constexpr std::chrono::seconds kAfterFailure{10};

// What the background thread's pause throws when the index goes away.
struct Stopped {};

// Ids in ascending order, each once; no copy where they are so already.
class Wanted {
public:
    explicit Wanted(std::span<const std::int64_t> ids) : ids_(ids) {
        const auto grows = [](std::int64_t a, std::int64_t b) { return a >= b; };
        if (std::adjacent_find(ids.begin(), ids.end(), grows) == ids.end()) return;
        sorted_.assign(ids.begin(), ids.end());
        std::sort(sorted_.begin(), sorted_.end());
        const auto twice = std::adjacent_find(sorted_.begin(), sorted_.end());
        if (twice != sorted_.end()) twice_ = *twice;
        sorted_.erase(std::unique(twice, sorted_.end()), sorted_.end());
        ids_ = sorted_;
    }
    Wanted(const Wanted&) = delete;
    Wanted& operator=(const Wanted&) = delete;

    std::span<const std::int64_t> ids() const { return ids_; }

    void check_distinct() const {
        if (!twice_) return;
        throw std::invalid_argument("id " + std::to_string(*twice_) +
                                    " is given twice; each entry needs an id of its own");
    }

private:
    std::span<const std::int64_t> ids_;
    std::vector<std::int64_t> sorted_;
    std::optional<std::int64_t> twice_;
};

// Waits for the mutex, but not without a pause.
std::unique_lock<ForkMutex> locked(ForkMutex& mutex, const Pause& pause) {
    while (!mutex.try_lock()) {
        pause();
        std::this_thread::sleep_for(kLook);
    }
    return {mutex, std::adopt_lock};
}

// Signals are for the threads of the program, which know what to do.
void block_signals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

// ---- Snapshots ----

namespace {

// Guards now_ of every index, for a moment in which nothing else is done. A fork waits for that
// moment to end: a child finds the mutex free and no pointer half copied. A ForkMutex would ask for
// the process at each search, which costs more than all the rest of a small one.
std::mutex now_mutex;

void lock_now() { now_mutex.lock(); }
void unlock_now() { now_mutex.unlock(); }

[[maybe_unused]] const int at_fork = pthread_atfork(lock_now, unlock_now, unlock_now);

}  // namespace

Index::Index(const Tuning& tuning, std::shared_ptr<const Segment> mapped) : tuning_(tuning) {
    auto next = std::make_shared<Snapshot>();
    next->insert({std::move(mapped), {}, true});
    now_ = std::move(next);
}

std::shared_ptr<const Snapshot> Index::snapshot() const {
    const std::lock_guard lock(now_mutex);
    return now_;
}

void Index::publish(std::shared_ptr<const Snapshot> next) {
    const std::lock_guard lock(now_mutex);
    now_.swap(next);  // the old one is released after the lock
}

Statistics Index::statistics() {
    Statistics all;
    const auto now = snapshot();
    all.entries = now->live();
    all.segments = now->segments().size();
    all.in_delta = now->delta().live();
    all.removed = now->delta().rows() - now->delta().live();
    all.bytes = now->delta().bytes();
    for (const SegmentPart& part : now->segments()) {
        all.removed += part.removed.count();
        all.bytes += part.segment->bytes().size() + part.removed.bytes();
        if (part.mapped) all.mapped += part.segment->bytes().size();
    }
    const std::lock_guard lock(thread_mutex_);
    all.merging = running_ && getpid() == owner_;
    all.merge_error = failure_;
    return all;
}

// ---- Changes ----

void Index::add(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids,
                const Pause& pause) {
    put(hashes, ids, Present::refused, pause);
}

void Index::replace(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids,
                    const Pause& pause) {
    put(hashes, ids, Present::replaced, pause);
}

void Index::put(std::span<const std::uint8_t> hashes, std::span<const std::int64_t> ids,
                Present present, const Pause& pause) {
    if (hashes.size() != ids.size() * hamming::kHashBytes) {
        throw std::invalid_argument("there must be one id for each hash");
    }
    const Wanted wanted(ids);
    wanted.check_distinct();
    std::shared_ptr<const Snapshot> looked_at;
    SegmentPart built;
    if (ids.size() >= tuning_.direct_rows) {  // built before the lock, so that nobody waits for it
        looked_at = snapshot();
        if (present == Present::refused) looked_at->check_absent(wanted.ids());
        built.segment = Segment::build(hashes, ids, pause);
    }
    {
        const std::lock_guard lock(writing_);
        const auto now = snapshot();
        if (present == Present::refused && now != looked_at) now->check_absent(wanted.ids());
        auto next = std::make_shared<Snapshot>(*now);
        if (present == Present::replaced) next->remove(wanted.ids());
        if (next->live() + ids.size() > kMostEntries) {
            throw std::invalid_argument("an index holds at most 4 billion hashes; use several");
        }
        built.segment != nullptr ? next->insert(std::move(built)) : next->append(hashes, ids);
        publish(std::move(next));
    }
    merge_soon();
}

std::size_t Index::remove(std::span<const std::int64_t> ids) {
    const Wanted wanted(ids);
    std::size_t removed = 0;
    {
        const std::lock_guard lock(writing_);
        auto next = std::make_shared<Snapshot>(*snapshot());
        removed = next->remove(wanted.ids());
        if (removed != 0) publish(std::move(next));
    }
    merge_soon();
    return removed;
}

// ---- Merging ----

template <class Choose>
bool Index::merge_chosen(Choose choose, const Pause& pause) {
    const auto one_at_a_time = locked(merging_, pause);
    std::optional<Merge> merge;
    {
        const std::lock_guard lock(writing_);
        const Choice choice = choose(*snapshot());
        if (choice.empty()) return false;
        auto next = std::make_shared<Snapshot>(*snapshot());
        merge.emplace(*next, choice, tuning_);
        publish(std::move(next));
    }
    merge->run(pause);
    const std::lock_guard lock(writing_);
    auto next = std::make_shared<Snapshot>(*snapshot());
    merge->finish(*next);
    publish(std::move(next));
    return true;
}

void Index::merge(const Pause& pause) {
    merge_chosen([this](const Snapshot& now) { return all_of(now, tuning_); }, pause);
}

std::shared_ptr<const Segment> Index::whole(const Pause& pause) {
    const auto ready = [](const Snapshot& now) {
        return now.segments().size() == 1 && now.segments().front().removed.count() == 0 &&
               now.delta().rows() == 0;
    };
    if (snapshot()->live() >= tuning_.merge_rows) merge(pause);
    const auto now = snapshot();
    // Others may have changed it since the merge.
    return ready(*now) ? now->segments().front().segment : joined(*now, pause);
}

// ---- Merging in the background ----

Index::~Index() {
    stop_ = true;
    if (thread_ == nullptr) return;
    if (getpid() == owner_) {
        thread_->join();
    } else {
        (void)thread_.release();  // there is no such thread in a forked child: nothing to join
    }
}

void Index::merge_soon() {
    if (getpid() != owner_ || due(*snapshot(), tuning_).empty()) return;
    const std::lock_guard lock(thread_mutex_);
    if (running_ || steady_clock::now() < not_before_) return;
    if (thread_ != nullptr) thread_->join();  // it is about to end, or has
    thread_ = nullptr;
    try {
        thread_ = std::make_unique<std::thread>([this] { merge_in_background(); });
        running_ = true;
    } catch (const std::exception&) {  // the change itself has been made
        failure_ = "no thread";
        not_before_ = steady_clock::now() + kAfterFailure;
    }
}

void Index::merge_in_background() noexcept {
    block_signals();
    const Pause pause = [this] {
        if (stop_) throw Stopped();
    };
    try {
        while (!rest_if_nothing_is_due()) {
            merge_chosen([this](const Snapshot& now) { return due(now, tuning_); }, pause);
        }
    } catch (const Stopped&) {
        rest("");
    } catch (const std::bad_alloc&) {
        rest("out of memory");
    } catch (const std::exception& problem) {
        rest(problem.what());
    } catch (...) {
        rest("unknown");
    }
}

// A change that is published after this has looked finds the thread not running, and starts one.
bool Index::rest_if_nothing_is_due() {
    const std::lock_guard lock(thread_mutex_);
    if (!stop_ && !due(*snapshot(), tuning_).empty()) return false;
    running_ = false;
    failure_.clear();
    return true;
}

void Index::rest(const char* failure) noexcept {
    const std::lock_guard lock(thread_mutex_);
    running_ = false;
    if (*failure == '\0') return;
    not_before_ = steady_clock::now() + kAfterFailure;
    try {
        failure_ = failure;
    } catch (const std::bad_alloc&) {
        failure_.clear();
    }
}

}  // namespace safelight
