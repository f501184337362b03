"""Which centroid has which number: near ones share lower bits, so that scans can pair them."""

from __future__ import annotations

import numpy as np

from tersevec._kernels import F32, F64

_POWER_STEPS = 8  # towards the axis along which a group of centroids is longest


def ordered(codebooks: F32) -> F32:
    """The centroids (m, K, ds) renumbered: those that agree in their lower bits lie together.

    Halves of equal size along the longest axis, halved again: the first cut is bit 0. A coarse
    table whose entries serve all numbers with the same lower bits then loses little. K is a power
    of 2; nothing but the numbers changes.
    """
    m, K, _ = codebooks.shape
    groups = np.arange(K)[None].repeat(m, axis=0)[:, None]  # (m, groups, centroids of each)
    while groups.shape[2] > 1:
        members = codebooks[np.arange(m)[:, None, None], groups].astype(np.float64)
        members -= members.mean(axis=2, keepdims=True)
        along = np.einsum("mgcd,mgd->mgc", members, _longest_axis(members))
        sorted_places = along.argsort(axis=2, kind="stable")
        groups = np.take_along_axis(groups, sorted_places, axis=2)
        groups = groups.reshape(m, 2 * groups.shape[1], -1)
    numbers = np.zeros(K, np.intp)  # of each place: its path, the first cut lowest
    for bit in range(K.bit_length() - 1):
        numbers |= (np.arange(K) >> bit & 1) << (K.bit_length() - 2 - bit)
    renumbered = np.empty_like(codebooks)
    renumbered[:, numbers] = np.take_along_axis(codebooks, groups, axis=1)
    return renumbered


def _longest_axis(members: F64) -> F64:
    """The direction of largest variance of each group (m, groups, centroids, ds), by powers."""
    farthest = np.square(members).sum(axis=3).argmax(axis=2)
    axis = np.take_along_axis(members, farthest[:, :, None, None], axis=2)[:, :, 0]
    for _ in range(_POWER_STEPS):
        axis = np.einsum("mgcd,mgc->mgd", members, np.einsum("mgcd,mgd->mgc", members, axis))
        axis /= np.maximum(np.abs(axis).max(axis=2, keepdims=True), np.finfo(np.float64).tiny)
    return axis
