#include "cpu.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace safelight {
namespace {

constexpr Isa best_first[] = {Isa::avx512, Isa::avx2, Isa::neon, Isa::plain};

Isa best_isa() noexcept {
    for (const Isa isa : best_first) {
        if (isa_supported(isa)) return isa;
    }
    return Isa::plain;
}

Isa named_isa(std::string_view name) {
    for (const Isa isa : best_first) {
        if (isa_name(isa) != name) continue;
        if (isa_supported(isa)) return isa;
        throw std::invalid_argument("SAFELIGHT_KERNEL_ISA=" + std::string(name) +
                                    ": this processor does not have it; unset the variable or "
                                    "use plain");
    }
    throw std::invalid_argument("SAFELIGHT_KERNEL_ISA=" + std::string(name) +
                                ": unknown; use plain, avx2, avx512 or neon, or unset it");
}

Isa choose_isa() {
    const char* wish = std::getenv("SAFELIGHT_KERNEL_ISA");
    return wish == nullptr || *wish == '\0' ? best_isa() : named_isa(wish);
}

}  // namespace

std::string_view isa_name(Isa isa) noexcept {
    switch (isa) {
        case Isa::avx2: return "avx2";
        case Isa::avx512: return "avx512";
        case Isa::neon: return "neon";
        case Isa::plain: break;
    }
    return "plain";
}

bool isa_supported(Isa isa) noexcept {
    switch (isa) {
        case Isa::plain: return true;
#if defined(__x86_64__)
        case Isa::avx2: __builtin_cpu_init(); return __builtin_cpu_supports("avx2");
        case Isa::avx512:
            __builtin_cpu_init();
            return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bitalg") &&
                   __builtin_cpu_supports("avx512vpopcntdq");
#elif defined(__aarch64__)
        case Isa::neon: return true;
#endif
        default: return false;
    }
}

Isa active_isa() {
    static const Isa chosen = choose_isa();
    return chosen;
}

}  // namespace safelight
