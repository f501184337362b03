"""What arrays are taken as they are, and which are refused with the remedy."""

from __future__ import annotations

import numpy as np
import pytest

from cases import refused
from tersevec._cuda import _device
from tersevec.binary import hamming_distances, hamming_topk, pack_bits
from tersevec.pq import ProductQuantizer

QUERY, BASE = np.zeros((1, 4), np.uint8), np.zeros((9, 4), np.uint8)
X = np.random.default_rng(0).standard_normal((100, 8))


@pytest.fixture(scope="module")
def pq():
    return ProductQuantizer(4, random_state=0).fit(X)


@pytest.mark.parametrize("columns", [slice(None, None, 2), slice(None, None, -1)])
def test_codes_whose_bytes_do_not_lie_together_are_refused_with_the_remedy(backend, pq, columns):
    wide = np.zeros((9, 8), np.uint8)[:, columns]
    for name, call in {
        "codes": lambda: hamming_topk(np.zeros((1, wide.shape[1]), np.uint8), wide, 1),
        "queries": lambda: hamming_topk(wide, np.zeros((9, wide.shape[1]), np.uint8), 1),
        "b": lambda: hamming_distances(wide, wide),
    }.items():
        message = f"{name}: expected rows of adjacent bytes in ascending order, got strides "
        refused(call, ValueError, message)
        refused(call, ValueError, f"pass np.ascontiguousarray({name})")
    narrow = np.zeros((9, 4), np.uint8)[:, ::2]
    refused(lambda: pq.topk(X, narrow, 1), ValueError, "pass np.ascontiguousarray(codes)")
    refused(lambda: pq.decode(narrow), ValueError, "pass np.ascontiguousarray(codes)")


def test_codes_in_falling_order_of_rows_are_refused_with_the_remedy(backend):
    message = "pass np.ascontiguousarray(codes)"
    refused(lambda: hamming_topk(QUERY, BASE[::-1], 1), ValueError, message)


@pytest.mark.parametrize("dtype", [">f2", ">f4", ">f8"])
def test_foreign_byte_order_is_refused_with_the_remedy(backend, pq, dtype):
    x = X.astype(dtype)
    message = (
        f": expected native byte order, got {dtype}, which is big-endian; convert it with .astype()"
    )
    refused(lambda: pack_bits(x), TypeError, "x" + message)
    refused(lambda: pq.encode(x), TypeError, "X" + message)


class CudaArray:
    __cuda_array_interface__ = None


class OnDevice:
    def __init__(self, array, device):
        self._array, self._device = array, device

    def __dlpack__(self, **options):
        return self._array.__dlpack__()

    def __dlpack_device__(self):
        return (self._device, 0)


class NeedsGradient(OnDevice):
    requires_grad = True


class Refuses(OnDevice):
    def __dlpack__(self, **options):
        raise BufferError("not exportable")


@pytest.mark.parametrize("there", [CudaArray(), OnDevice(X, 2), OnDevice(X, 13)])
def test_arrays_in_cuda_memory_are_refused_with_the_remedy(pq, there):
    words = f"{type(there).__name__} lies in CUDA memory"
    refused(lambda: pq.fit(there), TypeError, f"X: {words}, where this function has no kernels")
    if _device.missing():
        remedy = "but CuPy cannot be imported"
        refused(lambda: pack_bits(there), TypeError, f"x: {words}, {remedy}")
        refused(lambda: hamming_topk(QUERY, there, 1), TypeError, f"codes: {words}, {remedy}")


def test_arrays_that_dlpack_cannot_hand_over_are_refused(pq):
    refused(
        lambda: pack_bits(OnDevice(X, 10)), TypeError, "x: OnDevice does not lie in host memory"
    )
    refused(
        lambda: pack_bits(NeedsGradient(X, 1)), TypeError, "requires a gradient; pass x.detach()"
    )
    message = "x: NumPy cannot view this Refuses through DLPack: not exportable"
    refused(lambda: pack_bits(Refuses(X, 1)), TypeError, message)


def test_arrays_of_other_libraries_are_taken_as_they_are(backend, pq):
    expected = pack_bits(X)
    for same in (OnDevice(X, 1), memoryview(X), X.tolist(), tuple(map(tuple, X.tolist()))):
        np.testing.assert_array_equal(pack_bits(same), expected)
    assert pack_bits([[1, -1], [0, 3]]).tolist() == [[128], [64]]


def test_arrow_columns_are_read_without_a_copy_and_nulls_refused(backend):
    arrow = pytest.importorskip("pyarrow")
    column = arrow.FixedSizeListArray.from_arrays(arrow.array(X.ravel()), 8)
    np.testing.assert_array_equal(pack_bits(column), pack_bits(X))
    np.testing.assert_array_equal(pack_bits(column[3:9]), pack_bits(X[3:9]))
    chunks = arrow.chunked_array([column[:5], column[5:]])
    np.testing.assert_array_equal(pack_bits(chunks), pack_bits(X))
    gap = arrow.array([[1.0, 2.0], None], arrow.list_(arrow.float32(), 2))
    refused(lambda: pack_bits(gap), ValueError, "x: expected an Arrow column without nulls")
    flat = arrow.array([1.0, 2.0])
    refused(
        lambda: pack_bits(flat), TypeError, "x: expected an Arrow FixedSizeList column, got double"
    )
