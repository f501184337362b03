"""Kernels of integer products touch no byte that is not theirs: walls around what they read."""

from __future__ import annotations

import numpy as np
import pytest

import guard
from cases import int_queries, product_codes

pytestmark = pytest.mark.skipif(not guard.HERE, reason=guard.WHY_NOT)

BITS = (1, 2, 3, 4, 5, 6, 7, 8)
CANARY = 0xA5


def blocks_of(path, codes, m, n_bits):
    in_block, *block = path.symdist.block_shape(m, n_bits)
    blocks = np.zeros((-(-len(codes) // in_block), *block), np.uint8)
    path.symdist.pack(codes, blocks, m, n_bits, 0)
    return blocks


@pytest.mark.parametrize("n", [1, 15, 17, 33])
@pytest.mark.parametrize("m", [1, 3, 4, 5, 8, 9, 15, 16, 17, 31, 33, 65])
@pytest.mark.parametrize("n_bits", BITS)
def test_scans_stay_inside_their_arrays(path, rng, n, m, n_bits):
    scans, nq = path.symdist, 9
    codes, queries = product_codes(n, m, rng, n_bits), int_queries("random", nq, m, n_bits, rng)
    scales, factors = rng.random(nq, np.float32), rng.random(n, np.float32)
    mask = rng.integers(0, 256, (n + 7) // 8, dtype=np.uint8)
    mask[-1] &= (1 << (n - 1) % 8 + 1) - 1
    blocks = blocks_of(path, codes, m, n_bits)
    expected = scans.topk(queries, scales, codes, n, n_bits, factors, n, mask, 1)
    places = [*guard.placements(codes, blocks, queries, scales, factors, mask)]
    places.append((guard.rows_before_a_wall(codes), *places[0][1:]))
    for codes_there, blocks_there, queries_there, scales_there, factors_there, mask_there in places:
        for base in (codes_there, blocks_there):
            given = (queries_there, scales_there, base, n, n_bits, factors_there)
            found = scans.topk(*given, n, mask_there, 1)
            np.testing.assert_array_equal(found[1], expected[1])
            scans.range_search(*given, 0.0, mask_there, 1)
            scans.scores(*given, 1)
        np.testing.assert_array_equal(scans.unpack(blocks_there, n, m, n_bits), codes)
        split = scans.split(codes_there, m, n_bits)
        np.testing.assert_array_equal(scans.join(guard.before_a_wall(split), n_bits), codes)
        scans.pack(codes_there, np.zeros_like(blocks), m, n_bits, 0)


@pytest.mark.parametrize("n", [4096, 4113])
@pytest.mark.parametrize(("n_bits", "m"), [(1, 1), (1, 33), (2, 1), (2, 17)])
@pytest.mark.parametrize("kind", ["codes", "random"])
def test_scans_of_large_bases_stay_inside_their_arrays(path, rng, n, m, n_bits, kind):
    """So large that tables of the queries are worth making."""
    codes, queries = product_codes(n, m, rng, n_bits), int_queries(kind, 3, m, n_bits, rng)
    scales, factors = rng.random(3, np.float32), rng.random(n, np.float32)
    blocks = blocks_of(path, codes, m, n_bits)
    expected = path.symdist.topk(queries, scales, codes, n, n_bits, factors, 9, None, 1)
    for there in guard.placements(blocks, queries, scales, factors):
        base, *asked, terms = there
        found = path.symdist.topk(*asked, base, n, n_bits, terms, 9, None, 1)
        np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize(("start", "n"), [(0, 16), (3, 5), (16, 17), (5, 59), (32, 0)])
def test_pack_writes_its_rows_and_no_others(path, rng, start, n, n_bits):
    m, scans = 9, path.symdist
    codes, kept = product_codes(n, m, rng, n_bits), product_codes(start, m, rng, n_bits)
    in_block, *block = scans.block_shape(m, n_bits)
    blocks = guard.before_a_wall(np.zeros((96 // in_block, *block), np.uint8))
    scans.pack(kept, blocks, m, n_bits, 0)
    first_free = -(-(start + n) // in_block)
    blocks[first_free:] = CANARY
    scans.pack(guard.before_a_wall(codes), blocks, m, n_bits, start)
    assert (blocks[first_free:] == CANARY).all()
    expected = np.concatenate([kept, codes])
    np.testing.assert_array_equal(scans.unpack(blocks, start + n, m, n_bits), expected)
    padding = scans.unpack(blocks[:first_free], in_block * first_free, m, n_bits)[start + n :]
    assert not padding.any()
