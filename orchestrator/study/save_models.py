"""Save the networks that a search found as models, which every command accepts by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.search.confirmation import Winner
from orchestrator.search.context import SearchContext
from orchestrator.spec.study_spec import StudySpec
from results.db.tables import Trial
from results.db.transactions import patient


def save(search: SearchContext, winner: Winner | None) -> None:
    """Save the winner as the study's model, if there is one and it is better than the base network."""
    spec = search.spec
    search.store.drop_models(search.study.id)
    if winner and not (spec.aim.minimise and winner.trial.point == dict(search.formulation.start)):
        _save(search, winner.trial, spec.save_as, winner.columns())


def save_front(search: SearchContext) -> None:
    """Save each network on the Pareto front as a model: NAME_1 is the smallest."""
    from results import queries  # pandas: half a second to import

    search.store.drop_models(search.study.id)
    members = patient(queries.front)(search.spec.request.database, search.study.name).to_dict("records")
    for place, member in enumerate(members, start=1):
        known = {name: member[name] for name in ("status", "trainings", "accuracy_low", "accuracy_high")}
        known["val_accuracy"] = member["mean_accuracy"]
        row = search.history.rows[member["trial"]]
        _save(search, row, f"{search.spec.save_as}_{place}", known)


def saves(spec: StudySpec, name: str) -> bool:
    """Whether this search saves a model of this name."""
    if spec.aim.objectives == 1:
        return name == spec.save_as
    stem, _, place = name.rpartition("_")
    return stem == spec.save_as and place.isdecimal()


def _save(search: SearchContext, trial: Trial, name: str, known: Mapping[str, Any]) -> None:
    """Save one model. `known`: the columns of its row about its accuracy."""
    training, config = search.spec.training, trial.config or {}
    search.store.save_model(
        name=name,
        network=training.network,
        **config["scale"],
        dataset=training.dataset,
        image_size=training.image_size,
        hyperparameters=config["hyperparameters"],
        recipe=training.recipe,
        ingredients=config.get("ingredients"),
        architecture=config.get("architecture"),
        macs=trial.macs or 0,  # a script tells none
        parameters=trial.parameters or 0,
        latency_ms=trial.latency_ms,
        **known,
        study_id=search.study.id,
        trial_id=trial.id,
    )
