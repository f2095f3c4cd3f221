"""A plain PyTorch script: a small network learns to tell three spirals apart. It knows nothing of a search.

    python examples/plain_script.py --lr 0.1 --width 32

Two lines were changed to search over it: the one that prints the accuracy, now as JSON, and the seed, so that
repeats of one candidate differ.

    hpo-search --trainer "python examples/plain_script.py" --space examples/plain_script.toml --budget 20s
"""

import argparse
import json
import math
import os
from itertools import pairwise

import torch
from torch import Tensor, nn

CLASSES, IMAGES = 3, 600


def make_spirals(seed: int) -> tuple[Tensor, Tensor]:
    """Points [N, 2] and their classes [N]."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (IMAGES,), generator=generator)
    radius = torch.rand(IMAGES, generator=generator)
    angle = 2 * math.pi * (radius + labels / CLASSES) + 0.15 * torch.randn(IMAGES, generator=generator)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1), labels


def make_network(layers: int, width: int, activation: str) -> nn.Module:
    function = {"relu": nn.ReLU, "tanh": nn.Tanh}[activation]
    sizes = [2, *[width] * layers]
    hidden = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), function())]
    return nn.Sequential(*hidden, nn.Linear(sizes[-1], CLASSES))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--activation", choices=("relu", "tanh"), default="relu")
    parser.add_argument("--epochs", type=int, default=20)
    given = parser.parse_args()
    torch.manual_seed(int(os.environ.get("NAS_SEED", 0)))
    (points, labels), (held_out, answers) = make_spirals(1), make_spirals(2)
    network = make_network(given.layers, given.width, given.activation)
    optimizer = torch.optim.SGD(network.parameters(), lr=given.lr, momentum=0.9)
    for epoch in range(given.epochs):
        for batch in torch.randperm(IMAGES).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(points[batch]), labels[batch]).backward()
            optimizer.step()
        accuracy = (network(held_out).argmax(1) == answers).float().mean().item()
        print(json.dumps({"epoch": epoch, "progress": (epoch + 1) / given.epochs, "val_accuracy": accuracy}))


if __name__ == "__main__":
    main()
