"""Kernels touch no byte that is not theirs: walls behind and before everything they read."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import guard
from cases import BITS, bit_codes, product_codes, tables

pytestmark = pytest.mark.skipif(not guard.HERE, reason=guard.WHY_NOT)

CANARY = 0xA5


def test_a_read_past_the_wall_ends_the_process():
    code = (
        "import ctypes, numpy, guard; x = guard.{}(numpy.zeros(7, 'u1')); ctypes.string_at({}, 1)"
    )
    for placed, address in (
        ("before_a_wall", "x.ctypes.data + 7"),
        ("behind_a_wall", "x.ctypes.data - 1"),
        ("rows_before_a_wall", "x.ctypes.data"),
    ):
        script = code.format(placed, address).replace("zeros(7", "zeros((7, 1)")
        ended = subprocess.run(
            [sys.executable, "-c", script], cwd=Path(__file__).parent, check=False
        ).returncode
        assert ended == (0 if placed == "rows_before_a_wall" else -signal.SIGSEGV)


@pytest.mark.parametrize("n", [1, 7, 8, 33, 65])
@pytest.mark.parametrize("n_bytes", [1, 7, 8, 31, 33, 64, 257])
def test_hamming_scans_stay_inside_their_arrays(path, rng, n, n_bytes):
    codes, queries = bit_codes("random", n, n_bytes, rng), bit_codes("random", 9, n_bytes, rng)
    mask = rng.integers(0, 256, (n + 7) // 8, dtype=np.uint8)
    blocks = np.zeros(((n + 7) // 8, (n_bytes + 7) // 8, 8), np.uint64)
    path.hamming.pack(codes, blocks, 0)
    expected = path.hamming.topk(queries, codes, n, n, mask, 1)
    places = [*guard.placements(codes, queries, mask, blocks)]
    places.append(
        (guard.rows_before_a_wall(codes), guard.rows_before_a_wall(queries), *places[0][2:])
    )
    for codes_there, queries_there, mask_there, blocks_there in places:
        for base in (codes_there, blocks_there):
            found = path.hamming.topk(queries_there, base, n, n, mask_there, 1)
            np.testing.assert_array_equal(found[1], expected[1])
            path.hamming.range_search(queries_there, base, n, 4 * n_bytes, mask_there, 1)
        path.hamming.distances(queries_there, codes_there, 1)
        np.testing.assert_array_equal(path.hamming.unpack(blocks_there, n, n_bytes), codes)
        path.hamming.pack(codes_there, np.zeros_like(blocks), 0)


@pytest.mark.parametrize("d", [1, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100])
def test_pack_bits_stays_inside_its_rows(path, rng, d):
    x = rng.standard_normal((3, d), dtype=np.float32)
    for there in (*guard.placements(x), (guard.rows_before_a_wall(x),)):
        np.testing.assert_array_equal(
            path.hamming.pack_bits(there[0], 1), np.packbits(x > 0, axis=1)
        )


@pytest.mark.parametrize("n", [1, 31, 33, 65])
@pytest.mark.parametrize(
    ("n_bits", "m"),
    [
        *((4, m) for m in (1, 2, 3, 5, 6, 7, 9, 33, 513)),
        *((5, m) for m in (1, 3, 4)),
        *((6, m) for m in (1, 2, 4, 7, 1041)),
        *((7, m) for m in (1, 3, 8)),
        *((8, m) for m in (1, 3, 517)),
    ],
)
def test_pqscan_scans_stay_inside_their_arrays(path, rng, n, m, n_bits):
    scans, nq = path.pqscan, 9 if m < 100 else 2
    codes, entries = product_codes(n, m, rng, n_bits), tables("normal", nq, m, rng, n_bits)
    mask = rng.integers(0, 256, (nq, (n + 7) // 8), dtype=np.uint8)
    mask[:, -1] &= (1 << (n - 1) % 8 + 1) - 1
    in_block, *block = scans.block_shape(m, n_bits)
    blocks = np.zeros((-(-n // in_block), *block), np.uint8)
    scans.pack(codes, blocks, m, n_bits, 0)
    segments, bias = np.array([[n // 2, n], [0, n // 3]]), np.zeros((nq, 2), np.float32)
    chosen = [*guard.placements(segments, bias)]
    expected = scans.topk(entries, codes, n, n, mask, 1)
    places = [*guard.placements(codes, entries, mask, blocks)]
    places.append((guard.rows_before_a_wall(codes), *places[0][1:]))
    for codes_there, entries_there, mask_there, blocks_there in places:
        for base in (codes_there, blocks_there):
            found = scans.topk(entries_there, base, n, n, mask_there, 1)
            np.testing.assert_array_equal(found[1], expected[1])
            for segments_there, bias_there in chosen:
                given = {"segments": segments_there, "bias": bias_there}
                scans.topk(entries_there, base, n, n, mask_there, 1, **given)
            scans.range_search(entries_there, base, n, 0.0, mask_there, 1)
            scans.quantised_topk(entries_there, base, n, n, mask_there, 1)
            scans.distances(entries_there, base, n, 1)
        np.testing.assert_array_equal(scans.unpack(blocks_there, n, m, n_bits), codes)
        split = scans.split(codes_there, m, n_bits)
        np.testing.assert_array_equal(scans.join(guard.before_a_wall(split), n_bits), codes)
        scans.pack(codes_there, np.zeros_like(blocks), m, n_bits, 0)


@pytest.mark.parametrize("n_bits", BITS)
def test_symmetric_scans_stay_inside_their_arrays(path, rng, n_bits):
    for n, m in ((1, 1), (33, 5), (65, 8)):
        pairs, codes = tables("ties", 2**n_bits, m, rng, n_bits), product_codes(n, m, rng, n_bits)
        expected = path.pqscan.symmetric_topk(pairs, codes, codes, n, n, None, 1)
        places = [*guard.placements(pairs, codes, codes)]
        rows = guard.rows_before_a_wall(codes)
        for pairs_there, asked, base in (*places, (places[0][0], rows, rows)):
            found = path.pqscan.symmetric_topk(pairs_there, asked, base, n, n, None, 1)
            np.testing.assert_array_equal(found[1], expected[1])
            path.pqscan.symmetric_range(pairs_there, asked, base, n, 3.0, None, 1)


@pytest.mark.parametrize("n", [1, 15, 17, 33])
@pytest.mark.parametrize("ds", [1, 2, 3, 4, 8, 9])
def test_training_stays_inside_its_arrays(path, rng, n, ds):
    x = rng.standard_normal((n, 3 * ds), dtype=np.float32)
    codebooks = rng.standard_normal((3, 16, ds), dtype=np.float32)
    ids = rng.integers(0, 16, (n, 3), dtype=np.uint8)
    rotation = rng.standard_normal((3 * ds, 3 * ds), dtype=np.float32)
    expected = path.pqencode.assign(x, codebooks, 1)
    places = [*guard.placements(x, codebooks, ids, rotation)]
    places.append((guard.rows_before_a_wall(x), *places[0][1:]))
    for x_there, codebooks_there, ids_there, rotation_there in places:
        np.testing.assert_array_equal(path.pqencode.assign(x_there, codebooks_there, 1), expected)
        path.pqencode.assign_anisotropic(x_there, codebooks_there, 5.0, 1)
        path.pqencode.centroid_sums(x_there, ids_there, 16, 1)
        path.pqencode.products(x_there, rotation_there, 1)
        path.pqscan.lookup_tables(x_there, codebooks_there, "l2", 1)


@pytest.mark.parametrize(("start", "n"), [(0, 8), (3, 5), (8, 9), (5, 27), (16, 0)])
def test_pack_of_bits_writes_its_rows_and_no_others(path, rng, start, n):
    codes, kept = bit_codes("random", n, 11, rng), bit_codes("random", start, 11, rng)
    blocks = guard.before_a_wall(np.zeros((6, 2, 8), np.uint64))
    path.hamming.pack(kept, blocks, 0)
    first_free = -(-(start + n) // 8)
    blocks[first_free:] = CANARY
    path.hamming.pack(guard.before_a_wall(codes), blocks, start)
    assert (blocks[first_free:] == CANARY).all()
    expected = np.concatenate([kept, codes])
    np.testing.assert_array_equal(path.hamming.unpack(blocks, start + n, 11), expected)
    for unused in range(start + n, 8 * first_free):
        assert not blocks[unused // 8, :, unused % 8].any()


@pytest.mark.parametrize("n_bits", BITS)
@pytest.mark.parametrize(("start", "n"), [(0, 32), (3, 13), (17, 15), (32, 33), (20, 80), (64, 0)])
def test_pack_of_product_codes_writes_its_rows_and_no_others(path, rng, start, n, n_bits):
    m, scans = 5, path.pqscan
    codes, kept = product_codes(n, m, rng, n_bits), product_codes(start, m, rng, n_bits)
    in_block, *block = scans.block_shape(m, n_bits)
    blocks = guard.before_a_wall(np.zeros((160 // in_block, *block), np.uint8))
    scans.pack(kept, blocks, m, n_bits, 0)
    first_free = -(-(start + n) // in_block)
    blocks[first_free:] = CANARY
    scans.pack(guard.before_a_wall(codes), blocks, m, n_bits, start)
    assert (blocks[first_free:] == CANARY).all()
    expected = np.concatenate([kept, codes])
    np.testing.assert_array_equal(scans.unpack(blocks, start + n, m, n_bits), expected)
    padding = scans.unpack(blocks[:first_free], in_block * first_free, m, n_bits)[start + n :]
    assert not padding.any()
