// A fixed order in which a segment keeps the 256 bits of a hash.
//
// PDQ lays out its bits in rows of similar ones; taken as they lie, some 16-bit pieces of hashes
// are far more frequent than others. In a random order no piece is. The order is part of the file
// format: a Fisher-Yates shuffle that draws from splitmix64, see permute.cpp.
#pragma once

#include <cstdint>

#include "hamming.hpp"

namespace safelight::permute {

// Writes the bits of a hash of 32 bytes, in the segment's order, as kHashWords words.
void to_stored(const std::uint8_t* hash, std::uint64_t* words) noexcept;

// The hash that to_stored() was given.
void from_stored(const std::uint64_t* words, std::uint8_t* hash) noexcept;

}  // namespace safelight::permute
