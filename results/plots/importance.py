"""Importance of each parameter for the accuracy, by Optuna's evaluators.

A search concentrates on promising regions, so its trials are not an even sample of the space. Importances,
especially from few trials, are therefore only hints.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import plotly.graph_objects as go

from results.db.tables import RUN_BY_RUN
from results.plots._look import BLUE, ORANGE, empty, finish_figure, sample
from results.plots.slices import parameters
from results.study_record import Row, StudyRecord

if TYPE_CHECKING:
    import optuna

FEWEST, FEWEST_EACH = 12, 4  # trials in all, and for each parameter; fewer tell chance from nothing
MOST = 400  # trials that are used, an even sample: fANOVA's time grows with them
_SHOWN = 15
_NAMES = {"fanova": "fANOVA: share of the variance", "ped_anova": "PED-ANOVA: difference of the best tenth"}
_LOOKS = {"fanova": (BLUE, ""), "ped_anova": (ORANGE, "/")}


def importance(study: StudyRecord, dark: bool = False) -> go.Figure:
    """Plot each parameter's importance for the accuracy as bars, one per evaluator."""
    title = study.sought.reword("Parameter importance for the accuracy")
    found = importances(study)
    if not found:
        varied = len(parameters(study, _points(study)))
        need = max(FEWEST, FEWEST_EACH * varied)
        why = f"needs {need} trained candidates whose parameters and accuracies differ"
        return empty(title, f"{why}; there are {len(_points(study))}", dark)
    most_first = sorted(found["fanova"], key=lambda name: -found["fanova"][name])
    names = most_first[:_SHOWN][::-1]
    figure = go.Figure()
    for evaluator in reversed(found):
        colour, pattern = _LOOKS[evaluator]
        values = [100 * found[evaluator].get(name, 0.0) for name in names]
        figure.add_bar(
            x=values, y=names, orientation="h", name=_NAMES[evaluator],
            marker={"color": colour, "pattern": {"shape": pattern, "solidity": 0.25}},
            text=[f"{value:.0f}%" for value in values], textposition="outside", cliponaxis=False,
            hovertemplate="%{y}: %{x:.1f}%<extra>%{fullData.name}</extra>",
        )  # fmt: skip
    figure.update_layout(barmode="group", bargap=0.3, legend_traceorder="reversed")
    figure.update_xaxes(title="importance (%)", range=[0, 108]).update_yaxes(type="category")
    trials = len(_points(study))
    notes = [f"{len(names)} of {len(most_first)} parameters"] if len(names) < len(most_first) else []
    notes.append(f"{MOST:,} of {trials:,} trials" if trials > MOST else f"n = {trials} trials")
    return finish_figure(figure, title, dark, ", ".join(notes), height=170 + 44 * len(names))


def importances(study: StudyRecord) -> dict[str, dict[str, float]]:
    """Return the importance of each parameter in [0, 1], by evaluator; empty with too few trials."""
    rows = sample(_points(study), MOST)
    varied = parameters(study, rows)
    need = max(FEWEST, FEWEST_EACH * len(varied))
    if len(rows) < need or not varied or len({row["accuracy"] for row in rows}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that an evaluator is experimental, that a notebook lacks a widget
        from optuna import importance as optunas  # here, since it takes a second to import

        asked = _study_of(study, rows, varied)
        evaluators = {
            "fanova": optunas.FanovaImportanceEvaluator(n_trees=32, seed=0),
            "ped_anova": optunas.PedAnovaImportanceEvaluator(),
        }
        return {
            name: optunas.get_param_importances(asked, evaluator=evaluator)
            for name, evaluator in evaluators.items()
        }


def _points(study: StudyRecord) -> list[Row]:
    """Return the trained candidates of the search."""
    purposes = ("search", *RUN_BY_RUN)
    done = (row for row in study.rows if row["state"] == "completed" and row["purpose"] in purposes)
    return [row for row in done if row["accuracy"] is not None and row["point"]]


def _study_of(
    study: StudyRecord, rows: Sequence[Row], varied: Mapping[str, Mapping[str, Any]]
) -> optuna.Study:
    """Return the rows as an Optuna study in memory."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {name: _distribution(name, variable, rows) for name, variable in varied.items()}
    way: Literal["minimize", "maximize"] = "minimize" if study.sought.is_lower_better else "maximize"
    made = optuna.create_study(direction=way, sampler=optuna.samplers.RandomSampler(seed=0))
    for row in rows:
        point = {name: _value(row["point"].get(name), distributions[name]) for name in varied}
        made.add_trial(
            optuna.trial.create_trial(params=point, distributions=distributions, value=row["accuracy"])
        )
    return made


def _distribution(name: str, variable: Mapping[str, Any], rows: Sequence[Row]) -> Any:
    """Return the distribution of a variable, as wide as its recorded values."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    values = [row["point"].get(name) for row in rows]
    if variable.get("kind") not in ("real", "integer") or not all(isinstance(v, int | float) for v in values):
        return CategoricalDistribution(sorted({str(value) for value in values}))
    log = bool(variable.get("log")) and min(values) > 0
    return FloatDistribution(min(values), max(values), log=log)


def _value(value: Any, distribution: Any) -> Any:
    return str(value) if hasattr(distribution, "choices") else float(value)
