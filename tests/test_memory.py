"""A search needs the codes, its result, and less than 64 MiB beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from processes import output
from tersevec import _backend

# Not getrusage: its peak outlives exec, so that a child begins with that of its parent.
STATUS = Path("/proc/self/status")
pytestmark = pytest.mark.skipif(
    not STATUS.is_file() or "VmHWM" not in STATUS.read_text(),
    reason="no /proc/self/status with VmHWM on this system",
)

LIMIT = 64 << 20

CODE = """
import numpy as np
from tersevec.binary import BinaryCodes, RaBitQuantizer, hamming_range, hamming_topk
from tersevec.pq import ProductQuantizer
def peak():
    return 1024 * int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
rng = np.random.default_rng(0)
n, nq, k = {n}, {nq}, {k}
codes = np.empty((n, 32), np.uint8)  # filled piece by piece: no peak before the search
for start in range(0, n, 10_000):
    codes[start : start + 10_000] = rng.integers(0, 256, (10_000, 32), dtype=np.uint8)
bits, pq = BinaryCodes(codes), ProductQuantizer(64)
pq.codebooks_ = rng.standard_normal((64, 16, 2))
products, queries = pq.pack(codes), rng.standard_normal((nq, 128), dtype=np.float32)
rabitq, rows = RaBitQuantizer(1, n_components=192).fit(queries), codes.copy()
rows[:, 24:] = np.float32([1, 1]).view(np.uint8)
integers = rabitq.pack(rows)
rabitq.topk(queries[:1], rows[:99], 3)
pq.topk(queries[:1], codes[:99], 3)
hamming_topk(codes[:1], codes[:99], 3)
before = peak()
found = {search}
print(peak() - before - sum(part.nbytes for part in found))
"""

SEARCHES = {
    "bits in blocks": "hamming_topk(codes[:nq], bits, k, threads=4)",
    "bits in rows": "hamming_topk(codes[:nq], codes, k, threads=4)",
    "products in blocks": "pq.topk(queries, products, k, threads=4)",
    "products in rows": "pq.topk(queries, codes, k, threads=4)",
    "products by rounded sums": "pq.topk(queries, products, k, threads=4, guarantee='quantised')",
    "products by codes": "pq.symmetric_topk(codes[:nq], products, k, threads=4)",
    "integers in blocks": "rabitq.topk(queries, integers, k, threads=4)",
    "integers in rows": "rabitq.topk(queries, rows, k, threads=4)",
    "range": "hamming_range(codes[:nq], bits, 90, threads=4)",
}


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize(("nq", "k"), [(1, 10), (300, 1000), (40, 100_000)])
@pytest.mark.parametrize("name", ["native", "numpy"])
def test_extra_memory_stays_below_64_mib(name, search, nq, k):
    if name == "native" and _backend.native()[0] is None:
        pytest.skip("native: the extension is not built")
    n = 400_000 if name == "native" else 150_000
    nq = nq if name == "native" else min(nq, 20)  # the twins are slow, their tiles full anyway
    code = CODE.format(n=n, nq=nq, k=k, search=SEARCHES[search])
    extra = int(output(code, TERSEVEC_BACKEND=name, OPENBLAS_NUM_THREADS="1"))
    assert extra < LIMIT


ENCODING = """
import numpy as np
from tersevec.muvera import FixedDimensionalEncoder
from tersevec.pq import ProductQuantizer
def peak():
    return 1024 * int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
rng = np.random.default_rng(0)
n, d = {n}, 128
tokens = rng.standard_normal((8 * n, d), dtype=np.float32).astype({dtype})
offsets = np.arange(0, 8 * n + 1, 8)
encoder, pq = FixedDimensionalEncoder(d), ProductQuantizer(1280, 4, metric="ip")
pq.codebooks_ = rng.standard_normal((1280, 16, 8), dtype=np.float32)
encoder.encode_documents(tokens[:8], offsets[:2], into=pq)
before = peak()
codes = encoder.encode_documents(tokens, offsets, into=pq, threads=4)
print(peak() - before - codes.nbytes)
"""


@pytest.mark.parametrize("dtype", ["np.float32", "np.float16", "np.float64"])
@pytest.mark.parametrize("name", ["native", "numpy"])
def test_encoding_into_codes_takes_the_codes_and_less_than_64_mib(name, dtype):
    if name == "native" and _backend.native()[0] is None:
        pytest.skip("native: the extension is not built")
    code = ENCODING.format(n=6_000 if name == "native" else 2_000, dtype=dtype)
    assert int(output(code, TERSEVEC_BACKEND=name, OPENBLAS_NUM_THREADS="1")) < LIMIT


EMBEDDING = """
import numpy as np
from tersevec.graph import FastRP
def peak():
    return 1024 * int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
n, d = 60_000, 256
ring = np.arange(n, dtype=np.int32)
edges = np.stack([np.r_[ring, ring], np.r_[(ring + 1) % n, (ring - 1) % n]])
FastRP(d).fit_transform(edges[:, :9])
out = np.ones((n, d + 1), np.float32)[:, 1:]  # where no state can lie meanwhile
before = peak()
FastRP(d).fit_transform(edges, column_block={block}, out=out, threads=1)
print(peak() - before)
"""


@pytest.mark.parametrize("name", ["native", "numpy"])
def test_blocks_of_columns_spare_the_states_of_the_other_columns(name):
    if name == "native" and _backend.native()[0] is None:
        pytest.skip("native: the extension is not built")
    whole, block = (
        int(output(EMBEDDING.format(block=block), TERSEVEC_BACKEND=name, PYTHONWARNINGS="ignore"))
        for block in (None, 64)
    )
    spared = 2 * 60_000 * (256 - 64) * 2  # numbers of two bytes in two states
    assert whole - block > 0.9 * spared


def test_the_measurement_would_see_64_mib():
    code = CODE.format(n=10_000, nq=1, k=1, search="[np.ones(9 << 20)[:1]]")
    assert int(output(code, TERSEVEC_BACKEND="numpy")) > LIMIT
