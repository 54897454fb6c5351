#include <sys/mman.h>

#include <cerrno>
#include <limits>
#include <new>
#include <system_error>
#include <utility>

#include "segment.hpp"

namespace safelight {

Memory Memory::allocate(std::size_t bytes) {
    Memory memory;
    if (bytes == 0) return memory;
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    // A wish: a search reads a few hundred places far apart, and each needs its page's address.
    ::madvise(data, bytes, MADV_HUGEPAGE);
#endif
    memory.data_ = static_cast<std::uint8_t*>(data);
    memory.size_ = bytes;
    return memory;
}

Memory Memory::map(int file, std::size_t offset, std::size_t bytes) {
    Memory memory;
    if (bytes == 0) return memory;
    if (offset > static_cast<std::size_t>(std::numeric_limits<off_t>::max())) {
        throw std::system_error(EOVERFLOW, std::generic_category(), "mapping an index file");
    }
    void* data = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, static_cast<off_t>(offset));
    if (data == MAP_FAILED) {
        throw std::system_error(errno, std::generic_category(), "mapping an index file");
    }
    memory.data_ = static_cast<std::uint8_t*>(data);
    memory.size_ = bytes;
    return memory;
}

Memory::Memory(Memory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Memory& Memory::operator=(Memory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

Memory::~Memory() {
    if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace safelight
