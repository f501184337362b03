// SPDX-License-Identifier: Apache-2.0
/// Lanes as threads, so that the thread sanitizer sees the races between them: see `executor.h`.
#pragma once

#include <barrier>
#include <deque>
#include <mutex>
#include <semaphore>
#include <thread>

namespace tersevec::host {

/// A lane and what it sleeps on while it waits.
struct Sleeper : Lane {
    std::binary_semaphore opened{0};
};

inline thread_local Sleeper* current = nullptr;
inline std::deque<Sleeper> lanes;  // of the block
inline std::mutex meeting;         // held by who changes what a lane waits at

inline Lane& self() {
    return *current;
}

inline void open(Sleeper& lane) {
    lane.waits = Wait::nothing;
    lane.opened.release();
}

/// Opens the caller's warp operation if all lanes of its mask wait there.
inline void try_warp(const Sleeper& lane) {
    const std::size_t first = static_cast<std::size_t>(lane.index / warp_size * warp_size);
    const std::uint32_t mask = lane.mask;
    const Wait operation = lane.waits;
    for (std::size_t j = 0; j < warp_size; ++j) {
        const Lane& other = lanes[first + j];
        if ((mask >> j & 1) && (other.waits != operation || other.mask != mask)) {
            return;
        }
    }
    for (std::size_t j = 0; j < warp_size; ++j) {
        if (mask >> j & 1) {
            for (std::size_t i = 0; i < warp_size; ++i) {
                lanes[first + j].received[i] = lanes[first + i].posted;
            }
        }
    }
    for (std::size_t j = 0; j < warp_size; ++j) {
        if (mask >> j & 1) {
            open(lanes[first + j]);
        }
    }
}

inline const Lane& meet(Wait operation, std::uint32_t mask, std::uint64_t posted) {
    Sleeper& lane = *current;
    {
        const std::scoped_lock hold(meeting);
        lane.waits = operation;
        lane.mask = mask;
        lane.posted = posted;
        try_warp(lane);
    }
    lane.opened.acquire();
    return lane;
}

/// Opens __syncthreads if every living thread waits there.
inline void try_block() {
    for (const Lane& lane : lanes) {
        if (lane.waits != Wait::block && lane.waits != Wait::done) {
            return;
        }
    }
    for (Sleeper& lane : lanes) {
        if (lane.waits == Wait::block) {
            open(lane);
        }
    }
}

inline void meet_block() {
    {
        const std::scoped_lock hold(meeting);
        current->waits = Wait::block;
        try_block();
    }
    current->opened.acquire();
}

/// Sets the scene for block number b: all lanes are there, and shared memory is poisoned.
inline void begin_block(std::uint64_t b) {
    const Index3 grid = block.launch.grid;
    block.index = {static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
                   static_cast<unsigned>(b / grid.x / grid.y)};
    poison_shared();
    for (Lane& lane : lanes) {
        lane.waits = Wait::nothing;
    }
}

/// The same threads serve one block after another; between two they all meet.
inline void run_grid() {
    const Index3 grid = block.launch.grid, size = block.launch.block;
    const std::uint64_t count = std::uint64_t{grid.x} * grid.y * grid.z;
    lanes.clear();
    for (unsigned i = 0; i < size.x * size.y * size.z; ++i) {
        Lane& lane = lanes.emplace_back();
        lane.index = static_cast<int>(i);
        lane.thread = {i % size.x, i / size.x % size.y, i / size.x / size.y};
    }
    std::uint64_t next = 0;
    begin_block(next);
    std::barrier between(static_cast<std::ptrdiff_t>(lanes.size()), [&]() noexcept {
        if (++next < count) {
            begin_block(next);
        }
    });
    const auto serve = [&](Sleeper& lane) {
        current = &lane;
        for (std::uint64_t b = 0; b < count; ++b) {
            block.launch.body();
            {
                const std::scoped_lock hold(meeting);
                lane.waits = Wait::done;
                try_block();
            }
            between.arrive_and_wait();
        }
    };
    std::vector<std::thread> threads;
    for (Sleeper& lane : lanes) {
        threads.emplace_back(serve, std::ref(lane));
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

}  // namespace tersevec::host
