// SPDX-License-Identifier: Apache-2.0
/// Fixed-dimensional encodings against their definition, cell by cell.
#pragma once

#include <bit>

#include "fde/fde.h"
#include "parity_tokens.h"

namespace tersevec::parity {

struct FdeCase {
    Batch batch;
    fde::Encoder encoder;
    Floats hashes, projections, expected;
    std::vector<std::int32_t> buckets;
    std::vector<std::int8_t> signs;
    std::string shape;

    FdeCase(Random& random, const std::vector<std::int64_t>& lengths, std::int64_t dims,
            TokenType type, int n_bits, std::int64_t n_dims, bool documents, bool fill,
            std::int64_t sketch)
        : batch(random, lengths, dims, type),
          hashes(random.numbers(dims * repetitions * n_bits)),
          projections(n_dims == 0 ? Floats() : random.numbers(dims * repetitions * n_dims)),
          shape(std::to_string(lengths.size()) + " bags of " + name_of(type) + " x " +
                std::to_string(dims) + ", " + std::to_string(n_bits) + " bits, " +
                std::to_string(n_dims) + " columns") {
        const std::int64_t p = n_dims == 0 ? dims : n_dims;
        const std::int64_t row_bytes = sizeof(float) * repetitions;
        encoder = {
            {hashes.data(), dims, repetitions * n_bits, row_bytes * n_bits},
            {n_dims == 0 ? nullptr : projections.data(), dims, repetitions * p, row_bytes * p},
            repetitions,
            n_bits,
            p,
            documents,
            fill,
            nullptr,
            nullptr,
            repetitions * (p << n_bits)};
        if (sketch > 0) {
            for (std::int64_t i = 0; i < encoder.width; ++i) {
                buckets.push_back(
                    static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(sketch))));
                signs.push_back(static_cast<std::int8_t>(random.below(2) * 2 - 1));
            }
            encoder.width = sketch;
            encoder.buckets = buckets.data();
            encoder.signs = signs.data();
        }
        expected.resize(lengths.size() * encoder.width);
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            define(static_cast<std::int64_t>(i), expected.data() + i * encoder.width);
        }
    }

private:
    static constexpr std::int64_t repetitions = 3;

    /// The cell's pattern, hyperplane 0 as the highest bit, or the token's.
    std::uint32_t pattern_of(const float* token, std::int64_t r) const {
        std::uint32_t bits = 0;
        for (int i = 0; i < encoder.n_bits; ++i) {
            const float side = chain(token, hashes.data() + r * encoder.n_bits + i, batch.dims,
                                     repetitions * encoder.n_bits);
            bits = bits << 1 | (side > 0.0f ? 1u : 0u);
        }
        return bits;
    }

    Floats projected(const float* token, std::int64_t r) const {
        if (projections.empty()) {
            return Floats(token, token + batch.dims);
        }
        Floats out;
        for (std::int64_t j = 0; j < encoder.n_dims; ++j) {
            out.push_back(chain(token, projections.data() + r * encoder.n_dims + j, batch.dims,
                                repetitions * encoder.n_dims));
        }
        return out;
    }

    Floats block_of(std::int64_t i, std::int64_t r, std::uint32_t cell) const {
        const std::uint32_t wanted = cell ^ cell >> 1;
        Floats sum(batch.dims), block(encoder.n_dims);
        const float* nearest = nullptr;
        int count = 0, least = 99;
        for (std::int64_t t = batch.offsets[i]; t < batch.offsets[i + 1]; ++t) {
            const float* token = batch.numbers.data() + t * batch.dims;
            const int differing = std::popcount(pattern_of(token, r) ^ wanted);
            if (differing < least) {
                least = differing;
                nearest = token;
            }
            for (std::int64_t j = 0; differing == 0 && j < batch.dims; ++j) {
                sum[j] += token[j];
            }
            const Floats own = differing == 0 ? projected(token, r) : Floats(encoder.n_dims);
            for (std::int64_t j = 0; j < encoder.n_dims; ++j) {
                block[j] += own[j];
            }
            count += differing == 0;
        }
        if (count == 0 && encoder.fill && nearest != nullptr) {
            sum.assign(nearest, nearest + batch.dims);
            block = projected(nearest, r);
        }
        const bool first_projected = fde::projects_first(encoder, batch.view().length(i));
        block = first_projected ? block : projected(sum.data(), r);
        for (std::int64_t j = 0; j < encoder.n_dims; ++j) {
            block[j] *= encoder.documents && count > 1 ? 1.0f / static_cast<float>(count) : 1.0f;
        }
        return block;
    }

    void define(std::int64_t i, float* out) const {
        std::int64_t at = 0;
        for (std::int64_t r = 0; r < repetitions; ++r) {
            for (std::uint32_t cell = 0; cell < 1u << encoder.n_bits; ++cell) {
                for (const float number : block_of(i, r, cell)) {
                    if (buckets.empty()) {
                        out[at] = number;
                    } else {
                        out[buckets[at]] += signs[at] > 0 ? number : -number;
                    }
                    ++at;
                }
            }
        }
    }
};

/// Each row's numbers in steps of its scale.
inline bool same_bytes(const std::vector<std::int8_t>& bytes, const Floats& scales,
                       const Floats& expected, std::int64_t width) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const float scale = scales[i / width];
        const float steps = scale > 0.0f ? expected[i] / scale : 0.0f;
        if (bytes[i] != static_cast<std::int8_t>(std::nearbyint(steps))) {
            return false;
        }
    }
    return true;
}

inline void check_fde(const FdeCase& c, Isa isa, int threads) {
    Floats out(c.expected.size(), 7.0f);
    fde::encode(c.batch.view(), c.encoder, {out.data(), TokenType::float32, nullptr}, threads, isa);
    expect(out == c.expected, "fde encode", isa, c.shape);

    std::vector<std::int8_t> bytes(out.size());
    Floats scales(c.batch.offsets.size() - 1);
    fde::encode(c.batch.view(), c.encoder, {bytes.data(), TokenType::int8, scales.data()}, threads,
                isa);
    expect(same_bytes(bytes, scales, c.expected, c.encoder.width), "fde encode to int8", isa,
           c.shape);

    std::vector<std::uint16_t> halves(out.size());
    fde::encode(c.batch.view(), c.encoder, {halves.data(), TokenType::float16, nullptr}, threads,
                isa);
    const Tokens as_tokens{halves.data(), TokenType::float16, c.encoder.width, nullptr};
    fde::rows().back()->widen(as_tokens, 0, static_cast<std::int64_t>(scales.size()), out.data());
    for (std::size_t i = 0; i < out.size(); ++i) {
        const float near = std::fabs(c.expected[i]) * 0x1p-11f + 0x1p-25f;
        expect(std::fabs(out[i] - c.expected[i]) <= near, "fde encode to float16", isa, c.shape);
    }
}

inline void check_fde() {
    Random random;
    std::vector<FdeCase> cases;
    for (const TokenType type : token_types) {
        for (const std::int64_t dims : {1, 16, 37}) {
            for (const int n_bits : {0, 1, 4}) {
                const std::int64_t p = n_bits == 1 ? 0 : dims == 16 ? 21 : 8;
                cases.emplace_back(random, std::vector<std::int64_t>{0, 1, 5, 13, 70, 2}, dims,
                                   type, n_bits, p, true, n_bits > 0, dims == 1 ? 11 : 0);
                cases.emplace_back(random, std::vector<std::int64_t>{3, 0, 17}, dims, type, n_bits,
                                   p, dims == 16, false, dims == 37 ? 5 : 0);
            }
        }
    }
    cases.emplace_back(random, std::vector<std::int64_t>{40, 300}, 130, TokenType::float32, 6, 16,
                       true, true, 0);
    for (const FdeCase& c : cases) {
        for (const Isa isa : levels_of(fde::rows())) {
            check_fde(c, isa, 1);
        }
    }
    const FdeCase many(random, std::vector<std::int64_t>(60, 60), 32, TokenType::float32, 3, 8,
                       true, true, 0);
    for (const Isa isa : levels_of(fde::rows())) {
        check_fde(many, isa, 5);
    }
}

}  // namespace tersevec::parity
