"""What is chosen at import and by whom: backends, CPU levels, threads."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

import tersevec
from cases import assert_equal, bit_codes, product_codes
from processes import NO_EXTENSION, error, output, run
from tersevec import _backend
from tersevec._cuda import _device
from tersevec.binary import BinaryCodes, hamming_topk
from tersevec.pq import ProductQuantizer

needs_extension = pytest.mark.skipif(
    _backend.native()[0] is None, reason="the extension is not built"
)

# Everything that kernels compute, as one hash.
HASH = """
import hashlib, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import tersevec
from tersevec.binary import *
from tersevec.pq import ProductQuantizer
rng = np.random.default_rng(0)
x = rng.standard_normal((900, 24), dtype=np.float32)
found = [codes := pack_bits(x), unpack_bits(codes, 24), hamming_distances(codes[:9], codes)]
mask = rng.random(900) < 0.5
for base in (codes, BinaryCodes(codes)):
    found += [*hamming_topk(codes[:9], base, 20, mask=mask), *hamming_range(codes[:9], base, 9)]
for metric in ("l2", "ip", "cosine"):
    pq = ProductQuantizer(6, metric=metric, random_state=0, max_iter=4).fit(x)
    codes = pq.encode(x)
    found += [pq.codebooks_, codes, pq.decode(codes), pq.lookup_tables(x[:9])]
    for base in (codes, pq.pack(codes)):
        found += [pq.distances(x[:9], base), *pq.topk(x[:9], base, 20, mask=mask)]
        found += pq.range(x[:9], base, 1.0)
for bits in (1, 4, 8):
    rabitq = RaBitQuantizer(bits, random_state=0).fit(x)
    codes = rabitq.encode(x)
    found += [codes, rabitq.decode(codes), *rabitq.topk(x[:9], codes, 5, rerank=x)]
    for base in (codes, rabitq.pack(codes)):
        found += [*rabitq.estimate(x[:9], base), *rabitq.topk(x[:9], base, 20, mask=mask)]
        found += rabitq.range(x[:9], base, 1.0)
whole = hashlib.sha256()
for array in found:
    whole.update(repr((array.dtype, array.shape)).encode() + array.tobytes())
print(whole.hexdigest())
"""


@pytest.fixture(scope="module")
def numpy_hash():
    return output(HASH, TERSEVEC_BACKEND="numpy")


@pytest.mark.parametrize("level", _backend.ISA_LEVELS)
def test_the_whole_api_answers_alike_on_every_level(level, numpy_hash):
    extension = _backend.native()[0]
    if extension is None or level not in extension.isa_runnable():
        pytest.skip(f"{level}: not on this CPU, or the extension is not built")
    code = f"import tersevec; print(tersevec.show_config('dicts')['isa']['active']){HASH}"
    assert output(code, TERSEVEC_ISA=level).split() == [level, numpy_hash]


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_whole_api_answers_alike_for_any_number_of_threads(threads, numpy_hash):
    assert output(HASH, TERSEVEC_NUM_THREADS=threads) == numpy_hash


def test_without_the_extension_one_warning_is_given_and_the_whole_api_served(numpy_hash):
    code = NO_EXTENSION + "import tersevec; print(tersevec.get_backend())"
    ended = run(code)
    assert (ended.returncode, ended.stdout.strip()) == (0, "numpy")
    assert ended.stderr.count("RuntimeWarning") == 1
    assert "tersevec's compiled extension cannot be imported (ModuleNotFoundError" in ended.stderr
    assert "TERSEVEC_BACKEND=numpy chooses it without this warning." in ended.stderr
    assert output(NO_EXTENSION + HASH) == numpy_hash


def test_asking_for_numpy_gives_no_warning_without_the_extension():
    code = NO_EXTENSION + "import tersevec; print(tersevec.show_config('dicts')['isa']['runnable'])"
    assert output(code, TERSEVEC_BACKEND="numpy") == "[]"


def test_asking_for_native_without_the_extension_is_an_error():
    line = error(NO_EXTENSION + "import tersevec", TERSEVEC_BACKEND="native")
    assert line.startswith("ImportError: TERSEVEC_BACKEND: the compiled extension cannot be imp")
    code = "import tersevec; tersevec.set_backend('native')"
    assert "set_backend: the compiled ext" in error(NO_EXTENSION + code, TERSEVEC_BACKEND="numpy")


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "TERSEVEC_ISA",
            "avx9",
            "ValueError: TERSEVEC_ISA: expected one of scalar, sse4, avx2, avx512, avx512icl, "
            "avx512bf16, amx, neon, neondot, got 'avx9'",
        ),
        (
            "TERSEVEC_BACKEND",
            "gpu",
            "ValueError: TERSEVEC_BACKEND: expected one of native, numpy, cuda, got 'gpu'",
        ),
        (
            "TERSEVEC_BACKEND",
            "cuda",
            f"ImportError: TERSEVEC_BACKEND: no CUDA device can be used: {_device.missing()}",
        ),
        *(
            (
                "TERSEVEC_NUM_THREADS",
                value,
                f"ValueError: TERSEVEC_NUM_THREADS: expected an integer from 1 to 2**31 - 1, "
                f"got {value!r}",
            )
            for value in ("0", "-1", "two", "1.5", str(2**31))
        ),
    ],
)
def test_unknown_settings_are_errors_at_import(name, value, line):
    assert error("import tersevec", **{name: value}) == line


@needs_extension
def test_a_level_of_another_cpu_is_an_error_at_import():
    missing = set(_backend.ISA_LEVELS) - set(_backend.native()[0].isa_runnable())
    level = sorted(missing)[0]
    line = error("import tersevec", TERSEVEC_ISA=level)
    assert line.startswith(
        f"ValueError: TERSEVEC_ISA: this CPU cannot run '{level}'; it runs scalar"
    )


@needs_extension
def test_kernels_refuse_levels_that_do_not_run_here():
    codes = np.zeros((1, 1), np.uint8)
    kernels = _backend.native()[0].hamming
    for level in ("avx9", "AVX2", *sorted(set(_backend.ISA_LEVELS) - _runnable())):
        with pytest.raises(
            ValueError, match=f"isa: expected a CPU level that runs here.*'{level}'"
        ):
            kernels.distances(codes, codes, 1, isa=level)


def _runnable():
    return set(_backend.native()[0].isa_runnable())


COUNT = "import tersevec; print(tersevec.get_num_threads())"


def test_the_number_of_threads_comes_from_the_environment_or_the_cpus():
    assert output(COUNT, TERSEVEC_NUM_THREADS="7", OMP_NUM_THREADS="3") == "7"
    assert output(COUNT, OMP_NUM_THREADS="3,2") == "3"
    if hasattr(os, "sched_getaffinity"):
        cpus = str(len(os.sched_getaffinity(0)))
        assert output(COUNT) == output(COUNT, OMP_NUM_THREADS="many") == cpus
        pin = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        assert output(pin + COUNT) == "1"


def test_set_num_threads_is_what_none_means(monkeypatch):
    before, asked = tersevec.get_num_threads(), []
    twin = _backend.pick("hamming")

    class Spy:
        def topk(self, *arguments: object) -> object:
            asked.append(arguments[-1])
            return twin.topk(*arguments)

    monkeypatch.setattr(_backend, "pick", lambda family, *arrays: Spy())
    try:
        tersevec.set_num_threads(5)
        assert tersevec.get_num_threads() == 5
        hamming_topk(np.uint8([[1]]), np.uint8([[1]]), 1)
        hamming_topk(np.uint8([[1]]), np.uint8([[1]]), 1, threads=2)
    finally:
        tersevec.set_num_threads(before)
    assert asked == [5, 2]


def test_show_config_says_what_is_in_use_and_why(backend, capsys):
    config = tersevec.show_config("dicts")
    assert config["version"] == tersevec.__version__
    assert config["backend"]["name"] == backend
    assert config["backend"]["why"] == "the test says so"
    assert list(config["kernels"]) == list(_backend.FAMILIES)
    runnable = config["isa"]["runnable"]
    assert runnable == [level for level in _backend.ISA_LEVELS if level in runnable]
    if backend == "native":
        assert runnable[0] == "scalar"
        assert config["isa"]["active"] in runnable
        for rows in config["kernels"].values():
            assert rows[-1] == "scalar"
            assert set(rows) <= set(config["isa"]["known"])
    else:
        assert config["isa"]["active"] is None
        assert config["kernels"] == {family: ["numpy"] for family in _backend.FAMILIES}
    assert tersevec.show_config() is None
    printed = capsys.readouterr().out
    for words in (f"version: {tersevec.__version__}", f"name: {backend}", "runnable:", "threads:"):
        assert words in printed


def test_set_backend_none_goes_back_to_the_start(monkeypatch):
    monkeypatch.setattr(_backend, "_current", _backend._current)
    start = tersevec.get_backend()
    tersevec.set_backend("numpy")
    assert tersevec.get_backend() == "numpy"
    tersevec.set_backend(None)
    assert tersevec.get_backend() == start


def test_import_brings_numpy_and_nothing_heavy():
    code = "import sys, tersevec; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = set(output(code, TERSEVEC_BACKEND="numpy").split())
    heavy = {"scipy", "sklearn", "matplotlib", "tqdm", "ml_dtypes", "pyarrow", "torch", "argparse"}
    assert "numpy" in loaded
    assert not loaded & heavy


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_searches_with_threads_as_its_parent_does():
    code = """
import os, numpy as np
from tersevec.binary import BinaryCodes, hamming_topk
codes = np.random.default_rng(0).integers(0, 256, (60_000, 32), dtype=np.uint8)
base = BinaryCodes(codes)
expected = hamming_topk(codes[:40], base, 9, threads=4)
child = os.fork()
found = hamming_topk(codes[:40], base, 9, threads=4)
same = all(np.array_equal(a, b) for a, b in zip(found, expected))
if child == 0:
    os._exit(0 if same else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), same)
"""
    assert output(code, OPENBLAS_NUM_THREADS="1") == "0 True"


def test_many_python_threads_scan_the_same_codes(backend, rng):
    codes, pq = bit_codes("few", 3000, 32, rng), ProductQuantizer(16)
    pq.codebooks_ = rng.standard_normal((16, 16, 2))
    bits, queries = BinaryCodes(codes), rng.standard_normal((4, 32))
    products = pq.pack(product_codes(3000, 16, rng))
    expected = (*hamming_topk(codes[:4], bits, 9), *pq.topk(queries, products, 9))
    found: list[tuple[np.ndarray, ...]] = []

    def scan():
        for _ in range(3):
            first = hamming_topk(codes[:4], bits, 9, threads=2)
            found.append((*first, *pq.topk(queries, products, 9, threads=2)))

    scanners = [threading.Thread(target=scan) for _ in range(8)]
    for scanner in scanners:
        scanner.start()
    for scanner in scanners:
        scanner.join()
    assert len(found) == 24
    for answer in found:
        assert_equal(answer, expected)


def test_appends_meanwhile_do_not_disturb_a_search(backend, rng):
    codes = bit_codes("random", 4000, 16, rng)
    base, stop = BinaryCodes(codes[:100]), threading.Event()

    def append():
        for start in range(100, 4000, 50):
            base.append(codes[start : start + 50])
        stop.set()

    writer = threading.Thread(target=append)
    writer.start()
    searches = 0
    while not stop.is_set() or searches == 0:
        found = hamming_topk(codes[:1], base, 1)
        assert (found.values.tolist(), found.indices.tolist()) == ([[0]], [[0]])
        searches += 1
    writer.join()
    np.testing.assert_array_equal(base.unpack(), codes)
