// SPDX-License-Identifier: Apache-2.0
/// CPU levels: what this machine can run and what the user allows.
///
/// A level is a set of features, not a chip. Levels of one architecture are ordered: a CPU that
/// runs a level runs every lower one too. `TERSEVEC_ISA` lowers the level for the whole process; it
/// is read once.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace tersevec {

enum class Isa : std::uint8_t {
    scalar,      ///< the compiler's baseline for the architecture
    sse4,        ///< x86-64-v2: SSE4.2, POPCNT
    avx2,        ///< x86-64-v3: AVX2, BMI2, FMA
    avx512,      ///< x86-64-v4: AVX-512 F, BW, CD, DQ, VL
    avx512icl,   ///< v4 + VNNI, VBMI, VBMI2, BITALG, VPOPCNTDQ
    avx512bf16,  ///< avx512icl + BF16: products of bfloat16
    amx,         ///< avx512bf16 + AMX tiles, their int8 and bfloat16 products
    neon,        ///< Armv8-A
    neondot,     ///< Armv8.2-A with the dot product instructions
};

std::string_view isa_name(Isa isa) noexcept;

/// Levels of this architecture, lowest first.
std::span<const Isa> isa_levels() noexcept;

/// Whether this CPU and operating system run the level.
bool isa_runnable(Isa isa) noexcept;

/// The highest runnable level that `TERSEVEC_ISA` allows.
/// Throws std::invalid_argument if the variable names no level, or one that does not run here.
Isa isa_active();

/// The level of that name, `isa_active()` for an empty one.
/// Throws std::invalid_argument as above.
Isa isa_from_name(std::string_view name);

}  // namespace tersevec
