"""The examples of the documentation print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import tersevec

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(tersevec.__path__, "tersevec.")
    if not module.name.endswith(("__main__", "_native", "_cli.plot"))
)
# Classes and functions that users import must show an example.
SHOWN = ["tersevec.binary", "tersevec.muvera", "tersevec.pq"]


@pytest.mark.parametrize("name", ["tersevec", *MODULES])
def test_examples_print_what_they_say(name):
    module = importlib.import_module(name)
    with np.printoptions(legacy=False):
        results = doctest.testmod(module)
    assert results.failed == 0


@pytest.mark.parametrize("name", SHOWN)
def test_every_public_word_has_an_example(name):
    module = importlib.import_module(name)
    for word in module.__all__:
        assert ">>> " in (getattr(module, word).__doc__ or ""), word
