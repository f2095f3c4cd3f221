"""VGG-19 with batch norm and one linear layer (Simonyan and Zisserman 2015).

torchvision's layers, with the usual classifier for CIFAR. Its blocks are single convolutions. Five poolings
reduce the image 32 times; an image too small for all of them lacks the last ones.
"""

from torch import nn

from trainer.models._blocks import Classifier
from trainer.models._scale import Base, Shape

BASE = Base(channels=(64, 128, 256, 512, 512), blocks=(2, 2, 4, 4, 4))


def build(shape: Shape, classes: int) -> nn.Module:
    from torchvision.models.vgg import make_layers

    layers: list[str | int] = []
    pixels = shape.resolution
    for channels, blocks in zip(shape.channels, shape.blocks, strict=True):
        pixels //= 2
        layers += [channels] * blocks + ["M"] * (pixels > 0)
    return nn.Sequential(make_layers(layers, batch_norm=True), Classifier(shape.channels[-1], classes))
