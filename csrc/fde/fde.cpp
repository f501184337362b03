// SPDX-License-Identifier: Apache-2.0
#include "fde/fde.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/kernel_table.h"
#include "core/lines.h"
#include "core/parallel.h"

namespace tersevec::fde {

namespace avx512 { extern const Kernels kernels; }
namespace avx2 { extern const Kernels kernels; }
namespace sse4 { extern const Kernels kernels; }
namespace neon { extern const Kernels kernels; }
namespace scalar { extern const Kernels kernels; }

namespace {

constexpr const Kernels* table[] = {
#if defined(__x86_64__)
    &avx512::kernels,
    &avx2::kernels,
    &sse4::kernels,
#elif defined(__aarch64__)
    &neon::kernels,
#endif
    &scalar::kernels,
};

/// The pattern of each cell: the Gray code of c, its most significant digit as bit 0.
std::vector<std::uint32_t> patterns_of_cells(const Encoder& encoder) {
    std::vector<std::uint32_t> patterns(encoder.n_cells());
    for (std::uint32_t c = 0; c < patterns.size(); ++c) {
        const std::uint32_t gray = c ^ c >> 1;
        for (int bit = 0; bit < encoder.n_bits; ++bit) {
            patterns[c] |= (gray >> (encoder.n_bits - 1 - bit) & 1) << bit;
        }
    }
    return patterns;
}

/// One thread's memory and what it does with a document.
class Worker {
public:
    Worker(const Ragged& batch, const Encoder& encoder, const Output& out, std::int64_t longest,
           const std::vector<std::uint32_t>& patterns_of_cells, const Kernels& kernels)
        : batch_(batch),
          encoder_(encoder),
          out_(out),
          kernels_(kernels),
          widened_(batch.tokens.type == TokenType::float32 ? 0 : longest * batch.tokens.dims),
          all_patterns_(longest * encoder.n_repetitions),
          row_(out.type == TokenType::float32 ? 0 : encoder.width),
          blocks_(encoder.buckets == nullptr ? 0 : encoder.block_width()),
          hashes_(hash_rows * padded_hashes(encoder)),
          bits_(padded_hashes(encoder) / 8 + 8),
          slots_(encoder.n_cells()),
          nearest_(encoder.fill ? encoder.n_cells() : 0),
          token_slots_(longest),
          slot_tokens_(std::min(longest, encoder.n_cells()) + longest + 1),
          counts_(slot_tokens_.size()),
          order_(longest),
          ends_(slot_tokens_.size()),
          sums_((slot_tokens_.size() + padding) * batch.tokens.dims),
          projected_((slot_tokens_.size() + padding) * encoder.n_dims),
          work_{hashes_.data(),  bits_.data(),        slots_.data(),
                nearest_.data(), token_slots_.data(), slot_tokens_.data(),
                counts_.data(),  order_.data(),       ends_.data(),
                sums_.data(),    projected_.data(),   patterns_of_cells.data()} {
        std::fill_n(work_.projected, encoder.n_dims, 0.0f);
    }

    void encode(std::int64_t i) {
        const bool direct = out_.type == TokenType::float32;
        float* row = direct ? static_cast<float*>(out_.data) + i * encoder_.width : row_.data();
        if (batch_.length(i) == 0) {
            std::fill(row, row + encoder_.width, 0.0f);
        } else {
            add_blocks(tokens_of(i), batch_.length(i), row, ahead_of(i, row));
        }
        if (!direct) {
            kernels_.narrow(row, encoder_.width, out_, i);
        }
    }

private:
    /// Memory that is wanted soon, fetched in as many parts as there are repetitions: the tokens of
    /// the next document, and the row's blocks before they are written.
    struct Ahead {
        const char *tokens, *row;
        std::int64_t token_bytes, row_bytes;

        void next() noexcept {
            for (std::int64_t at = 0; at < token_bytes; at += 64) {
                __builtin_prefetch(tokens + at);
            }
            for (std::int64_t at = 0; at < row_bytes; at += 64) {
                __builtin_prefetch(row + at, 1);
            }
            tokens += token_bytes;
            row += row_bytes;
        }
    };
    Ahead ahead_of(std::int64_t i, const float* row) const noexcept {
        const Tokens& tokens = batch_.tokens;
        const std::int64_t next = i + 1 < batch_.n ? batch_.length(i + 1) : 0;
        const bool direct = row_.empty() && encoder_.buckets == nullptr;
        return {static_cast<const char*>(tokens.row(batch_.offsets[i + 1])),
                reinterpret_cast<const char*>(row) + direct * encoder_.block_width() * 4,
                next * tokens.dims * token_bytes(tokens.type) / encoder_.n_repetitions,
                direct ? encoder_.block_width() * 4 : 0};
    }

    static constexpr std::size_t padding = 3;  // rows that are multiplied with the last

    const float* tokens_of(std::int64_t i) {
        if (batch_.tokens.type == TokenType::float32) {
            return static_cast<const float*>(batch_.tokens.row(batch_.offsets[i]));
        }
        kernels_.widen(batch_.tokens, batch_.offsets[i], batch_.length(i), widened_.data());
        return widened_.data();
    }

    /// Sums, then blocks; `ahead` is fetched meanwhile.
    void add_blocks(const float* tokens, std::int64_t n, float* row, Ahead ahead) {
        kernels_.patterns(tokens, n, encoder_, work_, all_patterns_.data());
        const std::int64_t width = encoder_.block_width(), dims = encoder_.hashes.n;
        Items items{tokens, dims, dims, projects_first(encoder_, n)};
        if (items.projected) {
            projected_tokens_.resize(n * encoder_.projections.width);
            kernels_.project(tokens, n, encoder_, projected_tokens_.data());
            items.data = projected_tokens_.data();
            items.stride = encoder_.projections.width;
            items.width = encoder_.n_dims;
        }
        if (encoder_.buckets != nullptr) {
            std::fill(row, row + encoder_.width, 0.0f);
        }
        for (std::int64_t r = 0; r < encoder_.n_repetitions; ++r) {
            ahead.next();
            items.data += items.projected && r > 0 ? encoder_.n_dims : 0;
            const std::uint32_t* patterns = all_patterns_.data() + r * n;
            if (encoder_.buckets == nullptr) {
                kernels_.blocks(items, n, encoder_, r, patterns, work_, row + r * width);
                continue;
            }
            kernels_.blocks(items, n, encoder_, r, patterns, work_, blocks_.data());
            for (std::int64_t j = 0; j < width; ++j) {
                const float number = blocks_[j];
                row[encoder_.buckets[r * width + j]] +=
                    encoder_.signs[r * width + j] > 0 ? number : -number;
            }
        }
    }

    const Ragged& batch_;
    const Encoder& encoder_;
    const Output& out_;
    const Kernels& kernels_;
    std::vector<float> widened_;
    std::vector<std::uint32_t> all_patterns_;
    std::vector<float> projected_tokens_, row_, blocks_;
    Lines<float> hashes_;
    std::vector<std::uint8_t> bits_;
    std::vector<std::int32_t> slots_;
    std::vector<std::uint32_t> nearest_;
    std::vector<std::int32_t> token_slots_, slot_tokens_, counts_, order_, ends_;
    Lines<float> sums_, projected_;
    Workspace work_;
};

/// Documents a task has: enough tokens that starting it costs nothing.
constexpr std::int64_t task_tokens = 1024;

std::vector<std::int64_t> cut(const Ragged& batch) {
    std::vector<std::int64_t> starts{0};
    for (std::int64_t i = 0; i < batch.n; ++i) {
        if (batch.offsets[i + 1] - batch.offsets[starts.back()] >= task_tokens ||
            i + 1 == batch.n) {
            starts.push_back(i + 1);
        }
    }
    return starts;
}

}  // namespace

std::span<const Kernels* const> rows() noexcept {
    return table;
}

void encode(const Ragged& batch, const Encoder& encoder, const Output& out, int threads,
            Isa at_most) {
    const Kernels& kernels = fastest_row(rows(), &Kernels::blocks, at_most);
    std::int64_t longest = 0;
    for (std::int64_t i = 0; i < batch.n; ++i) {
        longest = std::max(longest, batch.length(i));
    }
    const std::vector<std::uint32_t> cells = patterns_of_cells(encoder);
    const std::vector<std::int64_t> starts = cut(batch);
    const auto n_tasks = static_cast<std::int64_t>(starts.size()) - 1;
    const std::int64_t n_workers =
        std::clamp<std::int64_t>(threads, 1, std::max<std::int64_t>(n_tasks, 1));
    std::atomic<std::int64_t> next{0};
    parallel_for(static_cast<int>(n_workers), n_workers, [&](std::int64_t) {
        Worker worker(batch, encoder, out, longest, cells, kernels);
        for (std::int64_t task; (task = next++) < n_tasks;) {
            for (std::int64_t i = starts[task]; i < starts[task + 1]; ++i) {
                worker.encode(i);
            }
        }
    });
}

}  // namespace tersevec::fde
