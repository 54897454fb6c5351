// Which instruction set the kernel uses: chosen once, at run time, from what the processor has.
#pragma once

#include <string_view>

namespace safelight {

// `avx512` means F, BW, VL, VPOPCNTDQ and BITALG together (Ice Lake, Zen 4 and later).
enum class Isa { plain, avx2, avx512, neon };

// "plain", "avx2", "avx512" or "neon".
std::string_view isa_name(Isa isa) noexcept;

// Whether this processor can run code for `isa`; `plain` always can.
bool isa_supported(Isa isa) noexcept;

// The best instruction set of this processor, or the one SAFELIGHT_KERNEL_ISA names.
// Throws std::invalid_argument when that name is unknown or this processor lacks it.
// The first answer stays for the life of the process.
Isa active_isa();

}  // namespace safelight
