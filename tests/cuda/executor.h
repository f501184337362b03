// SPDX-License-Identifier: Apache-2.0
/// Runs device code on a CPU, for tests: included before a .cu file that g++ compiles.
///
/// A block is a set of lanes, each a fiber with a stack of its own; blocks run one after another. A
/// schedule says which warp goes on, and each of its lanes runs until it waits: at __syncthreads,
/// which opens when every living thread of the block waits there, or at a warp operation, which
/// opens when all lanes of its mask wait at the same one with the same mask. Nothing that can go on
/// and nothing that can open is a deadlock, and told with the counts. Shared memory is filled with
/// 0xA5 before each block. With TERSEVEC_HOST_THREADS lanes are threads instead, for the thread
/// sanitizer (`executor_threads.h`).
///
/// Not here: __activemask, cooperative groups, tensor cores, asynchronous copies, and what memory
/// does between blocks that run at the same time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tersevec::host {

struct Index3 {
    unsigned x = 1, y = 1, z = 1;
};

enum class Schedule { forward, reverse, random };

/// What a lane waits at.
enum class Wait { nothing, block, syncwarp, shuffle, ballot, match, done };

constexpr int warp_size = 32;
constexpr unsigned char poison = 0xA5;
constexpr std::size_t most_shared = 64 << 10;  // what every architecture from sm_75 on can give

struct Launch {
    Index3 grid, block;
    std::size_t shared_bytes = 0;
    std::function<void()> body;
    Schedule schedule = Schedule::forward;
    std::uint64_t seed = 0;
    int without = -1;  // the barrier that lanes pass by
};

/// One CUDA thread.
struct Lane {
    Index3 thread;
    int index = 0;  // in the block
    Wait waits = Wait::nothing;
    std::uint32_t mask = 0;
    std::uint64_t posted = 0;
    std::uint64_t received[warp_size] = {};  // what the lanes of the mask posted, else poison
};

struct Block {
    Launch launch;
    Index3 index;
    std::vector<unsigned char> shared;
    std::string error;
};
inline Block block;

/// Waits at a warp operation; afterwards `received` holds what the mask's lanes posted.
const Lane& meet(Wait operation, std::uint32_t mask, std::uint64_t posted);
void meet_block();
Lane& self();

/// Static __shared__ arrays lie in a section of their own, so that they can be poisoned.
extern "C" {
extern unsigned char __start_tersevec_shared[] __attribute__((weak, visibility("hidden")));
extern unsigned char __stop_tersevec_shared[] __attribute__((weak, visibility("hidden")));
}

inline void poison_shared() {
    block.shared.assign(block.launch.shared_bytes + 16, poison);
    if (__start_tersevec_shared != nullptr) {
        std::memset(__start_tersevec_shared, poison,
                    static_cast<std::size_t>(__stop_tersevec_shared - __start_tersevec_shared));
    }
}

inline unsigned char* dynamic_shared() {
    const auto address = reinterpret_cast<std::uintptr_t>(block.shared.data());
    return block.shared.data() + (16 - address % 16) % 16;
}

template <class T>
std::uint64_t to_post(T value) {
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
}
template <class T>
T from_post(std::uint64_t bits) {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

template <class T>
T shuffle(std::uint32_t mask, T value, int source) {
    const Lane& lane = meet(Wait::shuffle, mask, to_post(value));
    return from_post<T>(lane.received[source & (warp_size - 1)]);
}

inline void sync_threads(int barrier) {
    if (barrier != block.launch.without) {
        meet_block();
    }
}
inline void sync_warp(int barrier, unsigned mask = 0xffffffffu) {
    if (barrier != block.launch.without) {
        meet(Wait::syncwarp, mask, 0);
    }
}

}  // namespace tersevec::host

#if defined(TERSEVEC_HOST_THREADS)
#include "executor_threads.h"
#else
#include "executor_fibers.h"
#endif

// ---- CUDA's words

#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __shared__ static __attribute__((section("tersevec_shared")))
#define TERSEVEC_DYNAMIC_SHARED(name) unsigned char* const name = ::tersevec::host::dynamic_shared()
#define threadIdx (::tersevec::host::self().thread)
#define blockIdx (::tersevec::host::block.index)
#define blockDim (::tersevec::host::block.launch.block)
#define gridDim (::tersevec::host::block.launch.grid)

struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(8) int2 {
    int x, y;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) ulonglong2 {
    unsigned long long x, y;
};
inline float4 make_float4(float x, float y, float z, float w) {
    return {x, y, z, w};
}
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
    return {x, y, z, w};
}

// Barriers are counted as they stand in the source, so that one can be left out at a launch.
#define __syncthreads() ::tersevec::host::sync_threads(__COUNTER__)
#define __syncwarp(...) ::tersevec::host::sync_warp(__COUNTER__ __VA_OPT__(, ) __VA_ARGS__)
inline unsigned __ballot_sync(unsigned mask, int predicate) {
    const auto& lane =
        tersevec::host::meet(tersevec::host::Wait::ballot, mask, predicate != 0 ? 1 : 0);
    unsigned bits = 0;
    for (int i = 0; i < tersevec::host::warp_size; ++i) {
        bits |= (mask >> i & 1) && lane.received[i] == 1 ? 1u << i : 0u;
    }
    return bits;
}
inline int __any_sync(unsigned mask, int predicate) {
    return __ballot_sync(mask, predicate) != 0;
}
inline int __all_sync(unsigned mask, int predicate) {
    return __ballot_sync(mask, predicate) == mask;
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value) {
    using tersevec::host::to_post;
    const auto& lane = tersevec::host::meet(tersevec::host::Wait::match, mask, to_post(value));
    unsigned bits = 0;
    for (int i = 0; i < tersevec::host::warp_size; ++i) {
        bits |= (mask >> i & 1) && lane.received[i] == to_post(value) ? 1u << i : 0u;
    }
    return bits;
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
    const int lane = tersevec::host::self().index % 32;
    return tersevec::host::shuffle(mask, value, lane / width * width + source % width);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes) {
    return tersevec::host::shuffle(mask, value, tersevec::host::self().index % 32 ^ lanes);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned lanes) {
    const unsigned lane = tersevec::host::self().index % 32;
    return tersevec::host::shuffle(mask, value,
                                   static_cast<int>(lane + lanes < 32 ? lane + lanes : lane));
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes) {
    const unsigned lane = tersevec::host::self().index % 32;
    return tersevec::host::shuffle(mask, value,
                                   static_cast<int>(lane >= lanes ? lane - lanes : lane));
}

template <class T, class Change>
T atomic_change(T* address, Change change) {
    static_assert(std::is_integral_v<T>, "sums of floats would depend on the order of threads");
    T old = __atomic_load_n(address, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(address, &old, change(old), false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {
    }
    return old;
}
template <class T>
T atomicAdd(T* address, T value) {
    return atomic_change(address, [=](T old) { return static_cast<T>(old + value); });
}
template <class T>
T atomicMin(T* address, T value) {
    return atomic_change(address, [=](T old) { return value < old ? value : old; });
}
template <class T>
T atomicMax(T* address, T value) {
    return atomic_change(address, [=](T old) { return value > old ? value : old; });
}
template <class T>
T atomicOr(T* address, T value) {
    return atomic_change(address, [=](T old) { return static_cast<T>(old | value); });
}

inline int __popc(unsigned x) {
    return __builtin_popcount(x);
}
inline int __popcll(unsigned long long x) {
    return __builtin_popcountll(x);
}
inline int __clz(int x) {
    return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x));
}
inline int __ffs(int x) {
    return __builtin_ffs(x);
}
template <class T>
T __ldg(const T* address) {
    return *address;
}
inline int __dp4a(int a, int b, int sum) {
    for (int i = 0; i < 4; ++i) {
        sum += static_cast<signed char>(a >> 8 * i) * static_cast<signed char>(b >> 8 * i);
    }
    return sum;
}
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selectors) {
    const unsigned long long bytes = static_cast<unsigned long long>(b) << 32 | a;
    unsigned result = 0;
    for (int i = 0; i < 4; ++i) {
        const unsigned selector = selectors >> 4 * i & 15;
        const unsigned byte = static_cast<unsigned>(bytes >> 8 * (selector & 7)) & 0xffu;
        const unsigned taken = selector & 8 ? (byte & 0x80u ? 0xffu : 0u) : byte;
        result |= taken << 8 * i;
    }
    return result;
}
inline float __int2float_rn(int x) {
    return static_cast<float>(x);
}

// ---- launches, for ctypes

namespace tersevec::host {

/// One letter and the size of each argument: `p` and the size behind a pointer, `i`, `u`, `f`.
template <class T>
std::string code_of() {
    if constexpr (std::is_pointer_v<T>) {
        using Value = std::remove_cv_t<std::remove_pointer_t<T>>;
        if constexpr (std::is_void_v<Value>) {
            return "p0 ";
        } else {
            return "p" + std::to_string(sizeof(Value)) + " ";
        }
    } else if constexpr (std::is_floating_point_v<T>) {
        return "f" + std::to_string(sizeof(T)) + " ";
    } else {
        return (std::is_signed_v<T> ? "i" : "u") + std::to_string(sizeof(T)) + " ";
    }
}

struct Kernel {
    std::string name, signature;
    std::function<std::function<void()>(void**)> bind;
};
inline std::vector<Kernel> kernels;

template <class... Arguments>
struct Export {
    Export(const char* name, void (*kernel)(Arguments...)) {
        kernels.push_back(
            {name, (std::string() + ... + code_of<Arguments>()), [kernel](void** values) {
                 return bound(kernel, values, std::index_sequence_for<Arguments...>());
             }});
    }
    template <std::size_t... I>
    static std::function<void()> bound(void (*kernel)(Arguments...), void** values,
                                       std::index_sequence<I...>) {
        return [kernel, values] { kernel(*static_cast<Arguments*>(values[I])...); };
    }
};

inline const Kernel* find(const char* name) {
    for (const Kernel& kernel : kernels) {
        if (kernel.name == name) {
            return &kernel;
        }
    }
    return nullptr;
}

}  // namespace tersevec::host

extern "C" {
#define TERSEVEC_VISIBLE __attribute__((visibility("default")))

/// The kernel's arguments as `code_of` writes them, or null.
TERSEVEC_VISIBLE const char* tersevec_signature(const char* kernel) {
    const auto* found = tersevec::host::find(kernel);
    return found == nullptr ? nullptr : found->signature.c_str();
}

/// Null, or what went wrong. `sizes` are the grid's and the block's x, y, z; `without`: the
/// barrier to leave out, counted from 0, or -1.
TERSEVEC_VISIBLE const char* tersevec_launch(const char* kernel, const unsigned* sizes,
                                             std::size_t shared_bytes, void** values, int schedule,
                                             std::uint64_t seed, int without) {
    using namespace tersevec::host;
    block = {};
    block.launch = {{sizes[0], sizes[1], sizes[2]},
                    {sizes[3], sizes[4], sizes[5]},
                    shared_bytes,
                    find(kernel)->bind(values),
                    static_cast<Schedule>(schedule),
                    seed,
                    without};
    const auto threads = std::size_t{sizes[3]} * sizes[4] * sizes[5];
    if (threads == 0 || threads % warp_size != 0 || threads > 1024) {
        return "the block's size is no multiple of 32 up to 1024";
    }
    if (std::uint64_t{sizes[0]} * sizes[1] * sizes[2] == 0 || sizes[0] > 0x7fffffffu ||
        sizes[1] > 65535 || sizes[2] > 65535) {
        return "the grid is empty or too large";
    }
    if (shared_bytes > most_shared) {
        return "more than 64 KiB of shared memory";
    }
    run_grid();
    return block.error.empty() ? nullptr : block.error.c_str();
}
}

#define TERSEVEC_EXPORT(kernel)                           \
    static const tersevec::host::Export export_##kernel { \
        #kernel, &kernel                                  \
    }
