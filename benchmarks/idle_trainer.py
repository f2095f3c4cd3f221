"""A trainer that does nothing, so that what a trial costs beside its training can be measured.

It speaks docs/trainer-protocol.md with the standard library alone and ends at once. The data set
`idle:SECONDS` has it sleep instead, each trial for a time of its own: uniform in [0.5, 1.5) x SECONDS, drawn
by the network.
"""

import json
import sys
import time
import zlib
from typing import Any

BLOCKS, CHANNELS, PIXELS = 8, (64, 128, 256, 512), 32


def main(arguments: list[str]) -> None:
    match arguments:
        case ["train", "--config", path]:
            with open(path, encoding="utf-8") as file:
                train(json.load(file))
        case ["describe", *_]:
            for line in sys.stdin:
                describe(json.loads(line))
        case _:
            sys.exit("usage: idle_trainer.py train --config FILE | describe [--check-data]")


def train(config: dict[str, Any]) -> None:
    network = realised(config)
    began = time.perf_counter()
    time.sleep(sleep_seconds(config))
    seconds = time.perf_counter() - began
    emit("final", val_accuracy=0.9 * (network["macs"] / 555e6) ** 0.1, train_seconds=seconds)


def describe(config: dict[str, Any]) -> None:
    images = {"train_images": 50_000, "test_images": 10_000, "fingerprint": "idle"}
    dataset = {"name": config["dataset"], "classes": 10, "image_size": PIXELS, **images}
    emit("model", **realised(config), dataset=dataset)


def realised(config: dict[str, Any]) -> dict[str, Any]:
    """The network as the `model` event has it. Its MACs are of the right kind, not exact."""
    scale = {"depth": 1.0, "width": 1.0, "resolution": 1.0, **config["scale"]}
    total, pixels = round(BLOCKS * scale["depth"]), round(PIXELS * scale["resolution"])
    blocks = [total // 4 + (stage < total % 4) for stage in range(4)]
    channels = [max(8, 8 * round(width * scale["width"] / 8)) for width in CHANNELS]
    weights = [18 * n * c * c for n, c in zip(blocks, channels, strict=True)]
    macs = sum(round(weight * (pixels / 2**stage) ** 2) for stage, weight in enumerate(weights))
    size = {"macs": macs, "macs_counter": "idle", "parameters": sum(weights), "resolution": pixels}
    shape = {"channels": channels, "blocks": blocks, "image_size": PIXELS, "classes": 10}
    return {"model": config["model"], **size, **shape}


def sleep_seconds(config: dict[str, Any]) -> float:
    mean = float(config["dataset"].partition(":")[2] or 0)
    draw = zlib.crc32(json.dumps(config["scale"], sort_keys=True).encode()) / 2**32
    return mean * (0.5 + draw)


def emit(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
