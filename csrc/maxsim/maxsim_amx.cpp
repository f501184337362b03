// SPDX-License-Identifier: Apache-2.0
// MaxSim of int8 and bfloat16 tokens, AMX.
//   step       a tile product: 16 tokens x 64 bytes of dimensions, by those of 16 query tokens
//   registers  4 tiles of sums for 32 tokens and 32 query tokens, 2 of tokens, 2 of query tokens:
//              each that is loaded is multiplied twice
//   tail       tokens of a last tile, and of rows that are no whole tiles, are copied and padded
//   why not    float32 in parts of bfloat16: sums would not be those of other levels
#include "maxsim/maxsim_bfloat16.h"
#include "maxsim/maxsim_int8.h"
#include "simd/avx512.h"

namespace tersevec::maxsim::amx {
namespace {

constexpr int tile_rows = 16, tile_bytes = 64, step = 2 * tile_rows;

/// All 8 tile registers whole, as the CPU wants it said: 0 to 3 are sums, 4 and 5 tokens, 6 and 7
/// query tokens.
struct alignas(64) TileShapes {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

struct Int8 {
    static constexpr int bytes = 1;
    using Panel = Int8Panel<std::int8_t, 4, tile_bytes>;
    using Sum = std::int32_t;
    static constexpr auto pack = &Panel::pack<0>;
    static const void* lines(const void* panel, int width) noexcept {
        return Panel::numbers(panel, width);
    }

    template <int Sums>
    static void add() noexcept {  // intrinsics take literals only
        switch (Sums) {
            case 0: _tile_dpbssd(0, 4, 6); return;
            case 1: _tile_dpbssd(1, 4, 7); return;
            case 2: _tile_dpbssd(2, 5, 6); return;
            case 3: _tile_dpbssd(3, 5, 7); return;
        }
    }
    template <int Width, class Keep>
    static void show(const Run& run, std::int64_t first, std::int64_t t, int n, const void* panel,
                     const Sum* sums, Keep& keep) noexcept {
        const Scales<Avx512, Width> scales(Panel::scales(panel));
        for (int r = 0; r < n; ++r, sums += whole_panel) {
            Vector<16>::i32 lanes[Width / 16];
            for (int c = 0; c < Width / 16; ++c) {
                lanes[c] = load<Vector<16>::i32>(sums + 16 * c);
            }
            scales.show(t + r, lanes, run.documents->batch.tokens.scales[first + t + r], keep);
        }
    }
};

struct Bfloat16 {
    static constexpr int bytes = 2;
    using Panel = Bfloat16Panel<tile_bytes / bytes>;
    using Sum = float;
    static constexpr auto pack = &Panel::pack;
    static const void* lines(const void* panel, int) noexcept { return panel; }

    template <int Sums>
    static void add() noexcept {  // intrinsics take literals only
        switch (Sums) {
            case 0: _tile_dpbf16ps(0, 4, 6); return;
            case 1: _tile_dpbf16ps(1, 4, 7); return;
            case 2: _tile_dpbf16ps(2, 5, 6); return;
            case 3: _tile_dpbf16ps(3, 5, 7); return;
        }
    }
    template <int Width, class Keep>
    static void show(const Run&, std::int64_t, std::int64_t t, int n, const void*, const Sum* sums,
                     Keep& keep) noexcept {
        for (int r = 0; r < n; ++r, sums += whole_panel) {
            Vector<16>::f32 lanes[Width / 16];
            for (int c = 0; c < Width / 16; ++c) {
                lanes[c] = load<Vector<16>::f32>(sums + 16 * c);
            }
            keep.see(t + r, lanes);
        }
    }
};

template <class Type, int Width>
class Tile {
public:
    explicit Tile(const Run&) noexcept {
        const TileShapes shapes;
        __asm__ volatile("" : : "r"(&shapes) : "memory");  // GCC 12 takes only 8 bytes for read
        _tile_loadconfig(&shapes);
    }
    Tile(const Tile&) = delete;
    Tile& operator=(const Tile&) = delete;
    ~Tile() { _tile_release(); }

    template <class Keep>
    void each(const Run& run, std::int64_t first, std::int64_t n, const void* panel,
              Keep& keep) const noexcept {
        const Tokens& tokens = run.documents->batch.tokens;
        const std::int64_t row_bytes = tokens.dims * Type::bytes;
        const std::int64_t padded = (row_bytes + tile_bytes - 1) / tile_bytes * tile_bytes;
        const auto* lines = static_cast<const char*>(Type::lines(panel, Width));
        for (std::int64_t t = 0; t < n; t += step) {
            const int count = n - t < step ? static_cast<int>(n - t) : step;
            const auto* rows = static_cast<const char*>(tokens.row(first + t));
            std::int64_t stride = row_bytes;
            if (count < step || padded != row_bytes) {
                rows = copied(rows, count, row_bytes, padded, run.scratch);
                stride = padded;
            }
            alignas(64) typename Type::Sum sums[step * whole_panel];
            multiply(rows, stride, padded, lines, count > tile_rows, sums);
            Type::template show<Width>(run, first, t, count, panel, sums, keep);
        }
    }

private:
    /// Whole tiles of rows; what lies past the tokens is multiplied too, and never looked at.
    static const char* copied(const char* rows, int count, std::int64_t row_bytes,
                              std::int64_t padded, float* scratch) noexcept {
        auto* out = reinterpret_cast<char*>(scratch);
        for (int r = 0; r < count; ++r) {
            __builtin_memcpy(out + r * padded, rows + r * row_bytes, row_bytes);
            __builtin_memset(out + r * padded + row_bytes, 0, padded - row_bytes);
        }
        return out;
    }

    static void multiply(const char* rows, std::int64_t stride, std::int64_t padded,
                         const char* lines, bool both, typename Type::Sum* sums) noexcept {
        constexpr std::int64_t line_stride = 4 * Width;
        constexpr bool wide = Width == whole_panel;
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (std::int64_t at = 0; at < padded; at += tile_bytes) {
            _tile_loadd(4, rows + at, stride);
            _tile_loadd(6, lines, line_stride);
            Type::template add<0>();
            if constexpr (wide) {
                _tile_loadd(7, lines + tile_bytes, line_stride);
                Type::template add<1>();
            }
            if (both) {
                _tile_loadd(5, rows + tile_rows * stride + at, stride);
                Type::template add<2>();
                if constexpr (wide) {
                    Type::template add<3>();
                }
            }
            lines += tile_rows * line_stride;
        }
        constexpr std::int64_t sums_stride = whole_panel * 4;
        _tile_stored(0, sums, sums_stride);
        if constexpr (wide) {
            _tile_stored(1, sums + tile_rows, sums_stride);
        }
        if (both) {
            _tile_stored(2, sums + tile_rows * whole_panel, sums_stride);
            if constexpr (wide) {
                _tile_stored(3, sums + tile_rows * whole_panel + tile_rows, sums_stride);
            }
        }
    }
};

template <class Type>
struct Tiles {
    template <int Width>
    using Of = Tile<Type, Width>;
    static constexpr Way way{whole_panel, &Type::Panel::bytes, Type::pack, &maxima<Avx512, Of>,
                             &positions<Avx512, Of>};
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels{
    .isa = Isa::amx, .bfloat16 = &Tiles<Bfloat16>::way, .int8 = &Tiles<Int8>::way};

}  // namespace tersevec::maxsim::amx
