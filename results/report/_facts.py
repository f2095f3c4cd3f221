"""The report's tables without a plot: the network, the trials, failures, and how to reproduce the study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from rich.table import Table

from results import file_names
from results.analysis.evaluation import rank_pairs
from results.analysis.forecast import energy
from results.analysis.slack import cheapest
from results.db.tables import RUN_BY_RUN
from results.format import (
    megabytes,
    millions,
    moment,
    number,
    percent,
    plain_rows,
    quantity,
    relevant_settings,
    value_text,
    why_text,
)
from results.layers import count_layers
from results.model_facts import NetworkFacts, compare_with_base
from results.report._command import command
from results.report._logs import log_end
from results.report._table import MOST, captioned, flat, latest, pairs, table
from results.scores import SCORES, worst_classes
from results.study_record import Row, StudyRecord
from results.tables import evaluation_table, front_table, grid, models_table, plain, slack_table, trials_table

LOGS = 20  # failures whose logs are shown
_MACHINE = ("host", "device", "device_name", "driver")


@dataclass(frozen=True)
class Failure:
    """A failed trial and the end of its log."""

    heading: str
    message: str
    log: str


def failures(study: StudyRecord) -> list[Failure]:
    """Return the first failed trials with the ends of their logs, read now."""
    return [
        Failure(f"trial {row['number']}: {row['reason'] or 'failed'}", row["message"] or "", log_end(row))
        for row in _failed(study)[:LOGS]
    ]


def failure_counts(study: StudyRecord) -> Table:
    counts = Counter(row["reason"] or "unknown" for row in _failed(study))
    rows = [(reason, f"{count:,}") for reason, count in counts.most_common()]
    return grid("Failed trials by reason", ("reason", "trials"), rows, ())


def _failed(study: StudyRecord) -> list[Row]:
    return [row for row in study.rows if row["state"] == "failed"]


def stages(study: StudyRecord) -> Table | None:
    """Return the layers of the network found, by stage, beside the base network's; None if unknown."""
    found, first = study.winner, study.base
    if found is None or not (found["blocks"] or found["channels"]):
        return None
    shown = {"found": found} | ({"base": first} if first and first["number"] != found["number"] else {})
    parts = [part for part in ("blocks", "channels") if found[part]]
    columns = [(f"{part} ({whose})", row[part] or []) for part in parts for whose, row in shown.items()]
    heads = ("stage", *(head for head, _ in columns))
    lines = zip_longest(*(values for _, values in columns), fillvalue="-")
    rows = [(str(stage), *map(str, values)) for stage, values in enumerate(lines, 1)]
    return grid("Layers of the network by stage", heads, rows, ())


def network(study: StudyRecord) -> Table | None:
    """Return the sizes, accuracy and values of the network found, beside the base network's."""
    found, shown = study.winner, compare_with_base(study)
    if found is None:
        return None
    known = _NETWORK | {f"{score.noun} of this training": _share_of(score.field) for score in SCORES.values()}
    left_out = ("network", "recipe") if study.is_script else ()
    rows = [
        (study.sought.reword(name), *(said(one) for one in shown))
        for name, said in known.items()
        if name not in left_out
    ]
    rows += [
        (name, *(number(_latency_of(one, name), 2) for one in shown))
        for name in dict.fromkeys(_latency_name(row) for one in shown for row in one.latencies)
    ]
    rows += [
        (str(name), *(value_text(one.row["candidate"].get(name)) for one in shown))
        for name in found["candidate"]
    ]
    rows = [row for row in rows if any(cell not in ("-", "") for cell in row[1:])]
    return grid("Network found", ("", *(one.role for one in shown)), rows, ())


_NETWORK: dict[str, Callable[[NetworkFacts], str]] = {
    "trial": lambda one: str(one.row["number"]),
    "network": lambda one: one.row["model"] or "-",
    "recipe": lambda one: one.row["recipe"] or "-",
    "layers": lambda one: str(count_layers(one.folder) or "-"),
    "MACs": lambda one: millions(one.row["macs"]),
    "parameters": lambda one: millions(one.row["parameters"]),
    "resolution (pixels)": lambda one: str(one.row["resolution_pixels"] or "-"),
    "latency of one image (ms)": lambda one: number(one.row["latency_ms"], 2),
    "size of its weights": lambda one: megabytes(one.files.get(file_names.WEIGHTS)),
    "accuracy": lambda one: str(one.estimate or "-"),
}


def _latency_name(measured: Row) -> str:
    return f"latency on {measured['device']}, batch {measured['batch']} (ms)"


def _latency_of(one: NetworkFacts, name: str) -> float | None:
    return next((row["milliseconds"] for row in one.latencies if _latency_name(row) == name), None)


def _share_of(column: str) -> Callable[[NetworkFacts], str]:
    return lambda one: percent(one.row[column])


def classes(study: StudyRecord) -> Table | None:
    """Return the classes with the lowest accuracies in the training of the network found; None if unknown."""
    by_class = study.winner and study.winner["val_class_accuracies"]
    rows = [(name, percent(share)) for name, share in worst_classes(by_class)]
    if not by_class or not rows:
        return None
    caption = f"Classes of the network found, the worst {len(rows)} of {len(by_class)}, in this training"
    return grid(caption, ("class", "accuracy"), rows, ())


def trials(study: StudyRecord) -> Table:
    """Return the table of all trials."""
    shown = trials_table(study.trials.tail(MOST), study.study)
    return captioned(latest("All trials", len(study.trials)), shown)


def reasons(study: StudyRecord) -> Table | None:
    """Return why the solver chose each trial, if it has told; else None."""
    minimise = study.study["minimise"]
    told = [(str(row["number"]), why_text(row, minimise)) for row in study.rows]
    shown = [one for one in told if one[1]]
    if not shown:
        return None
    return grid(latest("Why each trial was chosen", len(shown)), ("trial", "chosen as"), shown[-MOST:], ())


def ranking(study: StudyRecord) -> Table | None:
    """Return the pairs of an evaluation, or the Pareto front of a study with two objectives; else None."""
    if study.has_two_aims:
        told = front_table(study.front, study.sought)
        return None if study.front.empty else captioned("Pareto front, by the repeats of its networks", told)
    if study.study["kind"] not in RUN_BY_RUN:
        return None
    return captioned("Pairs of model and recipe, the best first", evaluation_table(rank_pairs(study.trials)))


def offers(study: StudyRecord) -> list[Table]:
    """Return the tables of the saved models and of the accuracy trade-off."""
    found = [captioned("Saved models", models_table(study.models))] if len(study.models) else []
    if study.bound is not None and study.minimised and study.networks:
        slack = slack_table(cheapest(study.trials, study.study), study.sought)
        caption = study.sought.reword("Accuracy trade-off, in percentage points")
        found.append(captioned(caption, slack))
    return found


def question(study: StudyRecord) -> Table:
    """Return the recorded settings of the study, defaults included."""
    shown = relevant_settings(study.study["question"])
    return pairs("Study settings", ("what", "value"), flat("", shown))


def provenance(study: StudyRecord) -> Table:
    """Return what is needed to reproduce the study, and where it ran."""
    about, rows = study.study, study.rows
    trainings = [row for row in rows if row["attempts"]]
    commits = {about["git_commit"], *(row["git_commit"] for row in rows)} - {None}
    seeds = {(row["seed"], row["subset_seed"]) for row in trainings if row["seed"] is not None}
    versions = {**_trainer_versions(study), **about["versions"]}
    said = [
        ("command", command(study)),
        ("commit", ", ".join(sorted(commits))),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))),
        ("machines", "; ".join(sorted({_machine(row) for row in trainings} - {""}))),
        ("seeds", f"{quantity(len(seeds), 'pair')} of training seed and image seed; see the table below"),
        ("started", f"{moment(about['created_at'])} UTC"),
        ("updated", f"{moment(about['updated_at'])} UTC"),
        ("time of all trainings", f"{study.seconds:,.1f} s"),
        ("energy", energy(about["energy_joules"]) or "not measured (no GPU that reports it)"),
        ("trainings with known energy", f"{about['measured']:,} of {about['trainings']:,}"),
    ]  # fmt: skip
    return pairs("Reproduction", ("what", "value"), said)


def _trainer_versions(study: StudyRecord) -> dict[str, Any]:
    versions = (
        [found for found in study.trials["versions"] if isinstance(found, dict)] if len(study.trials) else []
    )
    return versions[-1] if versions else {}


def _machine(row: Row) -> str:
    return " ".join(str(row[name]) for name in _MACHINE if row[name])


def seeds(study: StudyRecord) -> Table:
    """Return the seeds, times and folder of each training."""
    rows = [row for row in study.rows if row["attempts"]]
    return table(
        latest("Seeds, times and folders of the trainings", len(rows)),
        rows[-MOST:],
        {
            "trial": plain("number"),
            "purpose": plain("purpose"),
            "repeat": plain("replicate"),
            "seed": lambda row: str(row["seed"]),
            "image seed": lambda row: str(row["subset_seed"]),
            "attempts": plain("attempts"),
            "started (UTC)": lambda row: moment(row["started_at"]),
            "seconds": lambda row: number(row["seconds"], 1),
            "energy": lambda row: energy(row["energy_joules"]) or "-",
            "folder": plain("folder"),
        },
        texts=("purpose", "folder"),
    )


def events(study: StudyRecord) -> Table:
    """Return the events of the study, oldest first."""
    return table(
        "Events",
        plain_rows(study.events),
        {
            "at (UTC)": lambda event: moment(event["at"]),
            "event": plain("kind"),
            "trial": lambda event: str(event["trial"] or "-"),
            "detail": lambda event: ", ".join(": ".join(leaf) for leaf in flat("", event["detail"])),
        },
        texts=("event", "detail"),
    )
