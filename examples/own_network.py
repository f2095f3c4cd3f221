"""A small VGG: stages of plain convolutions, each pooled to half the size.

Search over it: nas-search --base examples/own_network.py:build --data digits
"""

from torch import nn


def build(classes: int, channels=(32, 64, 128), blocks=(1, 2, 2)) -> nn.Module:
    layers, before = [], 3
    for wide, count in zip(channels, blocks, strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(before, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
            before = wide
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))
