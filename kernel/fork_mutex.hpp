// A mutex that is free in a forked child.
#pragma once

#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>

namespace safelight {

// A thread of the parent that held the mutex at the fork does not exist in the child, where nobody
// would ever release it: there, the first use leaves it behind and takes a new one.
class ForkMutex {
public:
    ForkMutex() = default;
    ForkMutex(const ForkMutex&) = delete;
    ForkMutex& operator=(const ForkMutex&) = delete;
    ~ForkMutex() {
        // One that a thread left locked is not destroyed: that is undefined.
        if (ours()) delete held_.load();
    }

    // Whether this process is the one that last used it.
    bool ours() const noexcept { return held_.load()->owner == getpid(); }

    void lock() { current().lock(); }
    void unlock() { held_.load()->mutex.unlock(); }
    bool try_lock() { return current().try_lock(); }

private:
    struct Held {
        const pid_t owner = getpid();
        std::mutex mutex;
    };

    std::mutex& current() {
        Held* held = held_.load();
        if (held->owner != getpid()) {
            auto fresh = std::make_unique<Held>();
            if (held_.compare_exchange_strong(held, fresh.get())) held = fresh.release();
        }
        return held->mutex;
    }

    std::atomic<Held*> held_{new Held};
};

}  // namespace safelight
