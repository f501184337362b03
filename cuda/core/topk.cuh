// SPDX-License-Identifier: Apache-2.0
/// The k best keys that a warp has seen, in the warp's own piece of shared memory.
///
/// Keys are unique, so the result does not depend on the order in which they come, nor on how rows
/// are shared out among warps: selection is deterministic without an ordered queue. Keys below the
/// bound are appended; a full queue is sorted, cut back to k, and its k-th key is the new bound.
#pragma once

#include "keys.cuh"

namespace tersevec::cuda {

/// Sorts 2^i keys of the warp's in shared memory, ascending (bitonic).
TERSEVEC_DEVICE void sort_keys(Key* keys, int count) {
    const int lane = threadIdx.x % warp_lanes;
    for (int size = 2; size <= count; size *= 2) {
        for (int stride = size / 2; stride > 0; stride /= 2) {
            __syncwarp();
            for (int pair = lane; pair < count / 2; pair += warp_lanes) {
                const int low = 2 * pair - (pair & (stride - 1));
                const int high = low + stride;
                const Key a = keys[low], b = keys[high];
                if ((a > b) == ((low & size) == 0)) {
                    keys[low] = b;
                    keys[high] = a;
                }
            }
        }
    }
    __syncwarp();
}

struct WarpQueue {
    Key* keys = nullptr;  // `capacity` of them, shared by the warp
    int k = 0;            // 1 to capacity - 32
    int capacity = 0;     // a power of two
    int fill = 0;
    Key bound = no_hit;  // keys at or above it cannot enter

    WarpQueue() = default;
    TERSEVEC_DEVICE WarpQueue(Key* keys, int k, int capacity)
        : keys(keys), k(k), capacity(capacity) {}

    /// Takes one key of each lane; no_hit is none. All lanes call it together.
    TERSEVEC_DEVICE void push(Key key) {
        u32 entering = __ballot_sync(all_lanes, key < bound);
        if (entering == 0) {
            return;
        }
        if (fill + __popc(entering) > capacity) {
            tighten();
            entering = __ballot_sync(all_lanes, key < bound);
        }
        const int lane = threadIdx.x % warp_lanes;
        if (entering >> lane & 1) {
            keys[fill + __popc(entering & ((1u << lane) - 1))] = key;
        }
        fill += __popc(entering);
    }

    /// Puts no_hit behind the keys, up to the capacity.
    TERSEVEC_DEVICE void pad() {
        for (int i = fill + static_cast<int>(threadIdx.x % warp_lanes); i < capacity;
             i += warp_lanes) {
            keys[i] = no_hit;
        }
    }

    /// Sorts, and cuts back to the k best; the rest of the first k is no_hit.
    TERSEVEC_DEVICE void tighten() {
        pad();
        sort_keys(keys, capacity);
        fill = fill < k ? fill : k;
        bound = keys[k - 1];
    }

    /// Tightens and writes the k best, ascending.
    TERSEVEC_DEVICE void finish(Key* out) {
        tighten();
        for (int i = threadIdx.x % warp_lanes; i < k; i += warp_lanes) {
            out[i] = keys[i];
        }
    }
};

}  // namespace tersevec::cuda
