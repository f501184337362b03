// SPDX-License-Identifier: Apache-2.0
/// Sparse random projections against their definitions, number by number. `volatile` keeps every
/// product rounded.
#pragma once

#include <cmath>
#include <cstring>

#include "parity_pqencode.h"
#include "sparseproj/sparseproj.h"
#include "sparseproj/sparseproj_random.h"

namespace tersevec::parity {

inline void check_ternary(Isa isa) {
    const std::vector<std::int64_t> ids = {0, 1, -1, 1ll << 62};
    for (const int threshold : {1, 10923, 32768}) {
        std::vector<std::int8_t> found(ids.size() * 128);
        sparseproj::ternary(ids.data(), 4, 77, 64, 70, threshold, 128, 2, isa, found.data());
        bool right = true;
        for (std::size_t i = 0; i < found.size(); ++i) {
            const std::uint64_t c = i % 128, golden = sparseproj::golden;
            const auto id = static_cast<std::uint64_t>(ids[i / 128]);
            const auto state = sparseproj::mix(sparseproj::mix(77 + golden) + id * golden);
            const std::uint64_t lane = 64 + c / 64 * 64 + c % 2 * 32 + c % 64 / 2;
            const auto low = static_cast<std::uint32_t>(state + lane / 2 * (golden >> 32));
            const auto word = sparseproj::mix(low, static_cast<std::uint32_t>(state >> 32));
            const auto u = static_cast<int>((word >> 16 * (lane % 2) & 0xffff) ^ 0x8000);
            const int number = u < threshold ? 1 : u < 2 * threshold ? -1 : 0;
            right &= found[i] == (c < 70 ? number : 0);
        }
        expect(right, "sparseproj ternary", isa, "threshold " + std::to_string(threshold));
    }
}

struct SparseprojCase {
    std::int64_t n, width;
    bool weighted;
    std::string shape;
    std::vector<std::int64_t> indptr = {0}, wide_indices;
    std::vector<std::int32_t> indices;
    Floats weights, row_scales, source, made;

    SparseprojCase(Random& random, std::int64_t n, std::int64_t width, std::int64_t longest,
                   bool weighted, bool whole)
        : n(n),
          width(width),
          weighted(weighted),
          shape(std::to_string(n) + " rows of " + std::to_string(width) + ", longest " +
                std::to_string(longest) + (weighted ? ", weighted" : "")),
          row_scales(random.numbers(n)),
          source(random.numbers(n * width)) {
        for (float& number : source) {
            number = whole ? static_cast<float>(static_cast<int>(random.below(3)) - 1) : number;
        }
        for (std::int64_t row = 0; row < n; ++row) {
            const std::int64_t count = row == n / 2 ? longest : random.below(6);
            for (std::int64_t entry = 0; entry < count; ++entry) {
                indices.push_back(static_cast<std::int32_t>(random.below(n)));
                weights.push_back(random.number());
            }
            indptr.push_back(static_cast<std::int64_t>(indices.size()));
        }
        wide_indices.assign(indices.begin(), indices.end());
        for (std::int64_t row = 0; row < n; ++row) {
            for (std::int64_t c = 0; c < width; ++c) {
                made.push_back(product(row_scales[row], sum(row, c)));
            }
        }
    }

    float sum(std::int64_t row, std::int64_t c) const {
        const std::int64_t begin = indptr[row], end = indptr[row + 1];
        float total = 0.0f, part = source[row * width + c];
        for (std::int64_t entry = begin; entry < end; ++entry) {
            if (entry > begin && (entry - begin) % sparseproj::part_entries == 0) {
                total = entry - begin == sparseproj::part_entries ? part : total + part;
                part = 0.0f;
            }
            const float number = source[indices[entry] * width + c];
            part = part + (weighted ? product(weights[entry], number) : number);
        }
        return end - begin > sparseproj::part_entries ? total + part : part;
    }

    /// Those of the new rows, added to `before`: 16 sums for each 64 columns, halved to one.
    Floats squares(float before) const {
        Floats totals(n, before);
        for (std::int64_t row = 0; row < n; ++row) {
            for (std::int64_t panel = 0; panel < width; panel += sparseproj::square_panel) {
                float sums[16] = {};
                for (std::int64_t c = panel; c < panel + sparseproj::square_panel; ++c) {
                    const float number = made[row * width + c];
                    sums[c % 16] = sums[c % 16] + product(number, number);
                }
                for (int half = 8; half > 0; half /= 2) {
                    for (int t = 0; t < half; ++t) {
                        sums[t] = sums[t] + sums[t + half];
                    }
                }
                totals[row] = totals[row] + sums[0];
            }
        }
        return totals;
    }

    /// Whether these are the nearest numbers to the new rows, and what multiplies them.
    bool rounds_to(const std::vector<std::int8_t>& bytes, const Floats& scales) const {
        bool right = true;
        for (std::int64_t row = 0; row < n; ++row) {
            const float* numbers = made.data() + row * width;
            float most = 0.0f;
            for (std::int64_t c = 0; c < width; ++c) {
                most = std::max(most, std::fabs(numbers[c]));
            }
            const bool there = most >= 0x1p-100f;
            right &= scales[row] == (there ? most / 127.0f : 0.0f);
            for (std::int64_t c = 0; c < width; ++c) {
                const float steps = there ? product(numbers[c], 127.0f / most) : 0.0f;
                right &= bytes[row * width + c] == std::nearbyint(steps);
            }
        }
        return right;
    }

    /// The new rows times weight / the root of their squares.
    Floats divided(float weight, const Floats& squares) const {
        Floats rows;
        for (std::int64_t i = 0; i < n * width; ++i) {
            rows.push_back(product(weight / std::sqrt(squares[i / width]), made[i]));
        }
        return rows;
    }

    sparseproj::Step step(const sparseproj::Held& held, bool wide) const {
        sparseproj::Step step{};
        const void* ids = wide ? static_cast<const void*>(wide_indices.data()) : indices.data();
        step.graph = {indptr.data(), ids, true, wide, weighted ? weights.data() : nullptr, n};
        step.source = held;
        step.row_scales = row_scales.data();
        step.self_loops = true;
        return step;
    }
};

inline void check_steps(SparseprojCase& c, Isa isa, bool whole) {
    std::vector<std::int8_t> bytes(c.source.begin(), c.source.end());
    std::vector<std::uint16_t> halves(c.source.size());
    const sparseproj::Held as_halves{halves.data(), nullptr, c.n, c.width, sparseproj::Kind::f16};
    const Rows<float> rows{c.source.data(), c.n, c.width,
                           c.width * static_cast<std::int64_t>(sizeof(float))};
    sparseproj::narrow(rows, as_halves, 2, isa);
    Floats back(c.source.size());
    sparseproj::widen(as_halves, false, c.width, 2, isa, back.data());
    std::vector<sparseproj::Held> sources = {
        {c.source.data(), nullptr, c.n, c.width, sparseproj::Kind::f32}};
    if (whole) {  // halves and bytes hold these exactly
        expect(back == c.source, "sparseproj widen", isa, c.shape);
        sources.push_back(as_halves);
        sources.push_back({bytes.data(), nullptr, c.n, c.width, sparseproj::Kind::i8});
    }
    for (const auto& source : sources) {
        for (const bool wide : {false, true}) {
            Floats out(c.made.size()), kept(c.made.size());
            auto step = c.step(source, wide);
            step.target = {kept.data(), nullptr, c.n, c.width, sparseproj::Kind::f32};
            step.sums = {out.data(), c.width, c.width, false, false, 0.0f, 1.0f};
            sparseproj::propagate(step, wide ? 3 : 1, isa);
            expect(out == c.made && kept == c.made, "sparseproj propagate", isa, c.shape);
            std::vector<std::int8_t> few(c.made.size());
            Floats scales(c.n);
            step.sums = {};
            step.target = {few.data(), scales.data(), c.n, c.width, sparseproj::Kind::i8};
            sparseproj::propagate(step, 2, isa);
            expect(c.rounds_to(few, scales), "sparseproj bytes", isa, c.shape);
            step.target = {};
            Floats squares(c.n, 2.0f);
            step.sums = {.normalize = true, .made_squares = squares.data()};
            sparseproj::propagate(step, 2, isa);
            expect(squares == c.squares(2.0f), "sparseproj squares", isa, c.shape);
            step.sums.values = out.data();
            step.sums.stride = step.sums.width = c.width;
            step.sums.made = 0.5f;
            sparseproj::propagate(step, 2, isa);
            expect(out == c.divided(0.5f, squares), "sparseproj unit rows", isa, c.shape);
        }
    }
}

/// Of what a step keeps, whose unit rows are right where `widen` is, against sums in float64.
inline void check_moments(const SparseprojCase& c, Isa isa) {
    Floats kept(c.made.size()), units(c.made.size());
    auto step = c.step(
        {const_cast<float*>(c.source.data()), nullptr, c.n, c.width, sparseproj::Kind::f32}, false);
    step.target = {kept.data(), nullptr, c.n, c.width, sparseproj::Kind::f32};
    const std::int64_t side = c.width + 1;
    std::vector<double> found(side * side), again(side * side), want(side * side), sizes(side);
    for (auto* sums : {&found, &again}) {
        step.moments = {sums->data(), c.width};
        sparseproj::propagate(step, sums == &found ? 1 : 3, isa);
    }
    sparseproj::widen(step.target, true, c.width, 1, isa, units.data());
    for (std::int64_t row = 0; row < c.n; ++row) {
        std::vector<double> x(units.begin() + row * c.width, units.begin() + (row + 1) * c.width);
        x.push_back(std::any_of(x.begin(), x.end(), [](double number) { return number != 0; }));
        for (std::int64_t i = 0; i < side; ++i) {
            sizes[i] += std::abs(x[i]);
            for (std::int64_t j = 0; j < side; ++j) {
                want[i * side + j] += x[i] * x[j];
            }
        }
    }
    bool right = found == again && found.back() == want.back();
    for (std::int64_t i = 0; i < c.width; ++i) {
        for (std::int64_t j = 0; j < side; ++j) {
            const double bound =
                j == c.width ? sizes[i] : std::sqrt(want[i * side + i] * want[j * side + j]);
            right &= std::abs(found[i * side + j] - want[i * side + j]) <= 0x1p-12 * bound;
            right &= found[i * side + j] == found[j * side + i];
        }
    }
    expect(right, "sparseproj moments", isa, c.shape);
}

inline void check_projection(Random& random, Isa isa, std::int64_t n) {
    constexpr std::int64_t features = 21, width = 5;
    const Floats x = random.numbers(n * features);
    std::vector<std::int64_t> starts = {0};
    std::vector<std::int32_t> listed;
    for (std::int64_t list = 0; list < 2 * width; ++list) {
        for (std::int32_t feature = 0; feature < features; ++feature) {
            if (random.below(4) == 0) {
                listed.push_back(feature);
            }
        }
        starts.push_back(static_cast<std::int64_t>(listed.size()));
    }
    Floats found(n * width), want;
    for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t c = 0; c < width; ++c) {
            float sums[2] = {0.0f, 0.0f};
            for (int s = 0; s < 2; ++s) {
                for (std::int64_t k = starts[2 * c + s]; k < starts[2 * c + s + 1]; ++k) {
                    sums[s] = sums[s] + x[i * features + listed[k]];
                }
            }
            want.push_back(product(0.7f, sums[0] - sums[1]));
        }
    }
    const sparseproj::Lists lists{starts.data(), listed.data(), width};
    sparseproj::project({x.data(), n, features, features * 4}, lists, 0.7f, 2, isa, found.data());
    expect(found == want, "sparseproj project", isa, std::to_string(n) + " rows");
}

inline void check_sparseproj() {
    Random random;
    for (const Isa isa : levels_of(sparseproj::rows())) {
        check_ternary(isa);
        for (const std::int64_t n : {1, 63, 130}) {
            check_projection(random, isa, n);
        }
        check_moments(SparseprojCase(random, 2100, 48, 200, true, false), isa);
        for (const bool whole : {false, true}) {
            for (const std::int64_t width : {64, 128, 320}) {
                for (const std::int64_t longest : {0, 200, 5000}) {
                    SparseprojCase c(random, 30, width, longest, longest == 200 && !whole, whole);
                    check_steps(c, isa, whole);
                    check_moments(c, isa);
                }
            }
        }
    }
}

}  // namespace tersevec::parity
