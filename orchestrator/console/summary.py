"""Text that a command prints before and after the search itself."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median

from rich.console import Console
from rich.table import Table

import search_spaces
from orchestrator.console.format import accuracy_text, point_text
from orchestrator.console.size_plot import size_plot
from orchestrator.executors import Executor
from orchestrator.spec import base_model
from orchestrator.spec import space as spaces
from orchestrator.spec.formulation import accuracy
from orchestrator.spec.objective import Objective, amount_of
from orchestrator.spec.options import RunOptions
from orchestrator.spec.search_options import DEFAULT_SPACE, resolve_options
from orchestrator.spec.study_spec import StudySpec
from orchestrator.spec.trial_config import TrialTemplate
from orchestrator.trainer_client import NetworkInfo
from results import file_names, terminal
from results.db.store import Store
from results.db.tables import Model, Study, Trial
from results.db.transactions import patient
from results.format import mean_text, quantity, stops_text, trust_text
from results.metrics import METRICS
from results.scores import sought_score
from results.weights import first_with_weights
from search_spaces import scaling

_FEW_CLASSES, _FIRST_CLASSES = 10, 4  # of which all, or of many the first, are named
_SQUARES = {"crop": "cropped", "pad": "padded", "squash": "squashed"}


def say_opening(
    console: Console, spec: StudySpec, executor: Executor, study: Study, recorded: Sequence[Trial]
) -> None:
    """Print which network, data, budget and machine the study uses, and whether it resumes."""
    request = spec.request
    say(
        console,
        f"study {study.name} in {request.database}",
        *network_lines(spec),
        f"{quantity(request.trials, 'training')} of {spec.training.budget} on {workers_text(executor)}, "
        f"solver {request.solver}; goal: {spec.aim}",
        *(resume_lines(recorded) if recorded else demo_lines(request)),
        *warm_start_lines(spec),
    )


def workers_text(executor: Executor) -> str:
    return quantity(executor.slots, "GPU" if executor.device == "cuda" else "CPU worker")


def demo_lines(request: RunOptions) -> Iterator[str]:
    """Yield a line on how long a demo takes, from benchmarks/results/demo.json: steps have no known time."""
    if request.demo:
        yield "demo: senet18 with the demo's own settings takes about 3 minutes on two CPU cores"


def resume_lines(recorded: Sequence[Trial]) -> Iterator[str]:
    """Yield a line on how much of a study is recorded, if any of it is."""
    if recorded:
        ended = sum(row.state != "running" for row in recorded)
        yield f"resuming: {ended} of {len(recorded)} trials in the results database have ended"


def say(console: Console, *lines: str) -> None:
    """Print lines without wrapping them."""
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def network_lines(spec: StudySpec) -> Iterator[str]:
    """Yield which network a search starts from, its realised sizes, and the data that it is trained on."""
    base = spec.base
    if base.is_script:
        yield f"script: {spec.request.trainer}, with its settings as {spec.request.script_config}"
        if not spec.aim.sought.is_number:
            yield f"  its validation noise is taken as that of {spec.training.validation_images} images"
        yield from spec.notes
        return
    yield f"network: {spec.subject.origin}"
    yield from base_model.same_name_lines(spec.subject, spec.request.kind)
    blocks = ", ".join(map(str, base.blocks))
    channels = ", ".join(map(str, base.channels))
    own = [f"{name} {value:g}" for name, value in spec.request.scale.items() if value != 1]
    at = f"at {', '.join(own)}: " if own else ""
    yield f"  {at}{sizes_text(base)}, blocks {blocks}, channels {channels}, {base.resolution} px"
    yield from data_lines(base, sample_text(spec.training))
    yield from spec.notes


def sizes_text(network: NetworkInfo) -> str:
    return f"{METRICS['macs'].text(network.macs)}, {METRICS['params'].text(network.parameters)}"


def sample_text(training: TrialTemplate) -> str:
    """Return how many images a training uses, in words."""
    counts = f"{training.train_images} training and {training.validation_images} validation images"
    if training.curve_images:
        counts += f" (learning curves use {training.curve_images} of these)"
    if training.folds:
        return f"{training.folds} folds of {training.pool_images} images: {counts} at least"
    return f"{counts}, equally many of each class" if training.draw == "balanced" else counts


def data_lines(described: NetworkInfo, use: str) -> Iterator[str]:
    """Yield a line about the data set and its use, and a line about files that are not read, if any."""
    data = described.dataset
    squares = f", {_SQUARES[data['fit']]} to squares" if data.get("fit") in _SQUARES else ""
    side = f" (median of the shorter sides: {data['shorter_side']})" if data.get("shorter_side") else ""
    size = f"{described.image_size} px{side}{squares}"
    yield f"data: {data['name']}, {described.classes} classes, {size}; {use}"
    if data.get("note"):
        yield f"  {data['note']}"


def image_lines(described: NetworkInfo, training: TrialTemplate) -> Iterator[str]:
    """Yield what a plan says of a data set: its classes, what is drawn of them, test images and batches."""
    data = described.dataset
    sizes, drawn = data.get("class_images") or {}, data.get("drawn") or {}
    if sizes:
        smallest, largest = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
        is_few = described.classes <= _FEW_CLASSES
        shown = list(sizes)[: described.classes if is_few else _FIRST_CLASSES]
        least, most = f"{sizes[smallest]} ({smallest})", f"{sizes[largest]} ({largest})"
        spread = f"least {least}, median {median(sizes.values()):g}, most {most}"
        of_each = spread if sizes[smallest] != sizes[largest] else f"{sizes[smallest]}"
        yield f"  classes: {', '.join(shown)}{'' if is_few else ', …'}; images of each: {of_each}"
    if drawn:
        texts = {name: f"{train} + {validation}" for name, (train, validation) in drawn.items()}
        if len(set(texts.values())) == 1:
            yield f"  training + validation images of each: {texts.popitem()[1]}"
        elif described.classes <= _FEW_CLASSES:
            yield f"  training + validation images: {', '.join(map(' '.join, texts.items()))}"
    if (tests := data.get("test_images")) is not None:
        yield f"  {quantity(tests, 'test image')}, never drawn from" if tests else "  no test images"
    if batch := described.batch_size:
        steps = training.train_images // batch
        yield f"  batches of {batch}: {quantity(steps, 'step')} per epoch"


def required_accuracy_text(mean: float, std: float | None, replicates: int, tolerance: float) -> str:
    """Return the baseline and the required accuracy that follows from it, on one line."""
    less = f" (the tolerance of {quantity(100 * tolerance, 'point')} less)" if tolerance else ""
    known = mean_text(mean, std, replicates)
    return f"baseline: {known}; required accuracy: {accuracy_text(mean - tolerance)}{less}"


def resolution_text(least: float, validation_images: int, most: int) -> str:
    """Return which differences repeats can tell. `least`: as `difference.least_confirmed` has it."""
    repeats = "a repeat tells" if most == 1 else f"{most} repeats tell"
    points = quantity(float(f"{100 * least:.2g}"), "point")
    return (
        f"on {validation_images} validation images {repeats} differences of about {points}: "
        "only with a --tolerance of so much, or with more images, is a network confirmed that is just as "
        "accurate as the base"
    )


def say_closing(console: Console, store: Store, spec: StudySpec) -> None:
    """Print what the study found, from its rows in the database."""
    study = store.study(spec.study_name)
    assert study is not None
    models = [model for model in store.models() if model.study_id == study.id]
    say(console, f"finished: {study.message}")
    rows = store.trials(study.id)
    if stops := stops_text(store.early_stops(study.id)):
        say(console, f"early stopping: {stops}")
    if not models:
        _tell_shortfall(console, spec)
    elif spec.aim.objectives > 1:
        _tell_front(console, spec, [model.name for model in models])
    else:
        winner = next(row for row in rows if row.id == models[0].trial_id)
        known = known_accuracies(store.mean_accuracies(study.id), rows, winner, models[0])
        if console.is_terminal and spec.aim.minimise:
            means = {number: mean for number, (mean, _) in known.items()}
            plot = size_plot(rows, spec.aim, means, study.min_accuracy, winner.number, console.width)
            say(console, *plot)
        terminal.tell(_comparison(study, spec.aim, models[0], rows[0], winner, known), console.file)
        _tell_winner(console, spec, study, models[0], winner)
    following = list(_following(spec, models[0], rows)) if models else []
    if models and spec.base.keeps_weights and spec.request.kept_weights != "none":
        first = models[0]
        trained = first_with_weights(rows, next(row for row in rows if row.id == first.trial_id))
        say(console, *weights_lines(spec.request, first.name, trained, first.name, following))
    else:
        say(console, *next_lines(*following))


def _following(spec: StudySpec, model: Model, rows: Sequence[Trial]) -> Iterator[str]:
    """Yield what to type next, besides what its weights are for."""
    if spec.aim.objectives == 1 and spec.request.kind == "nas":
        yield _next_command(spec, model.name)
    if spec.request.script_config == "words":
        winner = next(row for row in rows if row.id == model.trial_id)
        words = [f"--{name}={value}" for name, value in (winner.point or {}).items()]
        yield f"{spec.request.trainer} {shlex.join(words)}"


def _tell_winner(console: Console, spec: StudySpec, study: Study, model: Model, winner: Trial) -> None:
    say(console, f"found: {point_text(winner.point, winner.config, spec.start)}")
    say(console, f"saved as model {model.name} ({model.status}{_trust_text(model, study)})")
    if not spec.aim.minimise and dict(winner.point or {}) == dict(spec.formulation(None).start):
        say(console, "that is where the search started: no candidate was better when it was retrained")


def weights_lines(
    request: RunOptions,
    name: str,
    trained: Trial | None,
    model: str | None = None,
    others: Sequence[str] = (),
) -> Iterator[str]:
    """Yield where the weights of a network are, and what to type to use them.

    name: of a saved model, or a trial as STUDY:NUMBER; trained: the training that they are from, if any are
    kept; model: which nas-train is to train for good, None if that was done; others: commands before those
    """
    database = database_text(request)
    again = f"nas-train --model {model}{database}"
    if trained is None:
        yield f"no weights of {name} are kept" + (
            f"; {again} trains it again and keeps them" if model else ""
        )
        yield from next_lines(*others)
        return
    yield f"weights of {name}: {trained.folder}"
    more = database + (
        " --trust-code" if ".py:" in (trained.model or "") else ""
    )  # runs the file kept with it
    export, predict = f"nas-export {name} --to onnx{more}", f"nas-predict {name} photo.jpg{more}"
    yield from next_lines(*others, predict, export, *([again] if model else []))


def next_lines(*commands: str) -> Iterator[str]:
    """Yield what a user may type next, a command a line."""
    for place, command in enumerate(commands):
        yield f"      {command}" if place else f"next: {command}"


def _tell_front(console: Console, spec: StudySpec, names: Sequence[str]) -> None:
    """Print the Pareto front in the database, the smallest network first."""
    # pandas: half a second to import, and needed only here
    from results import queries, tables

    found = patient(queries.front)(spec.request.database, spec.study_name)
    terminal.tell(tables.front_table(found, spec.aim.sought), console.file)
    many = f"{spec.save_as}_1 to {spec.save_as}_{len(names)}"
    say(console, f"saved as models {many}" if len(names) > 1 else f"saved as model {names[0]}")
    say(console, f"show this table again: nas-results front {spec.study_name}{database_text(spec.request)}")


def _tell_shortfall(console: Console, spec: StudySpec) -> None:
    """Print why no network was found."""
    # pandas, as above
    from results import no_winner, study_record

    study = study_record.read_study(spec.request.database, spec.study_name)
    say(console, f"{no_winner.why(study)}; {no_winner.advice(study)}")


def database_text(request: RunOptions) -> str:
    """Return the option that names the results database, if it is not the usual one."""
    usual = str(RunOptions.model_fields["runs"].default / file_names.DATABASE)
    return "" if request.database == usual else f" --db {request.database}"


_HANDED_ON = (
    *("train_images", "validation_images", "draw", "folds", "metric", "budget"),
    *("device", "slots", "db", "runs", "trainer"),
)


def _next_command(spec: StudySpec, model: str) -> str:
    """Return the hpo-search of the model found, on the same data, machine and results database.

    It is over the recipe where the default space has larger batches than the training has images.
    """
    request = spec.request
    usual = resolve_options(request.kind, request.subject, {"demo": request.demo})
    words = ["hpo-search", "--model", model, *(["--demo"] if request.demo else [])]
    for name in _HANDED_ON:
        if getattr(request, name) != getattr(usual, name):
            words += [f"--{name.replace('_', '-')}", str(getattr(request, name))]
    if spaces.largest_batch(search_spaces.load(DEFAULT_SPACE)) > spec.training.train_images:
        words += ["--space", "recipe"]
    return shlex.join(words)


def _comparison(
    study: Study,
    aim: Objective,
    model: Model,
    first: Trial,
    winner: Trial,
    known: Mapping[int, tuple[float, int]],
) -> Table:
    """Return a table that compares the winner with the start: the base network, or the first candidate.

    It has a line for each number, so that it fits on a narrow terminal. known: as `known_accuracies` has it
    """
    sizes = [METRICS[name] for name in ("macs", "params") if winner.macs is not None]  # of no script
    sizes += [metric for metric in aim.metrics if metric not in sizes]
    shown = {"base network" if study.kind == "nas" else "the start": first, model.name: winner}
    rows = [("trial", *(str(row.number) for row in shown.values()))]
    rows += [(size.unit, *(size.number(amount_of(row, size)) for row in shown.values())) for size in sizes]
    reached = [known.get(row.number, (None, 0)) for row in shown.values()]
    rows.append((aim.sought.noun, *(accuracy_text(mean, aim.sought) for mean, _ in reached)))
    rows.append(("trainings", *(str(trainings) for _, trainings in reached)))
    table = Table(title=f"result of {study.name}", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for place, name in enumerate(("", *shown)):
        whole = max(len(cells[place]) for cells in rows)  # a name may fold, a number not
        table.add_column(name, justify="right" if place else "left", overflow="fold", min_width=whole)
    for cells in rows:
        table.add_row(*cells)
    return table


def known_accuracies(
    means: Mapping[int, tuple[float, int]], rows: Sequence[Trial], winner: Trial, model: Model
) -> dict[int, tuple[float, int]]:
    """Return the accuracy of each network trained to the end, and from how many trainings it is known.

    The key is the number of its first trial. means: of the candidates; model: saved of the winner
    """
    known, base = dict(means), [row for row in rows if row.purpose == "baseline"]
    if reached := [accuracy(row) for row in base if row.state == "completed"]:
        known[base[0].number] = fmean(reached), len(reached)
    if model.val_accuracy is not None:
        known[winner.number] = model.val_accuracy, model.trainings or 1
    return known


def _trust_text(model: Model, study: Study) -> str:
    """Return the interval of the winner's accuracy and how likely its claim is, if they are known."""
    if model.accuracy_low is None or model.accuracy_high is None:
        return ""
    sought = sought_score(study.question)
    interval = sought.interval_text(model.accuracy_low, model.accuracy_high)
    trust = trust_text(vars(model), study.question, study.minimise)
    return f": {sought.text(model.val_accuracy)} {interval}{f'; {trust}' if trust else ''}"


def say_stopped(console: Console) -> None:
    """Print how to resume."""
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    say(console, f"stopped; finished trials are kept. To resume: {command}")


def warm_start_lines(spec: StudySpec) -> Iterator[str]:
    """Yield a line per candidate that is tried first, and one on how the earlier study differs."""
    warm = spec.warm_start
    if warm is None:
        return
    best = quantity(len(warm.hints), "best candidate")
    yield f"warm start, tried first: the {best} of the study {warm.study}"
    for hint in warm.hints:
        yield f"  {point_text(hint, spec.config(hint), spec.start or scaling.start(spec.space))}"
    if warm.unlike:
        yield f"  that study differs: {'; '.join(warm.unlike)}"
