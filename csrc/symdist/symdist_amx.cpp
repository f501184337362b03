// SPDX-License-Identifier: Apache-2.0
// Products of small whole numbers, AMX.
//   step       a tile product: 16 queries x up to 64 dimensions, by 16 lines of a block of 16 rows
//   registers  4 tiles of sums for 32 queries and 32 rows, 2 tiles of queries, 2 of rows: each that
//              is loaded is multiplied twice
//   tail       fewer queries are shorter tiles; dimensions are cut into tiles of equal height
//   why not    more queries: two tiles of them and of rows fill the registers
#include <immintrin.h>

#include "symdist/symdist_vnni.h"

namespace tersevec::symdist::amx {
namespace {

constexpr int tile_rows = 16;

/// The shapes of the 8 tile registers, as the CPU wants them.
struct alignas(64) TileShapes {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};
};

/// Products of the scan's first 16 queries are tiles 0 and 1, from tile 4; of those after 2 and 3,
/// from 5; tiles 6 and 7 are rows.
class Level : public Avx512Values {
public:
    static constexpr int rows = 32, queries = tile_queries;

    explicit Level(const PanelScan& scan) noexcept
        : n_queries_(scan.n_queries), height_(scan.lines / ((scan.lines + 15) / 16)) {
        const int first = n_queries_ < tile_rows ? n_queries_ : tile_rows;
        const int second = both() ? n_queries_ - first : tile_rows;
        TileShapes shapes;
        const auto shape = [&](int tile, std::int64_t n_rows, std::int64_t row_bytes) {
            shapes.rows[tile] = static_cast<std::uint8_t>(n_rows);
            shapes.row_bytes[tile] = static_cast<std::uint16_t>(row_bytes);
        };
        for (const int tile : {0, 1}) {
            shape(tile, first, line_bytes);
            shape(tile + 2, second, line_bytes);
            shape(tile + 6, height_, line_bytes);
        }
        shape(4, first, line_dims * height_);
        shape(5, second, line_dims * height_);
        __asm__ volatile("" : : "r"(&shapes) : "memory");  // GCC 12 takes only 8 bytes for read
        _tile_loadconfig(&shapes);
    }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { _tile_release(); }

    int begin(const PanelScan& scan, int, const std::uint8_t* blocks,
              std::int32_t*) const noexcept {
        const std::int64_t block_bytes = line_bytes * scan.lines;
        const std::int64_t query_bytes = line_dims * scan.lines;
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (std::int64_t g = 0; g < scan.lines; g += height_) {
            const std::int8_t* query = scan.queries + line_dims * g;
            _tile_loadd(4, query, query_bytes);
            _tile_loadd(6, blocks + line_bytes * g, line_bytes);
            _tile_loadd(7, blocks + block_bytes + line_bytes * g, line_bytes);
            _tile_dpbsud(0, 4, 6);
            _tile_dpbsud(1, 4, 7);
            if (both()) {
                _tile_loadd(5, query + tile_rows * query_bytes, query_bytes);
                _tile_dpbsud(2, 5, 6);
                _tile_dpbsud(3, 5, 7);
            }
        }
        return n_queries_;
    }

    void end(std::int32_t* sums) const noexcept {
        constexpr int stride = rows * sizeof(std::int32_t);
        _tile_stored(0, sums, stride);
        _tile_stored(1, sums + block_rows, stride);
        if (both()) {
            _tile_stored(2, sums + tile_rows * rows, stride);
            _tile_stored(3, sums + tile_rows * rows + block_rows, stride);
        }
    }

private:
    bool both() const noexcept { return n_queries_ > tile_rows; }

    int n_queries_;
    std::int64_t height_;  // lines of a tile
};

}  // namespace

extern const Kernels kernels;
constinit const Kernels kernels = with_stored(kernels_of<Level>(Isa::amx, 0.16f));

}  // namespace tersevec::symdist::amx
