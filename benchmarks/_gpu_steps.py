"""The steps of a session on a GPU that train in their own process, and the program of all steps (gpu.py).

    python benchmarks/_gpu_steps.py STEP --folder FOLDER [--rehearse] [--seconds S]

Prints figures as JSON lines. A surprise is the last one; its traceback is on stderr.
"""

import argparse
import gc
import json
import os
import signal
import statistics
import sys
import threading
import time
import traceback
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import _gpu_programs
import torch
from _gpu_common import (
    Json,
    Measure,
    Sizes,
    Surprise,
    Unfinished,
    check,
    fact,
    figure,
    rehearsal,
    write_pictures,
)
from _ours import Ours, matmul_flops

from tests.trainer.configs import NETWORK_THAT_WAITS
from trainer import config as configs
from trainer import data, optimizers
from trainer.describe import model_fields
from trainer.device import resolve_device
from trainer.engine import Graphed
from trainer.objective import Phase
from trainer.setup import set_up
from trainer.train import measure
from trainer.train_state import STEPS_AHEAD, TrainState

_FLOPS_A_MAC = 6  # of a training image: 2 forward, 4 backward
_DRAWN = ("auto_augment", "crop", "flip", "cutout")  # of nomad_haet
_RUNS = 3
_SLOW = 35_000  # images a second; below, it is told what steps spend their time in


def one_step(sizes: Sizes) -> None:
    """Captured steps change the weights as eager ones do."""
    plain = {**sizes.small, "precision": "fp32", "ingredients": dict.fromkeys(_DRAWN)}
    eager, captured = (_state(sizes, engine=sizes.engine(name), **plain) for name in ("eager", "graph"))
    for state in (eager, captured):
        _take(state, 8)
    fact("engine", captured.engine.name)
    _check_captured(sizes, captured, "resnet9")
    pairs = zip(eager.network.parameters(), captured.network.parameters(), strict=True)
    differences = [float((one - other).abs().max() / one.abs().max()) for one, other in pairs]
    figure("largest difference of a weight", [max(differences)])


def speed(sizes: Sizes) -> None:
    """Images a second, and the memory that they take."""
    large = {"hyperparameters": {"batch_size": sizes.large_batch}}
    cases: dict[str, Any] = {"captured": {}, "captured, batch 512": large, "eager": {"engine": "eager"}}
    cases |= {"width .67, batch 512": {**sizes.narrow, **large}, "resnet9": sizes.resnet9}
    found = {name: _measure_speed(sizes, name, changes) for name, changes in cases.items()}
    parsed = _parsed(sizes)
    rate = matmul_flops(resolve_device(parsed), time.perf_counter)
    macs = model_fields(parsed, data.about(parsed.dataset))["macs"]
    figure("matrix products", [rate / 1e12], "TFLOP/s")
    figure("share of matrix products' rate", [one * _FLOPS_A_MAC * macs / rate for one in found["captured"]])


def _measure_speed(sizes: Sizes, name: str, changes: Json) -> list[float]:
    before = _forget_peak(sizes)
    mine = Ours(_state(sizes, **{"engine": sizes.engine("graph"), **changes}))
    rates = [mine.images_per_second(sizes.run_seconds) for _ in range(_RUNS)]
    figure(name, rates, "images/s")
    _tell_peak(sizes, name, before)
    if name == "captured" and sizes.cuda and statistics.median(rates) < _SLOW:
        _profile(mine.state)
    if name != "eager":
        _check_captured(sizes, mine.state, name)
    return rates


def best(sizes: Sizes) -> None:
    """Both graphs of a training of `best`: the time that the second one takes, and the memory of both."""
    for name in ("one pool", "a pool each"):
        before = _forget_peak(sizes)
        seconds = _take_best(sizes, has_one_pool=name == "one pool")
        _tell_peak(sizes, name, before)
        figure(f"{name}: first half", [1000 * one for one in seconds[10:20]], "ms a step")
        figure(f"{name}: second half", [1000 * one for one in seconds[30:]], "ms a step")
        lost = sum(seconds[20:26]) - 6 * statistics.median(seconds[30:])
        figure(f"{name}: lost at the switch", [lost], "s")


def _take_best(sizes: Sizes, has_one_pool: bool) -> list[float]:
    """Seconds of 40 steps, of which 20 have a second pass."""
    state, seconds = _state(sizes, recipe="best", engine=sizes.engine("graph")), list[float]()
    for number in range(40):
        if number == 20 and not has_one_pool:
            vars(state.engine).pop("_pool", None)  # so that the second graph takes another one
        seconds.append(state.objective.device.time(partial(_take, state, 1, number, 40)))
    _check_captured(sizes, state, "best")
    if has_one_pool and isinstance(state.engine, Graphed):
        figure("graphs", [len(state.engine.checked)])
    return seconds


def preparation(sizes: Sizes) -> None:
    """What an epoch and a validation cost."""
    for recipe in ("nomad_haet", "best"):
        state = _state(sizes, recipe=recipe)
        time_of = state.objective.device.time
        state.start_epoch(0.0)
        figure(recipe, [1000 * time_of(partial(state.start_epoch, 0.5)) for _ in range(10)], "ms")
        ahead = []
        for _ in range(10):
            _take(state, 1 + STEPS_AHEAD)  # after which a GPU has drawn the next epoch's images
            ahead.append(1000 * time_of(partial(state.start_epoch, 0.5)))
        figure(f"{recipe}, drawn ahead", ahead, "ms")
    state.validate()
    figure("validation", [1000 * time_of(state.validate) for _ in range(10)], "ms")


def half(sizes: Sizes) -> None:
    """The loss falls in fp16 with its scaler, in captured steps; its speed beside bf16's."""
    names = ("fp16", "bf16") if sizes.cuda else ("fp32", "bf16")
    states = [_state(sizes, precision=name, engine=sizes.engine("graph")) for name in names]
    losses = []
    for _ in range(6):
        _take(states[0], states[0].objective.steps_per_epoch)
        losses.append(states[0].read_loss())
    figure(f"{names[0]}: loss by epoch", losses)
    check(losses[-1] < losses[0], f"the loss in {names[0]} does not fall: {losses}")
    mine = [Ours(state) for state in states]
    runs = [[one.images_per_second(sizes.run_seconds) for one in mine] for _ in range(_RUNS)]
    for name, rates in zip(names, zip(*runs, strict=True), strict=True):
        figure(name, rates, "images/s")
    figure(f"{names[0]} / bf16", [first / second for first, second in runs])
    _check_captured(sizes, states[0], names[0])


def step_optimizers(sizes: Sizes) -> None:
    """Milliseconds a step with every optimizer; what of it is captured, and why not all."""
    for optimizer in optimizers.names():
        for name, engine in (("captured", "graph"), ("eager", "eager")):
            settings = {"batch_size": sizes.batch, "optimizer": optimizer}
            state = _state(sizes, hyperparameters=settings, engine=sizes.engine(engine))
            _take(state, 6)
            seconds = [state.objective.device.time(partial(_take, state, 5, 1)) / 5 for _ in range(4)]
            figure(f"{optimizer}, {name}", [1000 * one for one in seconds], "ms")
            if engine == "graph":
                fact(f"{optimizer} captures", f"{state.engine.captured}: {state.engine.reason}")
                _check_captured(sizes, state, optimizer, wanted=("step", "passes"))


def waits(sizes: Sizes) -> None:
    """A network that waits is trained eagerly; after a failed capture the next network is captured."""
    (sizes.folder / "waits.py").write_text(NETWORK_THAT_WAITS)
    state = _state(sizes, model=f"{sizes.folder / 'waits.py'}:build", scale={})
    measure(state, 0.5)
    fact("waits", state.engine.reason)
    check(not sizes.cuda or "waits.py, line 6" in str(state.engine.reason), f"told: {state.engine.reason}")
    if not sizes.cuda:
        return
    failing = Graphed(_wait_in_capture, [], lambda: None)
    for _ in range(6):
        failing(Phase(perturbed=False, pixels=8))
    fact("fails", failing.reason)
    check("_gpu_steps.py" in str(failing.reason), f"its line is not told: {failing.reason}")
    torch.cuda.empty_cache()
    following = _state(sizes, engine="graph")
    _take(following, 6)
    _check_captured(sizes, following, "the next network")


def compiled(sizes: Sizes) -> None:
    """Compiled passes in the graph and outside of one beside the graph alone, in turn."""
    mine: dict[str, Ours] = {}
    for name in ("graph", "compiled_graph", "compile"):
        before = _forget_peak(sizes)
        state = _state(sizes, engine=sizes.engine(name))
        began = time.monotonic()
        measure(state, sizes.run_seconds)
        figure(f"{name}: before the clock", [time.monotonic() - began], "s")
        mine[name] = Ours(state)
        mine[name].images_per_second(0.0)
        _tell_peak(sizes, name, before)
        fact(f"{name}: engine", state.engine.name)
    count = _count_compiled()
    runs = [
        {name: one.images_per_second(sizes.run_seconds) for name, one in mine.items()} for _ in range(_RUNS)
    ]
    for name in mine:
        figure(name, [run[name] for run in runs], "images/s")
    for name in ("compiled_graph", "compile"):
        figure(f"{name} / graph", [run[name] / run["graph"] for run in runs])
    check(
        _count_compiled() == count,
        f"{count} graphs were compiled before the steps, {_count_compiled()} after",
    )


MEASURES: dict[str, Measure] = {
    "one_step": one_step,
    "speed": speed,
    "best": best,
    "preparation": preparation,
    "half": half,
    "optimizers": step_optimizers,
    "waits": waits,
    "compiled": compiled,
    **_gpu_programs.MEASURES,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("step", choices=MEASURES)
    parser.add_argument("--folder", type=Path, required=True, help="of files that steps make")
    parser.add_argument("--rehearse", action="store_true", help="on a CPU, at small sizes")
    parser.add_argument("--seconds", type=float, required=True, help="that this step may take")
    asked, others = parser.parse_known_args()
    _gpu_programs.ASKED.extend(others)
    sizes = rehearsal(asked.folder) if asked.rehearse else Sizes(asked.folder)
    if not sizes.pictures.exists():
        write_pictures(sizes)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        MEASURES[asked.step](replace(sizes, seconds_left=asked.seconds))
    except Unfinished:
        print(json.dumps({"unfinished": True}), flush=True)
    except Exception as error:
        traceback.print_exc()
        named = "" if isinstance(error, Surprise) else f"{type(error).__name__}: "
        print(json.dumps({"surprise": f"{named}{error}"}), flush=True)
        return 1
    return 0


def _parsed(sizes: Sizes, **changes: Any) -> configs.TrialConfig:
    return configs.from_json(sizes.config(**changes))


def _state(sizes: Sizes, **changes: Any) -> TrainState:
    parsed = _parsed(sizes, **changes)
    return set_up(parsed, data.about(parsed.dataset), resolve_device(parsed)).new_state()


def _take(state: TrainState, steps: int, first: int = 0, total: int = 1000) -> None:
    """Take steps from number `first` of so many in all."""
    for number in range(first, first + steps):
        batch = number % state.objective.steps_per_epoch
        if batch == 0:
            state.start_epoch(number / total)
        state.step(batch, number, total)


def _check_captured(sizes: Sizes, state: TrainState, what: str, wanted: tuple[str, ...] = ("step",)) -> None:
    engine = state.engine
    check(not sizes.cuda or engine.captured in wanted, f"{what}: captured {engine.captured}: {engine.reason}")


def _wait_in_capture(phase: Phase) -> None:
    if torch.cuda.is_current_stream_capturing():
        torch.zeros((), device="cuda").item()


def _count_compiled() -> int:
    from torch._dynamo.utils import counters  # takes seconds

    return int(counters["stats"]["unique_graphs"])


def _profile(state: TrainState) -> None:
    """What five replays spend their time in, as of torch's profiler."""
    with torch.profiler.profile() as profile:
        _take(state, 5, 1)
        torch.cuda.synchronize()
    fact("profile of 5 steps", profile.key_averages().table(sort_by="device_time_total", row_limit=25))


def _forget_peak(sizes: Sizes) -> int:
    """Begin to measure the most memory; bytes that are held already."""
    if not sizes.cuda:
        return 0
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def _tell_peak(sizes: Sizes, name: str, before: int) -> None:
    """Report the most memory since then, without what was held before."""
    if sizes.cuda:
        held = (torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved())
        figure(f"{name}: memory, allocated and reserved", [(one - before) / 2**20 for one in held], "MiB")


def _end_with_parent() -> None:
    """End this process and its group when the session has ended, which a kill may have ended."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
