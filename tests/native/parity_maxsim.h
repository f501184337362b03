// SPDX-License-Identifier: Apache-2.0
/// MaxSim against its definition, pair by pair.
#pragma once

#include <limits>

#include "maxsim/maxsim.h"
#include "parity_tokens.h"

namespace tersevec::parity {

struct MaxsimCase {
    Batch documents, queries;
    Floats weights, values;            // values: of every query token and document token
    Floats scores;                     // (queries, documents)
    double magnitude = 0.0;            // of the largest sum of products' magnitudes
    std::vector<std::int64_t> picked;  // (queries, 4)
    std::string shape;

    MaxsimCase(Random& random, const std::vector<std::int64_t>& query_lengths,
               const std::vector<std::int64_t>& lengths, std::int64_t dims, TokenType type,
               bool weighted)
        : documents(random, lengths, dims, type),
          queries(random, query_lengths, dims, TokenType::float32),
          weights(weighted ? random.numbers(queries.offsets.back()) : Floats()),
          shape(std::to_string(query_lengths.size()) + " queries, " +
                std::to_string(lengths.size()) + " documents of " + name_of(type) + " x " +
                std::to_string(dims)) {
        for (std::int64_t q = 0; q < queries.offsets.back(); ++q) {
            for (std::int64_t t = 0; t < documents.offsets.back(); ++t) {
                values.push_back(value_of(q, t));
            }
        }
        for (std::size_t q = 0; q < query_lengths.size(); ++q) {
            for (std::size_t i = 0; i < lengths.size(); ++i) {
                scores.push_back(score_of(q, i));
            }
            for (int j = 0; j < 4; ++j) {
                const auto any = static_cast<std::uint32_t>(lengths.size()) + 1;
                picked.push_back(static_cast<std::int64_t>(random.below(any)) - 1);
            }
        }
    }

    maxsim::Queries wanted() const {
        return {queries.numbers.data(), queries.offsets.data(),
                static_cast<std::int64_t>(queries.offsets.size()) - 1,
                weights.empty() ? nullptr : weights.data()};
    }
    maxsim::Documents base() const { return {documents.view(), documents.sums.data()}; }
    std::int64_t n() const { return static_cast<std::int64_t>(documents.offsets.size()) - 1; }

    /// The first token of document i with the largest value for query token q.
    std::int32_t match(std::int64_t q, std::int64_t i) const {
        std::int32_t best = -1;
        const float* of_query = values.data() + q * documents.offsets.back();
        for (std::int64_t t = documents.offsets[i]; t < documents.offsets[i + 1]; ++t) {
            if (best < 0 || of_query[t] > of_query[documents.offsets[i] + best]) {
                best = static_cast<std::int32_t>(t - documents.offsets[i]);
            }
        }
        return best;
    }

private:
    float value_of(std::int64_t q, std::int64_t t) {
        const std::int64_t dims = documents.dims;
        const float* query = queries.numbers.data() + q * dims;
        const float* token = documents.numbers.data() + t * dims;
        if (documents.type == TokenType::int8) {
            const auto* bytes = reinterpret_cast<const std::int8_t*>(documents.data.data());
            float largest = 0.0f;
            for (std::int64_t i = 0; i < dims; ++i) {
                largest = std::max(largest, std::fabs(query[i]));
            }
            const float scale = largest / 127.0f;
            std::int64_t product = 0;
            for (std::int64_t i = 0; i < dims && scale > 0.0f; ++i) {
                product += static_cast<std::int64_t>(std::nearbyint(query[i] / scale)) *
                           bytes[t * dims + i];
            }
            volatile float scaled = static_cast<float>(product) * scale;
            return scaled * documents.scales[t];
        }
        if (documents.type != TokenType::bfloat16) {
            return chain(query, token, dims);
        }
        double sum = 0.0, size = 0.0;
        for (std::int64_t i = 0; i < dims; ++i) {
            std::uint32_t bits;
            std::memcpy(&bits, query + i, 4);
            bits = (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
            float rounded;
            std::memcpy(&rounded, &bits, 4);
            sum += double{rounded} * token[i];
            size += std::fabs(double{rounded} * token[i]);
        }
        magnitude = std::max(magnitude, size);
        return static_cast<float>(sum);
    }

    float score_of(std::size_t q, std::size_t i) const {
        float total = 0.0f;
        for (std::int64_t t = queries.offsets[q]; t < queries.offsets[q + 1]; ++t) {
            const std::int32_t at = match(t, static_cast<std::int64_t>(i));
            if (at >= 0) {
                volatile float best =
                    values[t * documents.offsets.back() + documents.offsets[i] + at];
                volatile float weighted = weights.empty() ? best : weights[t] * best;
                total += weighted;
            }
        }
        return total;
    }
};

inline void check_maxsim(const MaxsimCase& c, Isa isa, int threads) {
    const std::int64_t n = c.n(), n_queries = c.wanted().n;
    Floats all(n_queries * n), some(4 * n_queries);
    maxsim::scores(c.wanted(), c.base(), threads, isa, all.data());
    const bool exact = c.documents.type != TokenType::bfloat16;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const double off = std::fabs(double{all[i]} - c.scores[i]);
        const double limit = exact ? 0.0 : c.magnitude * 2.0 * c.queries.offsets.back() * 0x1p-16;
        expect(off <= limit, "maxsim scores", isa, c.shape);
    }
    maxsim::candidates(c.wanted(), c.base(), c.picked.data(), 4, threads, isa, some.data());
    std::vector<std::int32_t> at(c.queries.offsets.back() * 4);
    maxsim::matches(c.wanted(), c.base(), c.picked.data(), 4, threads, isa, at.data());
    for (std::int64_t q = 0; q < n_queries; ++q) {
        for (std::int64_t j = 0; j < 4; ++j) {
            const std::int64_t id = c.picked[4 * q + j];
            const float wanted = id < 0 ? -std::numeric_limits<float>::infinity() : all[q * n + id];
            expect(some[4 * q + j] == wanted, "maxsim candidates", isa, c.shape);
            for (std::int64_t t = c.queries.offsets[q]; exact && t < c.queries.offsets[q + 1];
                 ++t) {
                expect(at[4 * t + j] == (id < 0 ? -1 : c.match(t, id)), "maxsim matches", isa,
                       c.shape);
            }
        }
    }
    Floats distances(all.size());
    std::transform(all.begin(), all.end(), distances.begin(), [](float s) { return 0.0f - s; });
    const Bytes mask((n + 7) / 8, 0x55);
    for (const Bytes* allowed : {static_cast<const Bytes*>(nullptr), &mask}) {
        for (const std::int64_t k : result_counts(n)) {
            std::vector<Key> keys(n_queries * k);
            maxsim::topk(c.wanted(), c.base(), k, view(allowed), threads, isa, keys.data());
            expect(same_topk(keys, distances, n_queries, n, k, allowed, &from_ordered_bits),
                   "maxsim topk", isa, c.shape + ", k " + std::to_string(k));
        }
    }
}

inline void check_maxsim() {
    Random random;
    for (const TokenType type : token_types) {
        std::vector<MaxsimCase> cases;
        for (const std::int64_t dims : {1, 6, 33, 64}) {
            cases.emplace_back(random, std::vector<std::int64_t>{1, 0, 33, 7},
                               std::vector<std::int64_t>{5, 0, 1, 47, 16, 3, 70}, dims, type,
                               dims == 33);
            cases.emplace_back(random, std::vector<std::int64_t>{16},
                               std::vector<std::int64_t>{2, 31}, dims, type, false);
        }
        cases.emplace_back(random, std::vector<std::int64_t>{}, std::vector<std::int64_t>{3}, 4,
                           type, false);
        cases.emplace_back(random, std::vector<std::int64_t>{3}, std::vector<std::int64_t>{}, 4,
                           type, false);
        const MaxsimCase many(random, std::vector<std::int64_t>(40, 30),
                              std::vector<std::int64_t>(70, 4), 16, type, false);
        for (const Isa isa : levels_of(maxsim::rows())) {
            for (const MaxsimCase& c : cases) {
                check_maxsim(c, isa, 1);
            }
            check_maxsim(many, isa, 5);
        }
    }
}

}  // namespace tersevec::parity
