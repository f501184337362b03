"""CUDA kernels without a GPU: compiled for all architectures, run on the CPU in every order."""

from __future__ import annotations

import faulthandler
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import host_executor
from cuda_cases import answers, assert_agree
from host_executor import SCHEDULES, ExecutorError, HostDevice
from tersevec import _cuda
from tersevec._cuda import _device

ROOT = Path(__file__).parents[1]
ARCHITECTURES = (75, 80, 90, 120)
BARRIER = re.compile(r"__sync(threads|warp)\(")

needs_compiler = pytest.mark.skipif(
    host_executor.compiler() is None, reason="cuda: no g++ here to compile device code with"
)


def on(monkeypatch, device):
    monkeypatch.setattr(_device, "_device", device)


def agree(family, expected):
    """Every case of the family gives these answers on the device in use."""
    assert_agree(family, answers(family, "_cuda"), expected)


# ---- every order of lanes


@needs_compiler
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("family", _cuda.FAMILIES)
def test_cuda_answers_do_not_depend_on_the_order_of_lanes(
    family, schedule, host_folder, monkeypatch
):
    on(monkeypatch, HostDevice(host_folder, schedule, seed=3))
    agree(family, answers(family, "_numpy"))


@needs_compiler
@pytest.mark.parametrize("module", _cuda.sources())
def test_cuda_barriers_are_each_missed_when_left_out(module, host_folder):
    """Otherwise one is of no use, or nobody knows whether the executor still sees anything."""
    family = next((f for f in _cuda.FAMILIES if module.startswith(f)), "hamming")
    expected = answers(family, "_numpy")
    assert not noticed(family, expected, host_folder)
    source = _cuda.sources()[module][0]
    unnoticed = [
        source.count("\n", 0, barrier.start()) + 1
        for i, barrier in enumerate(BARRIER.finditer(source))
        if not noticed(family, expected, host_folder, without=(module, i))
    ]
    assert unnoticed == [], "lines of the joined source"


def noticed(family, expected, folder, schedules=SCHEDULES, **device):
    """Whether some schedule gives another answer, or none; in a process that may be wrecked."""
    child = os.fork()
    if child == 0:
        faulthandler.disable()
        try:
            for schedule in schedules:
                _device.use(HostDevice(folder, schedule, seed=3, **device))
                agree(family, expected)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0


@needs_compiler
@pytest.mark.parametrize("family", _cuda.FAMILIES)
def test_cuda_addresses_are_aligned_as_gpus_want_them(family, tmp_path):
    """A CPU reads four numbers from anywhere, and a GPU stops."""
    flags = ("-fsanitize=alignment", "-fsanitize-undefined-trap-on-error")
    assert not noticed(family, answers(family, "_numpy"), tmp_path, SCHEDULES[:1], flags=flags)


SANITIZED = """
import os, sys
del os.environ["LD_PRELOAD"]  # compilers that run from here need no sanitizer
from pathlib import Path
sys.path.insert(0, {tests!r})
from cuda_cases import answers, assert_agree
from host_executor import HostDevice
from tersevec._cuda import _device
flags = ("-DTERSEVEC_HOST_THREADS", "-fsanitize=thread", "-g")
_device.use(HostDevice(Path({folder!r}), flags=flags))
assert_agree({family!r}, answers({family!r}, "_cuda"), answers({family!r}, "_numpy"))
print("agree")
"""


@needs_compiler
@pytest.mark.parametrize("family", _cuda.FAMILIES)
def test_cuda_lanes_as_threads_have_no_races(family, tmp_path):
    found = subprocess.run(
        ["g++", "-print-file-name=libtsan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not os.path.isabs(found):
        pytest.skip("cuda: g++ has no thread sanitizer here")
    code = SANITIZED.format(tests=str(ROOT / "tests"), folder=str(tmp_path), family=family)
    environment = {
        **os.environ,
        "LD_PRELOAD": os.path.realpath(found),
        "TSAN_OPTIONS": "exitcode=66 report_signal_unsafe=0",
        "OPENBLAS_NUM_THREADS": "1",
    }
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    if "unexpected memory mapping" in run.stderr:
        pytest.skip("cuda: the thread sanitizer does not run on this kernel")
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout == "agree\n"


# ---- the executor itself

BROKEN = {
    "deadlock": (
        "if (threadIdx.x < 8) { __syncthreads(); } else if (threadIdx.x < 40) { __syncwarp(); }",
        "deadlock: 8 threads at __syncthreads, 32 at a warp operation, 24 returned",
    ),
    "mask": (
        "__shfl_sync(threadIdx.x == 3 ? 0xf0u : 0xffu, 1, 0);",
        "a lane is not in the mask of its own warp operation",
    ),
}


@needs_compiler
@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_cuda_mistakes_are_told(what, schedule, host_folder):
    body, message = BROKEN[what]
    source = f'extern "C" __global__ void broken(int* out) {{ {body} }}'
    device = HostDevice(host_folder, schedule, topk=source)
    with pytest.raises(ExecutorError, match=re.escape(message)):
        device.launch("topk", "broken", (1,), 64, (np.zeros(1, np.int32),), 0)


@needs_compiler
@pytest.mark.parametrize(
    ("block", "shared_bytes", "message"),
    [(48, 0, "no multiple of 32"), (2048, 0, "no multiple of 32"), (32, 65537, "64 KiB")],
)
def test_cuda_launches_that_no_gpu_takes_are_refused(block, shared_bytes, message, host_folder):
    device = HostDevice(host_folder)
    counts = (np.zeros(256, np.uint32), np.int64(1), np.int32(0), np.zeros(1, np.uint64))
    with pytest.raises(ExecutorError, match=message):
        arguments = (*counts, np.zeros(1, np.int64))
        device.launch("topk", "select_pick", (1,), block, arguments, shared_bytes)


@needs_compiler
def test_cuda_shared_memory_is_poisoned_before_each_block(host_folder):
    source = """
        extern "C" __global__ void leftovers(unsigned* out) {
            __shared__ unsigned fixed[1];
            TERSEVEC_DYNAMIC_SHARED(bytes);
            unsigned* const free = reinterpret_cast<unsigned*>(bytes);
            if (threadIdx.x == 0) {
                out[2 * blockIdx.x] = fixed[0];
                out[2 * blockIdx.x + 1] = free[0];
                fixed[0] = free[0] = 7;
            }
        }"""
    out = np.zeros(4, np.uint32)
    HostDevice(host_folder, topk=source).launch("topk", "leftovers", (2,), 32, (out,), 4)
    assert out.tolist() == [0xA5A5A5A5] * 4


@needs_compiler
def test_cuda_arguments_of_another_type_are_refused(host_folder):
    device = HostDevice(host_folder)
    counts = (np.zeros(256, np.uint32), np.int32(1), np.int32(0), np.zeros(1, np.uint64))
    with pytest.raises(AssertionError, match="argument 1 is i8"):
        device.launch("topk", "select_pick", (1,), 32, (*counts, np.zeros(1, np.int64)), 0)


# ---- layouts

# What device code calls each constant of a layout, and where the CPU's header has it.
LAYOUTS = {
    ("hamming", "block_codes"): ("hamming/hamming.h", "block_codes"),
    ("sparseproj", "held_group"): ("sparseproj/sparseproj.h", "held_group"),
    ("sparseproj", "part_entries"): ("sparseproj/sparseproj.h", "part_entries"),
    ("symdist", "block_codes"): ("symdist/symdist_panel.h", "block_rows"),
}


def numbers_in(text):
    """The constants of a source that are plain numbers."""
    lines = re.findall(r"^(?:inline )?constexpr (?:int|i64|std::int64_t) (.*?);", text, re.M | re.S)
    return {
        name: int(value)
        for name, value in re.findall(r"(\w+) = (\d+)(?=,|$)", "\n".join(lines), re.M)
    }


@pytest.mark.skipif(not (ROOT / "csrc").is_dir(), reason="cuda: copied out of the sources")
def test_cuda_layouts_have_the_constants_of_the_cpus_headers():
    found = {}
    for file in sorted((ROOT / "cuda").glob("*/*.cu*")):
        for name, value in numbers_in(file.read_text()).items():
            if re.match("(block_codes|line|held|part)", name):
                found[file.parent.name, name] = value
    expected = {
        key: numbers_in((ROOT / "csrc" / header).read_text())[name]
        for key, (header, name) in LAYOUTS.items()
    }
    assert found == expected


# ---- compilers


def test_cuda_sources_include_nothing_and_are_whole():
    for name, (source, options) in _cuda.sources().items():
        assert "#include" not in source.replace("#include <cmath>", "").replace(
            "#include <cstring>", ""
        ), name
        assert host_executor.kernels_of(source), name
        assert not any("arch" in option for option in options), name


def test_cuda_kernels_have_shared_memory_of_one_sort():
    """A launch asks for leave where its own passes 48 KiB, and knows of no other."""
    for name, (source, _) in _cuda.sources().items():
        for kernel in source.split('extern "C" ')[1:]:
            sorts = "__shared__" in kernel, "TERSEVEC_DYNAMIC_SHARED(" in kernel
            assert not all(sorts), (name, kernel.split("(")[0])


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="cuda: no nvcc here")
@pytest.mark.parametrize("name", _cuda.sources())
def test_cuda_modules_compile_with_nvcc_without_spills(name, tmp_path):
    source, options = _cuda.sources()[name]
    text = tmp_path / f"{name}.cu"
    text.write_text(source)
    code = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in ARCHITECTURES]
    command = ["nvcc", "-O3", "-fatbin", "--threads=0", "-Xptxas", "-v", *options, *code]
    run = subprocess.run([*command, text, "-o", tmp_path / "out"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "warning" not in run.stderr
    spills = re.findall(r"(\d+) bytes spill stores", run.stderr)
    assert len(spills) == len(ARCHITECTURES) * len(host_executor.kernels_of(source))
    assert set(spills) == {"0"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", _cuda.sources())
def test_cuda_modules_compile_with_nvrtc(name, architecture):
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="cuda: no cuda-bindings here")
    source, options = _cuda.sources()[name]
    assert nvrtc_log(nvrtc, name, source, (*options, f"-arch=sm_{architecture}")) == ""


def nvrtc_log(nvrtc, name, source, options):
    """What NVRTC says where it refuses a module, "" where it takes it."""
    _, program = nvrtc.nvrtcCreateProgram(source.encode(), name.encode(), 0, [], [])
    encoded = [option.encode() for option in options]
    (error,) = nvrtc.nvrtcCompileProgram(program, len(encoded), encoded)
    if int(error) == 0:
        return ""
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    log = b" " * size
    nvrtc.nvrtcGetProgramLog(program, log)
    return log.decode() or str(error)
