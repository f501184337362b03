// SPDX-License-Identifier: Apache-2.0
/// The three layouts of blocks, as csrc/pqscan/pqscan_layout.h draws them, and what a lane reads.
///
/// A lane has `lane_codes` codes of a block and reads their numbers of a sub-space at once, as the
/// bytes of a `Line`; a warp's step is 256 codes, whole lines of 8 or 4 adjacent blocks.
/// A layout says
///   block_codes, line_bytes, lines(m)
///   slots        entries of a table in shared memory: of the widest numbers in this layout
///   code(l, c)   the place in its block of code c of the block's lane l
///   get          one code's number of a sub-space
///   read         the lane's numbers of sub-space j, from its bytes of the block's first line on
///   read4        those of sub-spaces j .. j + 3, j a multiple of 4
///   put          a byte of a line with numbers in it; number(j, half) is that of sub-space j and
///                the byte's first or second code, -1 where the byte keeps its own
#pragma once

#include "core/portable.cuh"

namespace tersevec::cuda::pqscan {

constexpr int tile_queries = 4;
constexpr int lane_codes = 8;
constexpr int step_codes = warp_lanes * lane_codes;

using Line = uint2;  // byte c of x, and then of y, is the number of code c

template <class Layout>
constexpr int block_lanes = Layout::block_codes / lane_codes;
template <class Layout>
constexpr int lane_bytes = Layout::line_bytes / block_lanes<Layout>;

TERSEVEC_DEVICE u32 number(Line line, int c) {
    return (c < 4 ? line.x : line.y) >> 8 * (c % 4) & 0xffu;
}
TERSEVEC_DEVICE Line line_at(const u8* address) {
    return *reinterpret_cast<const uint2*>(address);
}

struct Nibbles {
    static constexpr int block_codes = 32, line_bytes = 16, slots = 16;

    TERSEVEC_DEVICE static i32 lines(i32 m) { return m; }
    TERSEVEC_DEVICE static int code(int lane, int c) { return 4 * lane + c % 4 + c / 4 * 16; }
    TERSEVEC_DEVICE static u32 get(const u8* block, i32, i32 j, int c) {
        return block[16 * j + c % 16] >> (c < 16 ? 0 : 4) & 15u;
    }
    TERSEVEC_DEVICE static Line read(const u8* lines, i32 j) {
        const u32 word = *reinterpret_cast<const u32*>(lines + 16 * j);
        return {word & 0x0f0f0f0fu, word >> 4 & 0x0f0f0f0fu};
    }
    TERSEVEC_DEVICE static void read4(const u8* lines, i32 j, Line (&out)[4]) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            out[i] = read(lines, j + i);
        }
    }
    template <class Number>
    TERSEVEC_DEVICE static u8 put(u8 byte, i32, i32 line, Number number) {
        const i32 low = number(line, 0), high = number(line, 1);
        return static_cast<u8>((low < 0 ? byte & 15 : low) | (high < 0 ? byte & 240 : high << 4));
    }
};

struct Sextets {
    static constexpr int block_codes = 64, line_bytes = 64, slots = 64;

    TERSEVEC_DEVICE static i32 lines(i32 m) { return m / 4 * 3 + m % 4; }
    TERSEVEC_DEVICE static int code(int lane, int c) { return lane_codes * lane + c; }
    TERSEVEC_DEVICE static u32 get(const u8* block, i32 m, i32 j, int c) {
        const u8* const bytes = block + j / 4 * 192 + c;
        return j >= m / 4 * 4 || j % 4 < 3
                   ? bytes[j % 4 * 64] & 63u
                   : bytes[0] >> 6 | bytes[64] >> 6 << 2 | bytes[128] >> 6 << 4;
    }
    /// Of a sub-space that has a line of its own.
    TERSEVEC_DEVICE static Line read(const u8* lines, i32 j) {
        return line_at(lines + j / 4 * 192 + j % 4 * 64);
    }
    TERSEVEC_DEVICE static void read4(const u8* lines, i32 j, Line (&out)[4]) {
        out[3] = {0, 0};
#pragma unroll
        for (int i = 0; i < 3; ++i) {
            const Line line = line_at(lines + j / 4 * 192 + i * 64);
            out[3].x |= (line.x >> 6 & 0x03030303u) << 2 * i;
            out[3].y |= (line.y >> 6 & 0x03030303u) << 2 * i;
            out[i] = {line.x & 0x3f3f3f3fu, line.y & 0x3f3f3f3fu};
        }
    }
    template <class Number>
    TERSEVEC_DEVICE static u8 put(u8 byte, i32 m, i32 line, Number number) {
        if (line >= m / 4 * 3) {
            const i32 own = number(m / 4 * 4 + line - m / 4 * 3, 0);
            return own < 0 ? byte : static_cast<u8>(own);
        }
        const i32 low = number(line / 3 * 4 + line % 3, 0), high = number(line / 3 * 4 + 3, 0);
        return low < 0 ? byte : static_cast<u8>(low | (high >> 2 * (line % 3) & 3) << 6);
    }
};

struct Octets {
    static constexpr int block_codes = 64, line_bytes = 64, slots = 256;

    TERSEVEC_DEVICE static i32 lines(i32 m) { return m; }
    TERSEVEC_DEVICE static int code(int lane, int c) { return lane_codes * lane + c; }
    TERSEVEC_DEVICE static u32 get(const u8* block, i32, i32 j, int c) { return block[64 * j + c]; }
    TERSEVEC_DEVICE static Line read(const u8* lines, i32 j) { return line_at(lines + 64 * j); }
    TERSEVEC_DEVICE static void read4(const u8* lines, i32 j, Line (&out)[4]) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            out[i] = read(lines, j + i);
        }
    }
    template <class Number>
    TERSEVEC_DEVICE static u8 put(u8 byte, i32, i32 line, Number number) {
        const i32 own = number(line, 0);
        return own < 0 ? byte : static_cast<u8>(own);
    }
};

template <class Layout>
TERSEVEC_DEVICE i64 block_bytes(i32 m) {
    return i64{Layout::lines(m)} * Layout::line_bytes;
}

/// One number of any row.
template <class Layout>
TERSEVEC_DEVICE u32 number_of(const u8* blocks, i32 m, i64 row, i32 j) {
    return Layout::get(blocks + row / Layout::block_codes * block_bytes<Layout>(m), m, j,
                       static_cast<int>(row % Layout::block_codes));
}

/// Calls task(layout) for codes of this width.
template <class Task>
TERSEVEC_DEVICE void with_layout(int n_bits, Task task) {
    if (n_bits == 4) {
        task(Nibbles{});
    } else if (n_bits <= 6) {
        task(Sextets{});
    } else {
        task(Octets{});
    }
}

}  // namespace tersevec::cuda::pqscan
