// SPDX-License-Identifier: Apache-2.0
#include "core/isa.h"

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tersevec {
namespace {

constexpr std::array<std::string_view, 9> names = {
    "scalar", "sse4", "avx2", "avx512", "avx512icl", "avx512bf16", "amx", "neon", "neondot"};

#if defined(__x86_64__)
constexpr std::array levels = {Isa::scalar,    Isa::sse4,       Isa::avx2, Isa::avx512,
                               Isa::avx512icl, Isa::avx512bf16, Isa::amx};
#elif defined(__aarch64__)
constexpr std::array levels = {Isa::scalar, Isa::neon, Isa::neondot};
#else
constexpr std::array levels = {Isa::scalar};
#endif

#if defined(__x86_64__)
/// Whether the CPU multiplies tiles of int8 and of bfloat16, and the system lets this process use
/// them: Linux grants their state on request, for good.
bool tiles_granted() noexcept {
#if defined(__linux__)
    unsigned a, b, c, features;
    constexpr unsigned bfloat16_tile_int8 = 1u << 22 | 1u << 24 | 1u << 25;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &features) == 0 ||
        (features & bfloat16_tile_int8) != bfloat16_tile_int8) {
        return false;
    }
    constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}
#endif

bool cpu_has(Isa isa) noexcept {
#if defined(__x86_64__)
    const auto has_sse4 = [] {
        return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
    };
    const auto has_avx2 = [] {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
               __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
    };
    const auto has_avx512 = [] {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
    };
    const auto has_icl = [] {
        return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
               __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bitalg") &&
               __builtin_cpu_supports("avx512vpopcntdq");
    };
    switch (isa) {
        case Isa::scalar: return true;
        case Isa::sse4: return has_sse4();
        case Isa::avx2: return has_sse4() && has_avx2();
        case Isa::avx512: return has_sse4() && has_avx2() && has_avx512();
        case Isa::avx512icl: return has_sse4() && has_avx2() && has_avx512() && has_icl();
        case Isa::avx512bf16:
            return cpu_has(Isa::avx512icl) && __builtin_cpu_supports("avx512bf16");
        case Isa::amx: {
            static const bool tiles = cpu_has(Isa::avx512bf16) && tiles_granted();
            return tiles;
        }
        default: return false;
    }
#elif defined(__aarch64__)
    switch (isa) {
        case Isa::scalar:
        case Isa::neon: return true;
#if defined(__linux__)
        case Isa::neondot: return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__APPLE__)
        case Isa::neondot: return true;  // every Apple silicon
#endif
        default: return false;
    }
#else
    return isa == Isa::scalar;
#endif
}

std::string runnable_names() {
    std::string text;
    for (const Isa isa : levels) {
        if (isa_runnable(isa)) {
            text += (text.empty() ? "" : ", ") + std::string(isa_name(isa));
        }
    }
    return text;
}

Isa parse(std::string_view name, std::string_view where) {
    for (const Isa isa : levels) {
        if (isa_name(isa) == name && isa_runnable(isa)) {
            return isa;
        }
    }
    throw std::invalid_argument(std::string(where) + ": expected a CPU level that runs here (" +
                                runnable_names() + "), got '" + std::string(name) + "'");
}

Isa from_environment() {
    const char* name = std::getenv("TERSEVEC_ISA");
    if (name != nullptr && *name != '\0') {
        return parse(name, "TERSEVEC_ISA");
    }
    Isa best = Isa::scalar;
    for (const Isa isa : levels) {
        best = isa_runnable(isa) ? isa : best;
    }
    return best;
}

}  // namespace

std::string_view isa_name(Isa isa) noexcept {
    return names[static_cast<std::size_t>(isa)];
}

std::span<const Isa> isa_levels() noexcept {
    return levels;
}

bool isa_runnable(Isa isa) noexcept {
    return cpu_has(isa);
}

Isa isa_active() {
    static const Isa active = from_environment();
    return active;
}

Isa isa_from_name(std::string_view name) {
    return name.empty() ? isa_active() : parse(name, "isa");
}

}  // namespace tersevec
