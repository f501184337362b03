// SPDX-License-Identifier: Apache-2.0
/// Lanes as threads, so that the thread sanitizer sees the races between them: see `executor.h`.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace tersevec::host {

inline thread_local Lane* current = nullptr;
inline Lane& self() { return *current; }

/// The lanes of one block and who waits where; one lock for all, since nobody times this.
struct Meeting {
    std::mutex lock;
    std::condition_variable moved;
    std::vector<Lane> lanes;
};
inline Meeting meeting;

inline bool all_at(const Lane& lane) {
    const int first = lane.index / warp_size * warp_size;
    for (int j = 0; j < warp_size; ++j) {
        const Lane& other = meeting.lanes[static_cast<std::size_t>(first + j)];
        if ((lane.mask >> j & 1) && (other.waits != lane.waits || other.mask != lane.mask)) {
            return false;
        }
    }
    return true;
}

inline const Lane& meet(Wait operation, std::uint32_t mask, std::uint64_t posted) {
    std::unique_lock hold(meeting.lock);
    Lane& lane = self();
    lane.waits = operation;
    lane.mask = mask;
    lane.posted = posted;
    if (all_at(lane)) {
        const int first = lane.index / warp_size * warp_size;
        for (int j = 0; j < warp_size; ++j) {
            Lane& other = meeting.lanes[static_cast<std::size_t>(first + j)];
            if (mask >> j & 1) {
                for (int i = 0; i < warp_size; ++i) {
                    other.received[i] = meeting.lanes[static_cast<std::size_t>(first + i)].posted;
                }
            }
        }
        for (int j = 0; j < warp_size; ++j) {
            if (mask >> j & 1) {
                meeting.lanes[static_cast<std::size_t>(first + j)].waits = Wait::nothing;
            }
        }
        meeting.moved.notify_all();
    } else {
        meeting.moved.wait(hold, [&] { return lane.waits == Wait::nothing; });
    }
    return lane;
}

/// Opens __syncthreads if every living thread waits there; the caller holds the lock.
inline void try_block() {
    for (const Lane& lane : meeting.lanes) {
        if (lane.waits != Wait::block && lane.waits != Wait::done) {
            return;
        }
    }
    for (Lane& lane : meeting.lanes) {
        lane.waits = lane.waits == Wait::block ? Wait::nothing : lane.waits;
    }
    meeting.moved.notify_all();
}

inline void meet_block() {
    std::unique_lock hold(meeting.lock);
    Lane& lane = self();
    lane.waits = Wait::block;
    try_block();
    meeting.moved.wait(hold, [&] { return lane.waits == Wait::nothing; });
}

inline void run_lane(Lane& lane) {
    current = &lane;
    block.launch.body();
    const std::scoped_lock hold(meeting.lock);
    lane.waits = Wait::done;
    try_block();
}

inline void run_grid() {
    const Index3 grid = block.launch.grid, size = block.launch.block;
    const std::uint64_t count = std::uint64_t{grid.x} * grid.y * grid.z;
    for (std::uint64_t b = 0; b < count; ++b) {
        block.index = {static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
                       static_cast<unsigned>(b / grid.x / grid.y)};
        poison_shared();
        meeting.lanes.assign(std::size_t{size.x} * size.y * size.z, Lane{});
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < meeting.lanes.size(); ++i) {
            Lane& lane = meeting.lanes[i];
            const auto index = static_cast<unsigned>(i);
            lane.index = static_cast<int>(i);
            lane.thread = {index % size.x, index / size.x % size.y, index / size.x / size.y};
        }
        for (Lane& lane : meeting.lanes) {
            threads.emplace_back(run_lane, std::ref(lane));
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
    }
}

}  // namespace tersevec::host
