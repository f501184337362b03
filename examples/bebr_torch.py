"""Train the maps of recurrent binary codes with PyTorch, and encode by them without it.

After Gan et al., "Binary embedding-based retrieval at Tencent", 2023: pairs of embeddings, an
InfoNCE loss both ways on the cosines of codes, the hardest negatives of a batch, gradients straight
through the signs. Batch normalisation is folded into the layers that are written. Here rows are
paired with their neighbours; pairs that mean the same, and many more of them, are what it is for.

    python examples/bebr_torch.py                             # embeddings that ship with tersevec
    python examples/bebr_torch.py --data X.npy --components 512 --hidden 2048 --output maps.npz
"""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tersevec._cli import demo_data
from tersevec.binary import RecurrentBinarizer, hamming_topk, pack_bits


class Sign(torch.autograd.Function):
    """+1 or -1, where gradients pass as if it were the identity from -1 to 1."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        """Zero counts as positive: a bit has two values."""
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, slope: Tensor) -> Tensor:
        """The slope, where the sign could have changed."""
        (x,) = ctx.saved_tensors
        return slope * (x.abs() <= 1)


def head(inputs: int, outputs: int, hidden: int) -> nn.Sequential:
    """One map: linear, or linear, batch normalisation, ReLU, linear; at first a rotation or so."""
    if hidden == 0:
        layers = [nn.Linear(inputs, outputs)]
    else:
        middle = nn.BatchNorm1d(hidden), nn.ReLU()
        layers = [nn.Linear(inputs, hidden), *middle, nn.Linear(hidden, outputs)]
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight, gain=layer.in_features**0.5 if not hidden else 1.0)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


class Binarizer(nn.Module):
    """The recurrence: from unit rows to codes of length 1."""

    def __init__(self, d: int, m: int, n_levels: int, hidden: int) -> None:
        """Maps W, B_i and R_i; R_i starts as W, since planes add up in the same components."""
        super().__init__()
        self.first = head(d, m, hidden)
        self.backs = nn.ModuleList(head(m, d, hidden) for _ in range(n_levels - 1))
        self.residuals = nn.ModuleList(copy.deepcopy(self.first) for _ in range(n_levels - 1))
        for back in self.backs if hidden == 0 else ():
            back[0].weight.data = self.first[0].weight.data.T.clone()

    def planes(self, f: Tensor) -> Tensor:
        """The planes added up, each half the one before."""
        b = Sign.apply(self.first(f))
        for i, (back, residual) in enumerate(zip(self.backs, self.residuals, strict=True), 1):
            left_over = f - functional.normalize(back(b))
            b = b + 2.0**-i * Sign.apply(residual(left_over))
        return b

    def forward(self, f: Tensor) -> Tensor:
        """Codes whose products are cosines."""
        return functional.normalize(self.planes(f))


def info_nce(a: Tensor, b: Tensor, same: Tensor, queue: Tensor, options) -> Tensor:
    """Cross entropy of finding each row's partner among the hardest others.

    `same` (n, n) is true where b holds the item itself or its partner; `queue` has more negatives.
    """
    cosines = a @ b.T
    others = cosines.masked_fill(same, -1.0)
    others = torch.cat([others, a @ queue.T], dim=1)
    hardest = others.topk(min(options.hardest, others.shape[1]), dim=1).values
    logits = torch.cat([cosines.diagonal()[:, None], hardest], dim=1) / options.temperature
    return functional.cross_entropy(logits, torch.zeros(len(a), dtype=torch.long))


def neighbours(x: Tensor, k: int) -> Tensor:
    """The k nearest other rows of each row: what it is paired with."""
    parts = []
    for start in range(0, len(x), 1000):
        part = x[start : start + 1000]
        cosines = part @ x.T
        cosines[torch.arange(len(part)), start + torch.arange(len(part))] = -2
        parts.append(cosines.topk(min(k, len(x) - 1), dim=1).indices)
    return torch.cat(parts)


def train(model: Binarizer, x: Tensor, options) -> None:
    """Momentum descent; the rate drops to a tenth at six tenths of the way."""
    near = neighbours(x, options.neighbours)
    slow = copy.deepcopy(model).requires_grad_(False)
    queue = torch.empty(0, slow(x[:2]).shape[1])
    descent = torch.optim.SGD(
        model.parameters(), lr=options.lr, momentum=0.9, weight_decay=options.weight_decay
    )
    rates = torch.optim.lr_scheduler.MultiStepLR(descent, [int(0.6 * options.epochs)])
    for epoch in range(options.epochs):
        losses = []
        for rows in torch.randperm(len(x)).split(options.batch):
            if len(rows) < 2:  # nothing to normalise by
                continue
            partners = near[rows, torch.randint(near.shape[1], (len(rows),))]
            same = (rows[:, None] == partners) | (partners[:, None] == partners)
            a, b = model(torch.cat([x[rows], x[partners]])).chunk(2)
            loss = info_nce(a, b, same, queue, options) + info_nce(b, a, same.T, queue, options)
            descent.zero_grad()
            loss.backward()
            descent.step()
            losses.append(loss.item())
            if options.queue:
                with torch.no_grad():
                    for old, new in zip(slow.parameters(), model.parameters(), strict=True):
                        old.lerp_(new, 1 - options.momentum)
                    queue = torch.cat([slow(x[partners]), queue])[: options.queue]
        rates.step()
        print(f"epoch {epoch + 1} of {options.epochs}: loss {np.mean(losses):.3f}", flush=True)


def folded(layers: nn.Sequential) -> list[tuple[Tensor, Tensor]]:
    """Weights and biases of the linear layers, batch normalisation taken in."""
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    found = [(layer.weight, layer.bias) for layer in linear]
    for layer in layers:
        if isinstance(layer, nn.BatchNorm1d):
            scale = layer.weight / torch.sqrt(layer.running_var + layer.eps)
            weight, bias = found[0]
            bias = (bias - layer.running_mean) * scale + layer.bias
            found[0] = weight * scale[:, None], bias
    return found


@torch.no_grad()
def exported(model: Binarizer, x: Tensor) -> dict[str, np.ndarray]:
    """The maps as `RecurrentBinarizer.from_weights` reads them, and a regression back."""
    model.eval()
    maps = {"W": model.first}
    maps |= {f"B{i}": back for i, back in enumerate(model.backs, 1)}
    maps |= {f"R{i}": residual for i, residual in enumerate(model.residuals, 1)}
    arrays = {"version": np.array(1), "n_levels": np.array(1 + len(model.backs))}
    for name, layers in maps.items():
        for i, (weight, bias) in enumerate(folded(layers)):
            arrays |= {f"{name}.{i}.weight": weight.numpy(), f"{name}.{i}.bias": bias.numpy()}
    planes = model.planes(x)
    energy = planes.T @ planes
    energy += 1e-3 * energy.diagonal().mean() * torch.eye(len(energy))
    return arrays | {"D.0.weight": torch.linalg.solve(energy, planes.T @ x).T.numpy()}


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    """The share of true neighbours that were found."""
    shared = (len(np.intersect1d(*pair)) for pair in zip(found, truth, strict=True))
    return sum(shared) / truth.size


def arguments(words: list[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a .npy of embeddings; a tenth become queries")
    parser.add_argument("--output", type=Path, default=Path("maps.npz"))
    for name, default, what in (
        ("components", 384, "numbers of a code"),
        ("levels", 2, "bits of a number"),
        ("hidden", 0, "width between the two layers of a map; 0: one layer"),
        ("epochs", 10, "passes over the rows"),
        ("batch", 512, "pairs of a step"),
        ("hardest", 5, "negatives of each pair"),
        ("neighbours", 5, "of each row, that it may be paired with"),
        ("queue", 0, "more negatives, by a slow copy of the maps"),
        ("seed", 0, "of all that is drawn"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what} ({default})")
    for name, default in (
        ("lr", 0.08),
        ("weight-decay", 1e-4),
        ("temperature", 0.05),
        ("momentum", 0.99),
    ):
        parser.add_argument(f"--{name}", type=float, default=default, help=f"({default})")
    return parser.parse_args(words)


def main(words: list[str]) -> None:
    """Train, write the maps, read them without PyTorch, and tell what their codes find."""
    options = arguments(words)
    torch.manual_seed(options.seed)
    if options.data is None:
        demo = demo_data.load()
        base, queries = demo.base, demo.queries
    else:
        rows = np.load(options.data).astype(np.float32)
        base, queries = np.split(rows, [len(rows) - max(1, len(rows) // 10)])
    x, q = (functional.normalize(torch.from_numpy(part)) for part in (base, queries))
    model = Binarizer(x.shape[1], options.components, options.levels, options.hidden)
    train(model, x, options)
    np.savez(options.output, **exported(model, x))

    binarizer = RecurrentBinarizer.from_weights(options.output)
    truth = (q @ x.T).topk(10, dim=1).indices.numpy()
    codes = binarizer.pack(binarizer.encode(base))
    found = binarizer.topk(binarizer.encode(queries), codes, 10).indices
    signs = hamming_topk(pack_bits(queries), pack_bits(base), 10).indices
    bits = options.components * options.levels
    print(f"recall@10 of codes of {bits} bits: {recall(found, truth):.3f}")
    print(f"of the signs of the vectors, {base.shape[1]} bits: {recall(signs, truth):.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
