// SPDX-License-Identifier: Apache-2.0
/// Lanes as fibers of one thread, under a schedule: see `executor.h`.
#pragma once

#include <ucontext.h>

#include <csetjmp>
#include <memory>

namespace tersevec::host {

struct Fiber {
    Lane lane;
    jmp_buf context;
    ucontext_t first;
    std::unique_ptr<unsigned char[]> stack;
    bool started = false;
};

constexpr std::size_t stack_bytes = 64 << 10;
inline std::vector<std::unique_ptr<Fiber>> fibers;
inline Fiber* current = nullptr;
inline jmp_buf scheduler;
inline std::mt19937_64 dice;

inline Lane& self() {
    return current->lane;
}

/// Back to the scheduler, until it comes here again.
[[gnu::noinline]] inline void pause_here() {
    if (_setjmp(current->context) == 0) {
        _longjmp(scheduler, 1);
    }
}

[[gnu::noinline]] inline void resume(Fiber& fiber) {
    current = &fiber;
    if (_setjmp(scheduler) == 0) {
        if (fiber.started) {
            _longjmp(fiber.context, 1);
        }
        fiber.started = true;
        setcontext(&fiber.first);
    }
}

inline void run_lane() {
    for (;;) {  // a fiber serves one block after another
        block.launch.body();
        current->lane.waits = Wait::done;
        pause_here();
    }
}

inline void meet_block() {
    self().waits = Wait::block;
    pause_here();
}

inline const Lane& meet(Wait operation, std::uint32_t mask, std::uint64_t posted) {
    Lane& lane = self();
    if ((mask >> lane.index % warp_size & 1) == 0) {
        block.error = "a lane is not in the mask of its own warp operation";
    }
    lane.waits = operation;
    lane.mask = mask;
    lane.posted = posted;
    pause_here();
    return lane;
}

inline void prepare(std::size_t threads) {
    while (fibers.size() < threads) {
        fibers.push_back(std::make_unique<Fiber>());
        fibers.back()->stack = std::make_unique<unsigned char[]>(stack_bytes);
    }
    const Index3 size = block.launch.block;
    for (std::size_t i = 0; i < threads; ++i) {
        Fiber& fiber = *fibers[i];
        const auto index = static_cast<unsigned>(i);
        fiber.lane.index = static_cast<int>(i);
        fiber.lane.thread = {index % size.x, index / size.x % size.y, index / size.x / size.y};
        fiber.lane.waits = Wait::nothing;
        if (!fiber.started) {
            getcontext(&fiber.first);
            fiber.first.uc_stack.ss_sp = fiber.stack.get();
            fiber.first.uc_stack.ss_size = stack_bytes;
            fiber.first.uc_link = nullptr;
            makecontext(&fiber.first, run_lane, 0);
        }
    }
}

/// Opens the warp operations at which all lanes of a mask have met.
inline void open_warp(std::size_t first) {
    for (int i = 0; i < warp_size; ++i) {
        const Lane& lane = fibers[first + i]->lane;
        if (lane.waits == Wait::nothing || lane.waits == Wait::block || lane.waits == Wait::done) {
            continue;
        }
        bool all = true;
        for (int j = 0; j < warp_size; ++j) {
            const Lane& other = fibers[first + j]->lane;
            all &=
                (lane.mask >> j & 1) == 0 || (other.waits == lane.waits && other.mask == lane.mask);
        }
        if (!all) {
            continue;
        }
        const std::uint32_t mask = lane.mask;
        const bool exchanges = lane.waits != Wait::syncwarp;
        std::uint64_t posts[warp_size];
        for (int j = 0; j < warp_size; ++j) {
            posts[j] =
                mask >> j & 1 ? fibers[first + j]->lane.posted : 0x0101010101010101u * poison;
        }
        for (int j = 0; j < warp_size; ++j) {
            if (mask >> j & 1) {
                Lane& other = fibers[first + j]->lane;
                if (exchanges) {
                    std::memcpy(other.received, posts, sizeof posts);
                }
                other.waits = Wait::nothing;
            }
        }
    }
}

/// Runs each lane of a warp that can go on until it waits; false if none can.
inline bool run_warp(std::size_t first) {
    // Lane start + i * step, modulo the warp's size, comes i-th.
    unsigned start = 0, step = 1;
    if (block.launch.schedule == Schedule::reverse) {
        start = step = warp_size - 1;
    } else if (block.launch.schedule == Schedule::random) {
        const std::uint64_t thrown = dice();
        start = thrown % warp_size, step = thrown / warp_size | 1;
    }
    bool ran = false;
    for (unsigned i = 0; i < warp_size; ++i) {
        Fiber& fiber = *fibers[first + (start + i * step) % warp_size];
        if (fiber.lane.waits == Wait::nothing) {
            resume(fiber);
            ran = true;
        }
    }
    if (ran) {
        open_warp(first);
    }
    return ran;
}

inline bool open_block(std::size_t threads) {
    std::size_t waiting = 0, living = 0;
    for (std::size_t i = 0; i < threads; ++i) {
        waiting += fibers[i]->lane.waits == Wait::block;
        living += fibers[i]->lane.waits != Wait::done;
    }
    if (waiting == 0 || waiting != living) {
        return false;
    }
    for (std::size_t i = 0; i < threads; ++i) {
        Lane& lane = fibers[i]->lane;
        lane.waits = lane.waits == Wait::block ? Wait::nothing : lane.waits;
    }
    return true;
}

inline void tell_deadlock(std::size_t threads) {
    int at_block = 0, at_warp = 0, done = 0;
    for (std::size_t i = 0; i < threads; ++i) {
        const Wait waits = fibers[i]->lane.waits;
        at_block += waits == Wait::block;
        done += waits == Wait::done;
        at_warp += waits != Wait::block && waits != Wait::done;
    }
    block.error = "deadlock: " + std::to_string(at_block) + " threads at __syncthreads, " +
                  std::to_string(at_warp) + " at a warp operation, " + std::to_string(done) +
                  " returned";
}

inline void run_block() {
    const Index3 size = block.launch.block;
    const std::size_t threads = std::size_t{size.x} * size.y * size.z;
    const std::size_t warps = threads / warp_size;
    prepare(threads);
    poison_shared();
    while (block.error.empty()) {
        bool ran = false;
        if (block.launch.schedule == Schedule::random) {  // one warp a round: warps drift apart
            const std::size_t start = dice() % warps;
            for (std::size_t w = 0; w < warps && !ran; ++w) {
                ran = run_warp((start + w) % warps * warp_size);
            }
        } else {
            for (std::size_t w = 0; w < warps; ++w) {
                const bool forward = block.launch.schedule == Schedule::forward;
                while (run_warp((forward ? w : warps - 1 - w) * warp_size)) {
                    ran = true;
                }
            }
        }
        if (!ran && !open_block(threads)) {
            bool done = true;
            for (std::size_t i = 0; i < threads; ++i) {
                done &= fibers[i]->lane.waits == Wait::done;
            }
            if (done) {
                return;
            }
            tell_deadlock(threads);
        }
    }
    fibers.clear();  // some stand in the middle of a kernel
}

inline void run_grid() {
    const Index3 grid = block.launch.grid;
    const std::uint64_t count = std::uint64_t{grid.x} * grid.y * grid.z;
    dice.seed(block.launch.seed);
    for (std::uint64_t i = 0; i < count && block.error.empty(); ++i) {
        const std::uint64_t b = block.launch.schedule == Schedule::reverse ? count - 1 - i : i;
        block.index = {static_cast<unsigned>(b % grid.x),
                       static_cast<unsigned>(b / grid.x % grid.y),
                       static_cast<unsigned>(b / grid.x / grid.y)};
        run_block();
    }
}

}  // namespace tersevec::host
