// SPDX-License-Identifier: Apache-2.0
/// Training and encoding kernels against the header's definitions, number by number. `volatile`
/// keeps every product rounded.
#pragma once

#include "parity_check.h"
#include "pqencode/pqencode.h"

namespace tersevec::parity {

inline float product(float a, float b) {
    volatile float rounded = a * b;
    return rounded;
}

struct PqencodeCase {
    std::int64_t n, m, n_centroids, dims;
    std::string shape;
    Floats x, codebooks, half_norms;

    PqencodeCase(Random& random, std::int64_t n, std::int64_t m, std::int64_t n_centroids,
                 std::int64_t dims)
        : n(n),
          m(m),
          n_centroids(n_centroids),
          dims(dims),
          shape(std::to_string(n) + " rows, m " + std::to_string(m) + ", " +
                std::to_string(n_centroids) + " centroids of " + std::to_string(dims)),
          x(random.numbers(n * m * dims)),
          codebooks(random.numbers(m * n_centroids * dims)) {
        for (std::int64_t t = 0; t < dims; ++t) {  // equal centroids: a tie
            codebooks[codebooks.size() - dims + t] = codebooks[t];
        }
        std::fill_n(x.begin(), m * dims, 0.0f);  // a row without a direction
        for (std::int64_t c = 0; c < m * n_centroids; ++c) {
            float norm = 0.0f;
            for (std::int64_t t = 0; t < dims; ++t) {
                norm = norm + product(codebooks[c * dims + t], codebooks[c * dims + t]);
            }
            half_norms.push_back(0.5f * norm);
        }
    }

    Rows<float> rows() const { return {x.data(), n, m * dims, m * dims * 4}; }
    pqencode::Encode task() const {
        return {rows(), codebooks.data(), nullptr, nullptr, m, n_centroids, dims};
    }
    /// <x, c> of row i and centroid k of sub-space j, from `start`, terms with this sign.
    float walk(float start, float sign, std::int64_t i, std::int64_t j, std::int64_t k) const {
        const float* part = x.data() + (i * m + j) * dims;
        const float* centroid = codebooks.data() + (j * n_centroids + k) * dims;
        for (std::int64_t t = 0; t < dims; ++t) {
            start = start + sign * product(part[t], centroid[t]);
        }
        return start;
    }
};

/// The first of the lowest scores.
template <class Score>
std::uint8_t lowest(std::int64_t n_centroids, Score score) {
    std::int64_t best = 0;
    for (std::int64_t k = 1; k < n_centroids; ++k) {
        best = score(k) < score(best) ? k : best;
    }
    return static_cast<std::uint8_t>(best);
}

inline Bytes nearest_centroids(const PqencodeCase& c) {
    Bytes want;
    for (std::int64_t i = 0; i < c.n; ++i) {
        for (std::int64_t j = 0; j < c.m; ++j) {
            want.push_back(lowest(c.n_centroids, [&](std::int64_t k) {
                return c.walk(c.half_norms[j * c.n_centroids + k], -1.0f, i, j, k);
            }));
        }
    }
    return want;
}

inline Bytes anisotropic_codes(const PqencodeCase& c, float eta) {
    Bytes want;
    for (std::int64_t i = 0; i < c.n; ++i) {
        float length = 0.0f;
        for (std::int64_t t = 0; t < c.m * c.dims; ++t) {
            length = length + product(c.x[i * c.m * c.dims + t], c.x[i * c.m * c.dims + t]);
        }
        const float weight = length >= pqencode::least_length ? 0.5f * (eta - 1.0f) / length : 0.0f;
        const auto p = [&](std::int64_t j, std::int64_t k) { return c.walk(0.0f, 1.0f, i, j, k); };
        const auto near = [&](std::int64_t j, std::int64_t k) {
            return c.half_norms[j * c.n_centroids + k] - p(j, k);
        };
        Bytes code;
        for (std::int64_t j = 0; j < c.m; ++j) {
            code.push_back(lowest(c.n_centroids, [&](std::int64_t k) { return near(j, k); }));
        }
        for (int pass = 0; pass < pqencode::most_passes; ++pass) {
            const Bytes before = code;
            float e = length;
            for (std::int64_t j = 0; j < c.m; ++j) {
                e = e - p(j, code[j]);
            }
            for (std::int64_t j = 0; j < c.m; ++j) {
                const float a = e + p(j, code[j]);
                code[j] = lowest(c.n_centroids, [&](std::int64_t k) {
                    const float b = a - p(j, k);
                    return near(j, k) + product(product(weight, b), b);
                });
                e = a - p(j, code[j]);
            }
            if (code == before) {
                break;
            }
        }
        want.insert(want.end(), code.begin(), code.end());
    }
    return want;
}

inline void check_encoding(const PqencodeCase& c, const std::vector<Isa>& levels) {
    const Bytes nearest = nearest_centroids(c), anisotropic = anisotropic_codes(c, 6.0f);
    for (const Isa isa : levels) {
        Bytes got(c.n * c.m);
        pqencode::assign(c.task(), 2, isa, got.data());
        expect(got == nearest, "pqencode assign", isa, c.shape);
        pqencode::assign_anisotropic(c.task(), 6.0f, 2, isa, got.data());
        expect(got == anisotropic, "pqencode assign_anisotropic", isa, c.shape);
    }
}

inline void check_sums(Random& random) {
    const PqencodeCase c(random, 19, 3, 16, 5);
    const Bytes assigned = random.bytes(c.n * c.m, 15);
    std::vector<double> sums(c.codebooks.size()), want(sums.size());
    std::vector<std::int64_t> counts(c.m * c.n_centroids), want_counts(counts.size());
    for (std::int64_t cell = 0; cell < c.n * c.m; ++cell) {
        const std::int64_t centroid = cell % c.m * c.n_centroids + assigned[cell];
        ++want_counts[centroid];
        for (std::int64_t t = 0; t < c.dims; ++t) {
            want[centroid * c.dims + t] += c.x[cell * c.dims + t];
        }
    }
    for (const int threads : {1, 2, 5}) {
        pqencode::centroid_sums(c.rows(), assigned.data(), c.m, c.n_centroids, threads, sums.data(),
                                counts.data());
        expect(sums == want && counts == want_counts, "pqencode centroid_sums", Isa::scalar,
               c.shape);
    }
}

inline void check_products(Random& random, std::int64_t n, std::int64_t depth, std::int64_t width,
                           const std::vector<Isa>& levels) {
    const Floats x = random.numbers(n * depth), columns = random.numbers(depth * width);
    Floats want;
    for (std::int64_t cell = 0; cell < n * width; ++cell) {
        float sum = 0.0f;
        for (std::int64_t t = 0; t < depth; ++t) {
            sum = sum + product(x[cell / width * depth + t], columns[t * width + cell % width]);
        }
        want.push_back(sum);
    }
    for (const Isa isa : levels) {
        Floats got(want.size());
        pqencode::products({x.data(), n, depth, depth * 4}, columns.data(), width, 2, isa,
                           got.data());
        expect(got == want, "pqencode products", isa,
               std::to_string(n) + " x " + std::to_string(depth) + " x " + std::to_string(width));
    }
}

inline void check_pqencode() {
    Random random;
    const auto levels = levels_of(pqencode::rows());
    for (const std::int64_t dims : {1, 2, 3, 4, 8, 9, 33, 256, 257}) {
        for (const std::int64_t n : {1, 15, 33, dims > 9 ? 40 : 530}) {
            check_encoding(PqencodeCase(random, n, dims > 9 ? 1 : 5, 16, dims), levels);
        }
    }
    check_encoding(PqencodeCase(random, 33, 40, 16, 4), levels);
    check_encoding(PqencodeCase(random, 40, 2, 1, 3), levels);
    check_encoding(PqencodeCase(random, 40, 2, 256, 3), levels);
    for (const std::int64_t n : {1, 4, 31, 33, 515}) {
        for (const std::int64_t width : {1, 16, 63, 64, 65, 130}) {
            check_products(random, n, 9, width, levels);
        }
    }
    check_sums(random);
}

}  // namespace tersevec::parity
