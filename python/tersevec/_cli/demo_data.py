"""The embeddings that ship with the package: Debian package descriptions and WordNet entries."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from importlib import resources

import numpy as np

from tersevec._kernels import F32, I64


@dataclass(frozen=True)
class Text:
    """What a vector was made from: `kind` is "debian" or "wordnet", `key` a package or synset."""

    kind: str
    key: str
    text: str


@dataclass(frozen=True)
class DemoData:
    """Unit vectors (n, 384) and (nq, 384), their texts, and the base row each query belongs to."""

    base: F32
    queries: F32
    base_texts: list[Text]
    query_texts: list[Text]
    targets: I64


def load() -> DemoData:
    """The demo's data, from the package's own files.

    >>> load().base.shape
    (5000, 384)
    """
    with np.load(io.BytesIO(_read("text384.npz")), allow_pickle=False) as arrays:
        base = arrays["base"] * arrays["base_scale"][:, None]
        queries = arrays["queries"] * arrays["query_scale"][:, None]
        targets = arrays["targets"].astype(np.int64)
    base_texts = [Text(*line.split("\t")) for line in _lines("base_texts.tsv.gz")]
    kinds_and_texts = [line.split("\t") for line in _lines("query_texts.tsv.gz")]
    query_texts = [Text(kind, "", text) for kind, text in kinds_and_texts]
    return DemoData(base, queries, base_texts, query_texts, targets)


def _read(name: str) -> bytes:
    return resources.files("tersevec").joinpath("data", name).read_bytes()


def _lines(name: str) -> list[str]:
    return gzip.decompress(_read(name)).decode().rstrip("\n").split("\n")
