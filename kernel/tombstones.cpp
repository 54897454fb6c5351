#include "tombstones.hpp"

#include <algorithm>
#include <bit>

namespace safelight {

std::size_t Tombstones::bytes() const noexcept {
    if (chunks_ == nullptr) return 0;
    std::size_t bytes = chunks_->size() * sizeof(Chunks::value_type);
    for (const auto& chunk : *chunks_) bytes += chunk == nullptr ? 0 : sizeof(Chunk);
    return bytes;
}

const Tombstones::Chunk* Tombstones::chunk(std::size_t number) const noexcept {
    if (chunks_ == nullptr || number >= chunks_->size()) return nullptr;
    return (*chunks_)[number].get();
}

void Tombstones::mark(std::vector<std::uint32_t> positions) {
    if (positions.empty()) return;
    std::sort(positions.begin(), positions.end());
    auto chunks = chunks_ == nullptr ? std::make_shared<Chunks>() : std::make_shared<Chunks>(*chunks_);
    chunks->resize(std::max(chunks->size(), positions.back() / kPositions + 1));
    std::size_t count = count_;
    for (auto at = positions.begin(); at != positions.end();) {
        const std::size_t number = *at / kPositions;
        const Chunk* old = (*chunks)[number].get();
        auto fresh = old == nullptr ? std::make_shared<Chunk>() : std::make_shared<Chunk>(*old);
        for (; at != positions.end() && *at / kPositions == number; ++at) {
            const std::uint64_t bit = std::uint64_t{1} << (*at % 64);
            std::uint64_t& word = (*fresh)[*at % kPositions / 64];
            count += (word & bit) == 0;
            word |= bit;
        }
        (*chunks)[number] = std::move(fresh);
    }
    chunks_ = std::move(chunks);
    count_ = count;
}

void Tombstones::visit_new(const Tombstones& before,
                           const std::function<void(std::size_t)>& visit) const {
    if (chunks_ == nullptr || chunks_ == before.chunks_) return;
    for (std::size_t number = 0; number < chunks_->size(); ++number) {
        const Chunk *now = chunk(number), *old = before.chunk(number);
        if (now == old) continue;
        for (std::size_t word = 0; word < now->size(); ++word) {
            std::uint64_t bits = (*now)[word] & ~(old == nullptr ? 0 : (*old)[word]);
            for (; bits != 0; bits &= bits - 1) {
                visit(number * kPositions + word * 64 + static_cast<unsigned>(std::countr_zero(bits)));
            }
        }
    }
}

}  // namespace safelight
