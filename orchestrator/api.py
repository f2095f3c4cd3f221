"""The commands as functions: `from orchestrator import nas_search`.

A function's keywords are its command's options, with underscores. It returns when the study has ended. To
resume a study, call the function again, or `load_study(name).resume()`.
"""

from __future__ import annotations

import inspect
import io
import os
import threading
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator import executors
from orchestrator.console.progress import BarProgress, ReporterFactory, open_reporter
from orchestrator.evaluation.options import EvaluationOptions
from orchestrator.evaluation.run import run_evaluation
from orchestrator.spec import provenance
from orchestrator.spec.command_options import BadOption
from orchestrator.spec.options import RunOptions
from orchestrator.spec.search_options import SEARCHES, HpoOptions, NasOptions, SearchOptions
from orchestrator.study.run import run_study
from orchestrator.training.options import TrainingOptions
from orchestrator.training.run import run_training
from results import queries
from results.db.search_queue import repeatable
from results.db.tables import RUN_BY_RUN

__all__ = [
    "BadOption",
    "StudyResult",
    "evaluate",
    "hpo_search",
    "load_model",
    "load_study",
    "nas_search",
    "train",
]

if TYPE_CHECKING:
    import pandas as pd  # half a second to import, and needed only where its frames are asked for
    import torch
    from PIL import Image


def nas_search(base: str, *, progress: bool = True, **options: Any) -> StudyResult:
    """Run `nas-search --base BASE`: find the smallest variant that is still as accurate."""
    return _run(NasOptions, {"base": base, **options}, progress)


def hpo_search(model: str, *, progress: bool = True, **options: Any) -> StudyResult:
    """Run `hpo-search --model MODEL`: tune how a network is trained, or its recipe or architecture."""
    return _run(HpoOptions, {"model": model, **options}, progress)


def evaluate(model: str | list[str] = (), *, progress: bool = True, **options: Any) -> StudyResult:  # type: ignore[assignment]
    """Run `nas-evaluate`: train models several times each on disjoint images, and rank them."""
    models = [model] if isinstance(model, str) else list(model)
    return _run(EvaluationOptions, {"model": models, **options}, progress)


def train(model: str, *, progress: bool = True, **options: Any) -> StudyResult:
    """Run `nas-train --model MODEL`: train a model for good, on all images, and keep its weights."""
    return _run(TrainingOptions, {"model": model, **options}, progress)


def load_study(name: str, *, progress: bool = True, **options: Any) -> StudyResult:
    """Return a study that is in a results database.

    options: where it is (`db`, `runs`) and, to resume it, what else belongs to the machine (`trainer`,
        `data_folder`, `executor`, `slots`, `device`, …)
    Raise StoreError; NotOnRecord, one of its kinds, for an unknown study. Raise BadOption.
    """
    known = _of_machine(NasOptions)  # which are those of every command
    for option in options.keys() - known:
        raise BadOption(
            f"load_study does not take {option}; give one of {', '.join(known)}, or resume() options"
        )
    found = StudyResult(name, NasOptions.resolve({"base": name, **options}).database, options, progress)
    if not found._is_run_by_run or "runs" not in options:
        return found
    runs = options.pop("runs")  # of these that is their number
    return StudyResult(name, found.database, {**options, "folder": runs}, progress)


def load_model(
    name: str,
    *,
    db: str | Path | None = None,
    runs: str | Path | None = None,
    views: bool = True,
    trust_code: bool = False,
) -> tuple[Any, Callable[[Image.Image | str | Path], torch.Tensor]]:
    """Return a trained network, on the CPU in evaluation mode, and the function that makes its input.

    `model.predict(torch.stack([preprocess("photo.jpg")]))` is a row of probabilities, in the order of
    `model.classes`; `model` is a torch.nn.Module (docs/trained-networks.md).

    name: a saved model's, STUDY:NUMBER of a trial, or a folder with a model.json
    db, runs: where the results are, as for the commands
    views: with the recipe's test-time views, as the reported accuracy was measured
    trust_code: run network.py, of a network that was defined in a file
    Raise NotOnRecord or another StoreError, and trainer.errors.InvalidModel for files that cannot be loaded.
    """
    given = {"db": db, "runs": runs}
    where = {key: value for key, value in given.items() if value is not None}
    folder = queries.weights(NasOptions.resolve({"base": name, **where}).database, os.path.expanduser(name))
    from trainer import load_model as load  # the one import of the trainer: its objects are what is returned

    return load(folder, views=views, trust_code=trust_code)


def _of_machine(model: type[RunOptions]) -> list[str]:
    """Return the options that are no part of a study: where it runs, and where its results are."""
    own = model.options("owner")
    return [
        name
        for name, option in model.options().items()
        if name in own or option.facts["panel"] == "The machine"
    ]


class StudyResult:
    """A study in its results database, which is read anew by every property.

    name: the study's name. database: the path or URL of its results database.
    """

    def __init__(self, name: str, database: str, given: Mapping[str, Any], progress: bool = True) -> None:
        self.name, self.database = name, database
        self._given, self._progress = dict(given), progress

    @property
    def facts(self) -> dict[str, Any]:
        """The study's row of `results.queries.studies`. Raise NotOnRecord for an unknown study."""
        return queries.plain_rows(queries.studies(self.database, self.name))[0]

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial, by number: the columns of the table `trials`."""
        return queries.trials(self.database, self.name)

    @property
    def best(self) -> dict[str, Any] | None:
        """The best trial, of an evaluation the best pair, of a training its runs; None if there is none.

        Its keys are the columns of the view `best_trials`, or of `ranking`.
        """
        rows = self.ranking if self._is_run_by_run else queries.best(self.database, self.name)
        return next(iter(queries.plain_rows(rows)), None)

    @property
    def front(self) -> pd.DataFrame:
        """The Pareto front, the smallest network first. Raise NotOnRecord for a study with one objective."""
        return queries.front(self.database, self.name)

    @property
    def ranking(self) -> pd.DataFrame:
        """The ranking of an evaluation, the best pair first, or the row of a training.

        Raise NotOnRecord for another kind of study.
        """
        return queries.evaluation(self.database, self.name)

    @property
    def saved_models(self) -> list[str]:
        """The names under which the study saved networks, which `hpo_search` and `evaluate` take."""
        models = queries.models(self.database)
        return [str(name) for name in models[models["study"] == self.name]["name"]]

    @property
    def is_evaluation(self) -> bool:
        return bool(self.facts["kind"] == "evaluation")

    @property
    def _is_run_by_run(self) -> bool:
        return self.facts["kind"] in RUN_BY_RUN

    def report(self, out: str | Path | None = None, compare: str | None = None) -> Path:
        """Write the study's report, one HTML page, and return its path: STUDY.html unless `out` is given.

        compare: another study of this database, shown beside it. Raise StoreError or ExportError.
        """
        from results import report

        return report.write(self.database, self.name, Path(out) if out else None, compare)[0]

    def resume(self, *, progress: bool | None = None, **options: Any) -> StudyResult:
        """Go on with the study, with its recorded options and these, such as a larger `trials`.

        Raise as the function that began it. The options of an evaluation and of a final training are not
        recorded: one that was loaded needs them all.
        """
        recorded = next(iter(queries.plain_rows(queries.request(self.database, self.name))), None)
        shown = self._progress if progress is None else progress
        if recorded is None:
            own = TrainingOptions if self.facts["kind"] == "training" else EvaluationOptions
            return _run(own, {**self._given, **options, "study": self.name}, shown)
        model = SEARCHES[recorded["kind"]]
        asked = repeatable(recorded["kind"], recorded["options"])
        here = {name: value for name, value in self._given.items() if name in _of_machine(model)}
        subject = {model.subject_option: recorded["subject"], "study": self.name}
        return _run(model, {**asked, **here, **subject, **options}, shown)

    def __repr__(self) -> str:
        facts = self.facts
        spent = f"{facts['spent']:.4g}/{facts['budget_trials']} trainings"
        return f"<study {self.name!r}: {facts['state']}, {spent}>"


def _run(model: type[RunOptions], given: Mapping[str, Any], progress: bool) -> StudyResult:
    """Run a study. It runs in a thread, so that Ctrl-C and a notebook's stop button end it as a command's.

    Raise BadOption and what else `run_study` and `run_pairs` name. KeyboardInterrupt comes when the
    trainings have been stopped: finished trials are in the database.
    """
    for name in model.with_names(given):
        if name in model.options("command"):
            raise BadOption(f"{name} is an option of the command {model.program} alone; omit it")
    for name in model.removed.keys() & given:
        warnings.warn(f"{name} was removed and is ignored: {model.removed[name]}", stacklevel=3)
    request = model.resolve(given)
    provenance.refuse_clashes()
    executors.check(request.executor)
    stop, console = threading.Event(), Console(quiet=True, file=io.StringIO())
    show: ReporterFactory = BarProgress if progress else open_reporter
    with ThreadPoolExecutor(1) as thread:
        if isinstance(request, SearchOptions):
            running = thread.submit(run_study, request, console, stop, show)
        elif isinstance(request, TrainingOptions):
            running = thread.submit(run_training, request, console, stop, show)
        else:
            assert isinstance(request, EvaluationOptions)
            running = thread.submit(run_evaluation, request, console, stop, show)
        try:
            name = running.result()
        except KeyboardInterrupt:
            stop.set()
            while not running.done():
                with suppress(KeyboardInterrupt):  # asked again while the trainings end
                    wait([running])
            raise
    return StudyResult(name, request.database, given, progress)


def _describe(function: Callable[..., StudyResult], model: type[RunOptions]) -> None:
    """Give a function its options as its signature and in its docstring: the model's fields."""
    own = list(inspect.signature(function).parameters.values())
    known = model.options("user", "owner")
    named = {parameter.name for parameter in own}
    keywords = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=option.field.default,
            annotation=option.kind,
        )
        for name, option in known.items()
        if name not in named
    ]
    function.__signature__ = inspect.Signature([*own[:-1], *keywords], return_annotation=StudyResult)  # type: ignore[attr-defined]
    lines = [f"    {name}: {option.help}" for name, option in known.items()]
    shown = "\n\nprogress: whether to show a progress bar\n\nOptions:\n"
    function.__doc__ = f"{function.__doc__}{shown}" + "\n".join(lines)


_describe(nas_search, NasOptions)
_describe(hpo_search, HpoOptions)
_describe(evaluate, EvaluationOptions)
_describe(train, TrainingOptions)
