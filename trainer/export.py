"""Write a trained network in a format that runs without this project, check it, and describe it in a card.

The exported network takes pixels, float32 [N, 3, R, R] in 0..255, for any N, and returns logits [N, K].
Normalisation, test-time views and votes are inside.
"""

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from trainer import data, images, model_card
from trainer._files import new_path, replace_file
from trainer.data import Source
from trainer.errors import InvalidConfig, InvalidModel, to_one_line
from trainer.report import Report
from trainer.saved_model import WEIGHTS, SavedModel

INPUT, OUTPUT = "images", "logits"
CONFIG = "trial.json"

_CHECKED = 32  # images
_TOLERANCE = 1e-3  # of logits
_RELATIVE_TOLERANCE = 1e-5  # of the largest logit: a network hardly trained may have logits of millions
_EXTRA = ("onnx", "onnxscript", "onnxruntime")

Run = Callable[[Tensor], Tensor]  # pixels to logits, by what was exported


@dataclass(frozen=True)
class Check:
    """How an exported network compares with torch.

    images: what it was compared on; difference: the largest one of logits; largest: of the logits' sizes
    """

    images: str
    difference: float
    largest: float


def export(
    model: SavedModel,
    folder: Path,
    to: str,
    output: Path | None = None,
    *,
    dataset: str | None = None,
    licence: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> tuple[Path, Path, Check | None]:
    """Write the network and its card; return both paths and the check.

    to: a name in FORMATS; output: by default below `folder`
    dataset: whose images the network is checked on; None: the one it was trained on, if it is still where
        trial.json in the folder says
    licence: of the training data; facts: for the card, added to the provenance in model.json
    Raises InvalidConfig, and InvalidModel for an exported network that computes something else.
    """
    path = output or folder / "export" / f"model.{to}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if to == "safetensors":
            _write_safetensors(model, folder, path)
            check: Check | None = None
        else:
            check = write_program(model, FORMATS[to], path, *_find_images(model, folder, dataset))
        card = path.with_name(f"{path.name}.md")
        text = model_card.write(model, path, to, asdict(check) if check else None, licence, facts or {})
        with replace_file(card) as file:
            file.write(text.encode())
    except OSError as error:
        raise InvalidConfig(
            f"cannot write {path}: {error.strerror or error}; give another --output"
        ) from error
    return path, card, check


def read_facts(path: Path | None) -> dict[str, Any]:
    """The JSON object in a file; empty without one. Raises InvalidConfig."""
    if path is None:
        return {}
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidConfig(f"cannot read {path}: {error}; give a JSON file") from error
    if not isinstance(facts, dict):
        raise InvalidConfig(f"{path} must hold a JSON object")
    return facts


def tell(report: Report, path: Path, card: Path | None, check: Check | None, as_event: bool) -> None:
    """Report what was written."""
    size = path.stat().st_size
    if as_event:
        report.event(
            "export",
            file=str(path),
            card=str(card) if card else None,
            bytes=size,
            check=asdict(check) if check else None,
        )
        return
    report.stream.write(f"{to_one_line(str(path))}: {size / 1e6:.2f} MB\n")
    if check:
        report.stream.write(
            f"compared with torch on {check.images}: same classes, logits of up to {check.largest:.3g} "
            f"within {check.difference:.1e}\n"
        )
    if card:
        report.stream.write(f"{to_one_line(str(card))}: the model card\n")


def write_program(
    model: SavedModel, write: Callable[[SavedModel, Path], Run], path: Path, pixels: Tensor, described: str
) -> Check:
    """Write a file under another name, compare it with torch, and rename it. Raises InvalidModel.

    pixels: [N, 3, R, R] to compare on; described: what they are
    """
    new = new_path(path)
    try:
        with _quiet():
            run = _try_to_write(write, model, new)
            check = _compare(model, run, pixels, described)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return check


def _try_to_write(write: Callable[[SavedModel, Path], Run], model: SavedModel, path: Path) -> Run:
    """Raises InvalidModel for a network that torch cannot trace, as one of the user's own may be."""
    try:
        return write(model, path)
    except (InvalidConfig, OSError, MemoryError):
        raise
    except Exception as error:
        why = (str(error).splitlines() or [""])[0]
        raise InvalidModel(
            f"torch cannot export this network: {type(error).__name__}: {why}; nothing in its forward may "
            "depend on the values in a tensor or on the number of images"
        ) from error


def _write_onnx(model: SavedModel, path: Path) -> Run:
    if missing := [name for name in _EXTRA if find_spec(name) is None]:
        raise InvalidConfig(
            f"exporting to ONNX needs {', '.join(missing)}; run: pip install {' '.join(_EXTRA)}"
        )
    import onnxruntime

    program = torch.onnx.export(
        _export(model),
        (),
        dynamo=True,
        external_data=False,
        input_names=[INPUT],
        output_names=[OUTPUT],
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update(
        {
            "classes": json.dumps(model.network.classes),
            "preprocessing": json.dumps(model.description["input"]),
        }
    )
    program.save(path, external_data=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda pixels: torch.from_numpy(session.run([OUTPUT], {INPUT: pixels.numpy()})[0])


def _write_pt2(model: SavedModel, path: Path) -> Run:
    with path.open("wb") as file:
        torch.export.save(_export(model), file)
    with path.open("rb") as file:
        run: Run = torch.export.load(file).module()
    return run


FORMATS: Mapping[str, Callable[[SavedModel, Path], Run]] = {"onnx": _write_onnx, "pt2": _write_pt2}
NAMES = (*FORMATS, "safetensors")


def _write_safetensors(model: SavedModel, folder: Path, path: Path) -> None:
    """The weights with the description in the file's own metadata."""
    weights = safetensors.torch.load((folder / WEIGHTS).read_bytes())
    content = safetensors.torch.save(
        weights, {"format": "pt", "description": json.dumps(dict(model.description))}
    )
    with replace_file(path) as file:
        file.write(content)


def _export(model: SavedModel) -> "torch.export.ExportedProgram":
    side = model.preprocess.resolution
    example = torch.zeros(2, 3, side, side)
    with torch.no_grad():
        return torch.export.export(
            model.network, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},)
        )


def _find_images(model: SavedModel, folder: Path, dataset: str | None) -> tuple[Tensor, str]:
    """Pixels [N, 3, R, R] to compare on, and what they are."""
    made, side = model.preprocess, model.preprocess.resolution
    named = dataset or _find_dataset(model, folder)
    short = to_one_line(data.name_without_folders(named))
    try:
        source: Source = data.source(named, made.image_size, fit=made.fit, rules=made.rules)
        loaded = data.load(source).train_images[:_CHECKED]
    except InvalidConfig:
        if dataset is not None:
            raise
        noise, described = make_noise(model)
        return noise, f"{described}, because {short} cannot be read"
    moved = images.to_device(
        loaded,
        torch.zeros(len(loaded), dtype=torch.int64).numpy(),
        (made.image_size, side),
        torch.device("cpu"),
    )
    return moved.images.float().contiguous(), f"{len(loaded)} images of {short}"


def _find_dataset(model: SavedModel, folder: Path) -> str:
    """The training's data set. Its place is in trial.json, and in model.json of earlier versions."""
    held = str(model.description["training"]["dataset"])
    with suppress(OSError, ValueError, LookupError, TypeError):
        asked = str(json.loads((folder / CONFIG).read_text(encoding="utf-8"))["dataset"])
        if data.name_without_folders(asked) == data.name_without_folders(held):
            return asked
    return held


def make_noise(model: SavedModel) -> tuple[Tensor, str]:
    """Pixels [N, 3, R, R] to compare on where there are no images, and what they are."""
    side, generator = model.preprocess.resolution, torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (_CHECKED, 3, side, side), generator=generator)
    return noise.float(), f"{_CHECKED} images of noise"


@torch.no_grad()
def _compare(model: SavedModel, run: Run, pixels: Tensor, described: str) -> Check:
    """Compare logits of one image alone and of a batch. Raises InvalidModel if they differ too much."""
    expected = model.network(pixels)
    found = torch.cat([run(pixels[:1]), run(pixels[1:])])
    difference = float((found - expected).abs().max())
    largest = float(expected.abs().max())
    differing = int((found.argmax(1) != expected.argmax(1)).sum())
    if differing or not difference <= max(_TOLERANCE, _RELATIVE_TOLERANCE * largest):
        raise InvalidModel(
            f"the exported network differs from torch: logits by up to {difference:.2g}, the predicted class "
            f"of {differing} of {len(pixels)} images; it is not kept. Report the network and the versions"
        )
    return Check(described, difference, largest)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' own warnings: what they do is checked."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [one.level for one in loggers]
    with warnings.catch_warnings(action="ignore"):
        for one in loggers:
            one.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for one, level in zip(loggers, levels, strict=True):
                one.setLevel(level)
