"""A model card: what a trained network is, how it was found, and some twenty lines that run it.

Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainer.data import name_without_folders
from trainer.data._pictures import least_side
from trainer.errors import to_one_line
from trainer.saved_model import SavedModel

_IMPORT = {"onnx": "import onnxruntime", "pt2": "import torch"}
_RUN = {
    "onnx": """\
session = onnxruntime.InferenceSession({file!r}, providers=["CPUExecutionProvider"])
[logits] = session.run(None, {{"images": images}})""",
    "pt2": """\
network = torch.export.load({file!r}).module()
logits = network(torch.from_numpy(images)).detach().numpy()""",
}
_SQUARE = {
    ("files", "crop"): "image = ImageOps.fit(image, ({size}, {size}), Image.Resampling.BICUBIC)",
    ("files", "squash"): "image = image.resize(({size}, {size}), Image.Resampling.BICUBIC)",
    ("files", "pad"): """\
sides = [max(1, round({size} * side / max(image.size))) for side in image.size]
    inner = image.resize(sides, Image.Resampling.BICUBIC)
    image = Image.new("RGB", ({size}, {size}), (128,) * 3)
    image.paste(inner, (({size} - inner.width) // 2, ({size} - inner.height) // 2))""",
    ("arrays", "crop"): """\
side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))""",
    ("arrays", "squash"): "",
    ("arrays", "pad"): """\
inner, side = image, max(image.size)
    image = Image.new("RGB", (side, side), (128,) * 3)
    image.paste(inner, ((side - inner.width) // 2, (side - inner.height) // 2))""",
}
_RESIZE = """
    for side in {sizes}:  # one band after the other, in floats: Pillow rounds bytes twice
        bands = [Image.fromarray(band).resize((side, side), Image.Resampling.BILINEAR) for band in pixels]
        pixels = np.rint(np.stack(bands))"""
_PROGRAM = """\
import sys
import numpy as np
{imported}
from PIL import Image, ImageOps

CLASSES = {classes}

def read(path):  # the pixels of an image file, float32 [3, {resolution}, {resolution}] in 0..255
    image = Image.open(path){drafted}
    image = ImageOps.exif_transpose(image).convert("RGB")
    {square}
    pixels = np.asarray(image, np.float32).transpose(2, 0, 1){resized}
    return pixels

images = np.stack([read(path) for path in sys.argv[1:]])
{run}
for path, row in zip(sys.argv[1:], logits):  # the class, and its probability
    print(path, CLASSES[row.argmax()], f"{{1 / np.exp(row - row.max()).sum():.4f}}")
"""
_FIT = {
    "crop": "its middle is cut out",
    "pad": "it is padded with mid-grey, RGB (128, 128, 128)",
    "squash": "its proportions are changed",
}


def write(
    model: SavedModel,
    file: Path,
    to: str,
    check: Mapping[str, Any] | None,
    licence: str | None,
    facts: Mapping[str, Any],
) -> str:
    """The card of an exported file, in Markdown.

    to: the file's format; check: `images` and `difference` of its comparison with torch
    facts: added to the provenance of `model.json`. `accuracy` and `latency` have sections of their own
    """
    known = {**model.description["provenance"], **facts}
    sections = {
        "How it was found": _found(model, known),
        "Accuracy": _accuracy(model, known),
        "Classes": [", ".join(map(_escape, model.network.classes))],
        "Images": _preprocessing(model),
        "Size and speed": _size(model, file, known),
        "Data": [f"Licence of the training data, as given by its user: {_escape(licence or 'not given')}."],
        "How to run it": _usage(model, file, to, check),
    }
    parts = [f"## {title}\n\n" + "\n".join(lines) for title, lines in sections.items()]
    heading = f"# {_escape(str(known.get('name') or _name(model)))}\n\n{_summary(model)}"
    return "\n\n".join([heading, *parts]) + "\n"


def run_lines(model: SavedModel, file_name: str, to: str) -> str:
    """A program that runs an exported file on the images it is given, without this project."""
    made = model.preprocess
    sizes = [made.image_size] if made.storage == "arrays" else []
    sizes += [made.resolution] if made.resolution != made.image_size else []
    square = _SQUARE[made.storage, made.fit].format(size=made.image_size)
    least = least_side(made.image_size, made.rules) if made.storage == "files" else None
    drafted = f"\n    image.draft(None, ({least}, {least}))  # of a JPEG only: decode no more than needed"
    return _PROGRAM.format(
        imported=_IMPORT[to],
        classes=json.dumps(model.network.classes),
        resolution=made.resolution,
        drafted="" if least is None else drafted,
        square=square or "# its proportions are changed below",
        resized=_RESIZE.format(sizes=sizes) if sizes else "",
        run=_RUN[to].format(file=file_name),
    )


def _summary(model: SavedModel) -> str:
    about = model.description
    scale = ", ".join(f"{name} x {value:g}" for name, value in about["scale"].items() if value != 1)
    members = f", {about['members']} networks that vote" if about["members"] > 1 else ""
    return (
        f"An image classifier: the network {_escape(_name(model))}{f' with {scale}' if scale else ''}"
        f"{members}, trained with the recipe {_escape(about['recipe'])}."
    )


def _name(model: SavedModel) -> str:
    """The network's name; of a user's own without its folders, which earlier versions kept."""
    return Path(model.description["model"]).name


def _found(model: SavedModel, known: Mapping[str, Any]) -> list[str]:
    others = {key: value for key, value in known.items() if key not in ("accuracy", "latency", "name")}
    training = model.description["training"]
    drawn, ingredients = training["subset"], model.description["ingredients"]
    versions = ", ".join(f"{name} {version}" for name, version in training["versions"].items())
    facts = {
        **others,
        "training data": name_without_folders(training["dataset"]),
        "training images": drawn["train"],
        "training": f"{training['steps']} steps, {training['epochs']:.4g} epochs, "
        f"{training['train_seconds']:.4g} s, seed {training['seed']}",
        "hyperparameters": model.description["hyperparameters"],
        "ingredients": ", ".join(
            f"{name} ({_plain(one)})" if one else name for name, one in ingredients.items()
        ),
        "device": f"{training['device_name']}, {training['precision']}",
        "versions": versions,
    }
    return [f"- {_escape(key)}: {_escape(_plain(value))}" for key, value in facts.items()]


def _accuracy(model: SavedModel, known: Mapping[str, Any]) -> Iterator[str]:
    about, given = model.description, known.get("accuracy")
    scores = about["scores"]
    if isinstance(given, Mapping):
        ends = given.get("interval")
        interval = f" [{', '.join(map(_share, ends))}]" if isinstance(ends, list) else ""
        runs = f", n {given['runs']}" if "runs" in given else ""
        score = f"{_escape(str(given['score']))} " if "score" in given else ""
        yield f"- trainings of this network: mean {score}{_share(given.get('mean'))}{interval}{runs}"
    if scores["val_accuracy"] is not None:
        count = about["validation_images"]
        yield f"- this training, last weights: {_share(scores['val_accuracy'])} of {count} validation images"
    if scores["test_accuracy"] is not None:
        yield f"- this training, last weights: {_share(scores['test_accuracy'])} of the test images"
    views = any(name == "test_views" for name in about["ingredients"])
    if views and model.network.views is None:
        yield "- measured with the recipe's test-time views, which this file leaves out; measure it anew"


def _preprocessing(model: SavedModel) -> list[str]:
    made = model.preprocess
    resized = "bicubic, antialiased" if made.storage == "files" else "bilinear, antialiased"
    lines = [
        "- upright by its EXIF orientation, 8-bit RGB; the program below ignores transparency",
        f"- an image that is not square: {_FIT[made.fit]}",
        f"- resized to {made.image_size} x {made.image_size} pixels ({resized})",
    ]
    if made.resolution != made.image_size:
        side = made.resolution
        lines.append(f"- then to {side} x {side} pixels (bilinear, antialiased, rounded)")
    mean, std = ([round(value, 3) for value in model.description["input"][key]] for key in ("mean", "std"))
    lines.append(f"- values stay in 0..255; the network subtracts {mean} and divides by {std} itself")
    return lines


def _size(model: SavedModel, file: Path, known: Mapping[str, Any]) -> Iterator[str]:
    about = model.description
    yield f"- {about['parameters']:,} parameters, {about['macs']:,} multiply-accumulates of one pass"
    yield f"- {file.stat().st_size:,} bytes"
    if (passes := model.network.count_passes()) > 1:
        yield f"- {passes} passes for one image, over networks that vote and test-time views"
    latency = known.get("latency")
    for measured in latency if isinstance(latency, list) else [latency] if latency else []:
        yield f"- measured latency: {_escape(_plain(measured))}"


def _usage(model: SavedModel, file: Path, to: str, check: Mapping[str, Any] | None) -> list[str]:
    if check is None:
        return [
            f"`safetensors.torch.load_file({file.name!r})` reads the weights. To run them, keep `model.json` "
            "beside the original file, and use `trainer.load_model`."
        ]
    made = model.preprocess
    needs = "numpy, Pillow and " + {"onnx": "onnxruntime", "pt2": "torch"}[to]
    return [
        f"Input `images`: float32 [N, 3, {made.resolution}, {made.resolution}], any N. Output `logits`: "
        f"float32 [N, {len(model.network.classes)}]. Compared with torch on {_escape(check['images'])}: the "
        f"same classes, logits of up to {check['largest']:.3g} within {check['difference']:.1e}.",
        "",
        f"This program needs {needs}: `python run.py image.jpg …`",
        "",
        "```python",
        run_lines(model, file.name, to).rstrip("\n"),
        "```",
    ]


def _plain(value: Any) -> str:
    """A JSON value in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _share(value: Any) -> str:
    return f"{value:.2%}" if isinstance(value, int | float) else "unknown"


def _escape(text: str) -> str:
    """One line in which Markdown finds no markup."""
    return "".join(f"\\{c}" if c in "\\`*[]<>#|" else c for c in to_one_line(text))
