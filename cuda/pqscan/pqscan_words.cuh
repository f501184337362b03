// SPDX-License-Identifier: Apache-2.0
/// Tables of four queries in words, a byte each: one look-up serves all four.
///
/// A byte is floor((entry - least) * scale), at most `word_limit`, so that four of them add up in a
/// byte and 1024 in 16 bits. With base = sum of the leasts, base + sum / scale is no more than the
/// real distance, which the float32 distance is near: what a query's k-th distance rules out is
/// known by an integer bound. Entries above some times the usual one are cut, which keeps the bound
/// a bound and gives near rows finer steps.
#pragma once

#include "pqscan/pqscan_rounding.cuh"
#include "pqscan/pqscan_scan.cuh"

namespace tersevec::cuda::pqscan {

/// Sums at or above it have float distances, bias added, above that of `ordinal`.
TERSEVEC_DEVICE u32 limit_of(const Scale& scale, i32 m, u32 ordinal, float bias) {
    const double all = static_cast<double>(m) * word_limit;
    const double size = (m + 3) * scale.magnitude + (bias < 0.0f ? -bias : bias);
    const double slack = size * ulp * 1.001;  // m additions in float32; the rest covers doubles
    const double theta = from_ordered_bits(ordinal);
    const double most = (theta - bias + slack - scale.base) * scale.scale + 1e-3;
    if (!(most < all)) {  // nor where no distance is known yet, and theta is no number
        return static_cast<u32>(all) + 1;
    }
    return most < 0.0 ? 0 : static_cast<u32>(most) + 1;
}

template <class Layout>
struct WordTables {
    struct Sums {
        u32 even[lane_codes] = {}, odd[lane_codes] = {};  // halves: queries 0 and 2, 1 and 3

        TERSEVEC_DEVICE u32 of(int q, int c) const {
            return (q % 2 == 0 ? even[c] : odd[c]) >> q / 2 * 16 & 0xffffu;
        }
    };
    const u32* words;  // (m, slots), of the tile
    u32* shared;       // (chunk, slots)

    TERSEVEC_DEVICE void load(int first, int last) const {
        const uint4* const from = reinterpret_cast<const uint4*>(words + first * Layout::slots);
        uint4* const to = reinterpret_cast<uint4*>(shared);
        for (int i = threadIdx.x; i < (last - first) * Layout::slots / 4; i += blockDim.x) {
            to[i] = from[i];
        }
    }
    TERSEVEC_DEVICE void add(const u8* lines, int first, int last, Sums& sums) const {
        const u32* table = shared;
        int j = first;
#pragma unroll 1
        for (; j + 4 <= last; j += 4) {
            Line read[4];
            Layout::read4(lines, j, read);
            u32 bytes[lane_codes] = {};
#pragma unroll
            for (int i = 0; i < 4; ++i, table += Layout::slots) {
                add(read[i], table, bytes);
            }
            widen(bytes, sums);
        }
#pragma unroll 1
        for (; j < last; ++j, table += Layout::slots) {
            u32 bytes[lane_codes] = {};
            add(Layout::read(lines, j), table, bytes);
            widen(bytes, sums);
        }
    }

private:
    TERSEVEC_DEVICE static void add(Line line, const u32* table, u32 (&bytes)[lane_codes]) {
#pragma unroll
        for (int c = 0; c < lane_codes; ++c) {
            bytes[c] += table[number(line, c)];
        }
    }
    TERSEVEC_DEVICE static void widen(const u32 (&bytes)[lane_codes], Sums& sums) {
#pragma unroll
        for (int c = 0; c < lane_codes; ++c) {
            sums.even[c] += bytes[c] & 0x00ff00ffu;
            sums.odd[c] += bytes[c] >> 8 & 0x00ff00ffu;
        }
    }
};

/// Rows of a warp that wait until they are worth adding again in float32, all lanes at once.
struct Waiting {
    u64* entries;  // 64
    int fill = 0;

    /// Takes an entry of each lane that has one, and up to 32 others are left.
    TERSEVEC_DEVICE void push(bool has, u64 entry) {
        const u32 entering = __ballot_sync(all_lanes, has);
        const int lane = threadIdx.x % warp_lanes;
        if (has) {
            entries[fill + __popc(entering & ((1u << lane) - 1))] = entry;
        }
        fill += __popc(entering);
    }
    /// The last entries, one for each lane; whether this lane has one.
    TERSEVEC_DEVICE bool pop(u64& entry) {
        const int lane = threadIdx.x % warp_lanes, count = fill < warp_lanes ? fill : warp_lanes;
        __syncwarp();
        fill -= count;
        entry = lane < count ? entries[fill + lane] : 0;
        return lane < count;
    }
};

}  // namespace tersevec::cuda::pqscan
