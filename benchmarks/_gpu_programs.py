"""The steps of a session on a GPU that run programs: the trainer's own, pytest, accuracy.py (gpu.py)."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _gpu_common import Json, Measure, Sizes, Unfinished, check, fact, figure
from _training import ROOT, TRAINER, Training, trained
from PIL import Image

from tests.trainer import _hosting
from trainer import data

ASKED: list[str] = []  # options of accuracy.py, of which the session knows nothing
_ACCURACY = Path(__file__).with_name("accuracy.py")
_UNFINISHED = 3  # an exit code of accuracy.py
_OF_CLOCK = (
    "steps",
    "train_seconds",
    "overshoot_seconds",
    "images_per_second",
    "peak_memory_bytes",
    "engine",
)
_OUT_OF_MEMORY = 4  # the trainer's
_SOON = 120.0  # seconds
_LIMITED_BYTES, _LIMITED_BYTES_ON_CPU = 20 * 2**30, 100_000_000


def machine(sizes: Sizes) -> None:
    """What is measured on: the card, its clocks and limits, torch and the kernels that it has."""
    import torch

    from trainer import config
    from trainer.device import resolve_device

    fact("machine", resolve_device(config.from_json(sizes.config())).describe())
    if sizes.cuda:
        smi = (shutil.which("nvidia-smi") or "true", "-q", "-d", "CLOCK,POWER,PERFORMANCE")
        fact("nvidia-smi", subprocess.run(smi, capture_output=True, text=True, check=False).stdout)
        fact("capability", list(torch.cuda.get_device_capability()))
        fact("kernels for", torch.cuda.get_arch_list())
        fact("memory", torch.cuda.get_device_properties(0).total_memory)
        fact("MIG", _mig_mode())
        fact("cuda", torch.version.cuda)
        fact("cudnn", torch.backends.cudnn.version())  # type: ignore[no-untyped-call, unused-ignore]


def _mig_mode() -> str:
    import pynvml

    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlDeviceGetMigMode(pynvml.nvmlDeviceGetHandleByIndex(0)))
    except pynvml.NVMLError as error:
        return str(error)


def clock(sizes: Sizes) -> None:
    """Budgets in seconds are kept, with quick steps and with slow ones."""
    large = {"hyperparameters": {"batch_size": sizes.large_batch}}
    cases: tuple[Json, ...] = ({}, large, {**large, "image_size": sizes.large_pixels})
    done: list[Training] = []
    for case in cases:
        done.append(_train(sizes, **case, budget={"seconds": sizes.budget_seconds}))
        final = done[-1].last("final")
        fact(f"training {len(done)}", {name: final[name] for name in _OF_CLOCK})
    finals = [one.last("final") for one in done]
    figure("over the budget", [one["overshoot_seconds"] / sizes.budget_seconds for one in finals], "of it")
    plans = [one.named("plan") for one in done]
    figure("first plan / last plan", [one[0]["total_steps"] / one[-1]["total_steps"] for one in plans])
    figure("plans", [len(one) for one in plans])
    fact("reasons of plans", [[plan["reason"] for plan in one] for one in plans])


def too_large(sizes: Sizes) -> None:
    """A batch that does not fit ends with exit code 4; the largest one that fits in a part is found."""
    scale = {"width": 2 if sizes.cuda else 0.125, "resolution": sizes.large_pixels / 32}
    whole = sizes.config(model="resnet18", scale=scale, hyperparameters={"batch_size": sizes.train})
    if sizes.cuda:  # on a CPU nothing but `limits` bounds the memory
        training = trained(whole)
        fact("said", training.last("error").get("message", training.complaint))
        seen = f"exit {training.exit_code}, not {_OUT_OF_MEMORY}: {training.complaint}"
        check(training.exit_code == _OUT_OF_MEMORY, seen)
    limit = _find_limit(sizes, whole)
    fact("limit", limit)
    figure("largest batch", [limit["batch_size"]], "images")
    check(limit["bound"] == "memory", f"all {limit['batch_size']} images fit; a larger network is needed")


def _find_limit(sizes: Sizes, whole: Json) -> Json:
    """The event of `trainer limits`, in a part of the memory, so that few large steps are taken."""
    import torch

    from trainer import config, limits
    from trainer.report import Report

    if sizes.cuda:
        part = _LIMITED_BYTES / torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, part))
    stream = io.StringIO()
    limits.limits(config.from_json(whole), Report(stream), None if sizes.cuda else _LIMITED_BYTES_ON_CPU)
    limit: Json = json.loads(stream.getvalue())
    return limit


def host(sizes: Sizes) -> None:
    """Seconds to a first step, of processes and of two forks at once; a killed training goes on.

    Forks come last: a sandbox may lack what a fork server needs of Linux.
    """
    processes = [_train(sizes, budget={"steps": 20}) for _ in range(2)]
    for event in ("machine", "plan"):
        name = "process to first step" if event == "plan" else f"process to {event}"
        figure(name, [one.seconds_to(event) or 0.0 for one in processes], "s")
    resumed: Json = {"recipe": "best", "budget": {"steps": sizes.resumed_steps}}
    whole = _train(sizes, **resumed).last("final")
    again = _kill_and_resume(sizes, sizes.config(**resumed))
    check(again["steps"] == whole["steps"], f"{again['steps']} steps, not {whole['steps']}")
    figure("loss of the whole and of the resumed training", [whole["val_loss"], again["val_loss"]])
    figure("difference of the resumed loss", [abs(again["val_loss"] / whole["val_loss"] - 1)])
    _fork_two(sizes)


def _fork_two(sizes: Sizes) -> None:
    ours = {"PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT))}
    if sizes.cuda:
        ours["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
    environment = _hosting.ENVIRONMENT | ours
    config = _written(sizes, sizes.config(budget={"steps": 20}))
    with _hosting.hosting(_hosting.TRAINER, sizes.folder / "host", **ours) as server:
        greeting, ready = server.heard.readline(), server.heard.readline()
        check(ready == b"ready\n", f"no host: {greeting!r}, {(sizes.folder / 'host').read_text()[-500:]}")
        began = time.monotonic()
        arguments = ("train", "--config", str(config))
        folders = [sizes.folder / name for name in ("first", "second")]
        trials = [_hosting.ask(server, folder, *arguments, environment=environment) for folder in folders]
        seconds = [_await(partial(_has_plan, trial)) - began for trial in trials]
        endings = [trial.ending() for trial in trials]
    said = [trial.err.read_text()[-500:] for trial in trials]
    check(endings == [["ended", "0", "exited"]] * 2, f"forks: {endings}, {said}")
    figure("fork to first step", seconds, "s")


def _has_plan(trial: _hosting.Trial) -> bool:
    return '"plan"' in trial.out.read_text()


def _kill_and_resume(sizes: Sizes, config: Json) -> Json:
    """The `final` line of a training that is killed, once it has a checkpoint and two seconds later."""
    kept = sizes.folder / "checkpoint"
    path = _written(sizes, config)
    command = [
        *TRAINER,
        "train",
        "--config",
        str(path),
        "--checkpoint",
        str(kept),
        "--checkpoint-seconds",
        "0.3",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _await(lambda: kept.exists() or process.poll() is not None)
        time.sleep(2 if sizes.cuda else 0.2)
        process.send_signal(signal.SIGKILL)
    check(kept.exists(), "the training ended before it was killed; give resumed_steps more")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    check(done.returncode == 0, f"exit {done.returncode} of the resumed training: {done.stderr[-500:]}")
    check(any(one.get("reason") == "resumed" for one in events), "the training began anew")
    final: Json = events[-1]
    return final


def latency(sizes: Sizes) -> None:
    """Forward passes of one image and of 256, on the CPU and on the GPU."""
    seconds = str(min(15.0, sizes.seconds_left / 2))
    for event in _events(sizes, "latency", [sizes.config()], "--seconds", seconds):
        name = f"{event['device']}, batch {event['batch']}"
        if "skipped" in event:
            fact(name, event["skipped"])
            continue
        figure(name, [event["milliseconds"]], "ms")
        figure(f"{name}: interquartile range", [event["iqr_milliseconds"]], "ms")


def decoding(sizes: Sizes) -> None:
    """Photos decoded a second, and read again from what is kept of them."""
    photos = sizes.folder / "photos"
    rng = np.random.default_rng(0)
    for number in range(sizes.photos):
        path = photos / "train" / f"class{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8))
        coarse.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
    time.sleep(2.5)  # younger files are decoded each time
    source = data.source(f"folder:{photos}", image_size=64, data_dir=sizes.folder / "kept")
    for name in ("first", "again"):
        began = time.perf_counter()
        images = data.load(source, False).train_images[:]
        figure(name, [len(images) / (time.perf_counter() - began)], "images/s")
    fact("cores", len(os.sched_getaffinity(0)))


def tests(sizes: Sizes) -> None:
    """The tests that need a GPU, without the project's pytest settings, which want plug-ins."""
    plain = ("-c", os.devnull, "--rootdir", str(ROOT), "-p", "no:cacheprovider", "-W", "ignore", "-q")
    command = [sys.executable, "-m", "pytest", *plain, "-m", "gpu", str(ROOT / "tests" / "trainer")]
    command += [] if sizes.cuda else ["--collect-only"]  # on a CPU: whether they can be run on this machine
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    fact("pytest", done.stdout[-6000:])
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|errors?)", done.stdout)}
    figure("passed", [counts.get("passed", 0)])
    failed = sum(count for word, count in counts.items() if word != "passed")
    figure("failed", [failed])
    check(failed > 0 or done.returncode == 0, f"pytest ended with {done.returncode}: {done.stderr[-500:]}")


def _accuracy(name: str, *recipe: str) -> Measure:
    """A step whose runs accuracy.py keeps: as many as the time allows, and the others in the next call."""

    def measure(sizes: Sizes) -> None:
        out, *options = ASKED
        path = Path(out) / f"{name}.jsonl"
        longest = 25.0 + float(options[options.index("--seconds") + 1]) if "--seconds" in options else 25.0
        most = ["--most-seconds", f"{max(0.0, sizes.seconds_left - longest):.0f}", "--out", str(path)]
        command = [sys.executable, str(_ACCURACY), *recipe, *options, *most]
        code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        runs = [line for line in lines if line.get("variant") == "as it is" and line["exit_code"] == 0]
        figure("test accuracy", [100 * run["final"]["test_accuracy"] for run in runs], "%")
        check(code in (0, _UNFINISHED), f"accuracy.py ended with {code}; its output is above")
        if code == _UNFINISHED:
            raise Unfinished

    return measure


_TUNED = ("--learning-rate", ".042", "--weight-decay", ".005", "--batch-size", "512")
_BEST = ("--model", "senet18", "--recipe", "best")
MEASURES: dict[str, Measure] = {
    "machine": machine,
    "clock": clock,
    "too_large": too_large,
    "host": host,
    "latency": latency,
    "decoding": decoding,
    "tests": tests,
    "nomad_haet": _accuracy(
        "nomad_haet", "--model", "senet18", "--width", ".67", "--recipe", "nomad_haet", *_TUNED
    ),
    "best_accuracy": _accuracy("best", *_BEST),
    "resnet9_sam_ip": _accuracy("resnet9_sam_ip", "--model", "resnet9", "--recipe", "resnet9_sam_ip"),
    "ingredients": _accuracy("ingredients", *_BEST, "--drop", "each"),
}


def _train(sizes: Sizes, **changes: Any) -> Training:
    """A training that ended well."""
    training = trained(sizes.config(**changes))
    check(training.exit_code == 0, f"exit {training.exit_code} of a training: {training.complaint}")
    return training


def _events(sizes: Sizes, command: str, given: Sequence[Json], *options: str) -> list[Json]:
    """The lines of another command of the trainer."""
    paths = [part for config in given for part in ("--config", str(_written(sizes, config)))]
    done = subprocess.run([*TRAINER, command, *paths, *options], capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"exit {done.returncode} of {command}: {done.stderr[-500:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _written(sizes: Sizes, config: Json) -> Path:
    path = sizes.folder / "trial.json"
    path.write_text(json.dumps(config))
    return path


def _await(holds: Callable[[], bool]) -> float:
    """The moment at which something holds, which is soon."""
    ends = time.monotonic() + _SOON
    while not holds():
        check(time.monotonic() < ends, f"nothing happened within {_SOON:.0f} s")
        time.sleep(0.01)
    return time.monotonic()
