"""The example that trains with PyTorch: what it writes is what it trained."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tersevec.binary import RecurrentBinarizer
from test_recurrent import embeddings

EXAMPLE = Path(__file__).parents[1] / "examples" / "bebr_torch.py"
if not EXAMPLE.is_file():
    pytest.skip("the tests were copied out of the sources", allow_module_level=True)
torch = pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("bebr_torch", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("hidden", "n_levels"), [(0, 1), (0, 2), (24, 1), (24, 3)])
def test_exported_maps_encode_as_the_network_does(example, hidden, n_levels):
    torch.manual_seed(0)
    x = torch.from_numpy(embeddings(400, 20))
    model = example.Binarizer(20, 16, n_levels, hidden)
    model(x)  # what batches are normalised by afterwards
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(part.weight, 0.5, 2)
            torch.nn.init.uniform_(part.bias, -1, 1)
    binarizer = RecurrentBinarizer.from_weights(example.exported(model, x))
    with torch.no_grad():
        planes = model.planes(x).numpy()
    values = binarizer.code_values(binarizer.encode(x.numpy())) / 2.0 ** (n_levels - 1)
    assert (values == planes).mean() > 0.999  # sums of another order may change a sign
    assert ((binarizer.decode(binarizer.encode(x)) * x.numpy()).sum(axis=1)).mean() > 0.3


@pytest.mark.parametrize("more", [["--hidden", "32"], ["--queue", "100"]])
def test_the_example_trains_writes_and_tells_recall(example, tmp_path, capsys, more):
    np.save(tmp_path / "rows.npy", embeddings(600, 24))
    maps = tmp_path / "maps.npz"
    sizes = ["--components", "16", "--levels", "2", "--epochs", "2", "--batch", "128"]
    example.main(["--data", str(tmp_path / "rows.npy"), "--output", str(maps), *sizes, *more])
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told[:2]] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert told[2].startswith("recall@10 of codes of 32 bits: 0.")
    assert float(told[2].split()[-1]) > 0.05
    assert RecurrentBinarizer.from_weights(maps).n_components == 16
