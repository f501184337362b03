"""What a sample of tokens tells an encoder: their mean, and whether they share a direction."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from tersevec._kernels import F32
from tersevec._numpy.tokens import widened
from tersevec._ragged import Ragged

_SHARED = 0.25  # mean cosine from which on encodings visibly lose
_BYTES = 4 << 20


class Sample(NamedTuple):
    """What `measured` finds."""

    mean: F32
    mean_cosine: float  # of two different tokens; tokens of zeros are left out


def measured(bags: Ragged, center: F32 | None) -> Sample:
    """The mean of all tokens, and the mean cosine of two of them after subtracting a center.

    The length of the mean unit token tells it, without a look at any pair.
    """
    total, units, n = np.zeros(bags.dim), np.zeros(bags.dim), 0
    for chunk in bags.chunks(_BYTES):
        wide = widened(chunk.tokens, chunk.scales).astype(np.float64)
        total += wide.sum(axis=0)
        if center is not None:
            wide -= center
        lengths = np.sqrt(np.square(wide).sum(axis=1))
        some = lengths > 0
        units += (wide[some] / lengths[some, None]).sum(axis=0)
        n += int(some.sum())
    mean = (total / max(1, bags.n_tokens)).astype(np.float32)
    return Sample(mean, float((units @ units - n) / (n * (n - 1))) if n > 1 else 0.0)


def warn_if_shared(mean_cosine: float, centred: bool) -> None:
    """Warn where encodings without (another) center would be nearly alike."""
    if mean_cosine < _SHARED:
        return
    what = "even after subtracting `center` " if centred else ""
    remedy = "fit without `center`" if centred else "from now on their mean, center_, is subtracted"
    warnings.warn(
        f"tokens share a direction {what}(mean cosine {mean_cosine:.2f}), which makes encodings "
        f"alike and ranks badly: {remedy}",
        UserWarning,
        stacklevel=3,
    )
